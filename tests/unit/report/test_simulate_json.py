# SPDX-License-Identifier: GPL-2.0-only
"""The line of JSON that is written while a scenario is played."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from ctlint.model.kernel.profiles import profile
from ctlint.report.simulate_course import WINDOW, Course
from ctlint.report.simulate_json import write_answer_json
from ctlint.scenario.answer import OpAnswer, PacketAnswer, to_json
from ctlint.scenario.play import Player, play
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import Scenario

KERNEL = profile("5.10")
SYN = {"dir": "orig", "flags": "S"}


def course(scenario: Scenario) -> Course:
    player = Player(scenario, KERNEL)
    answers = map(player.step, scenario.steps)
    return Course(scenario, "t", KERNEL, answers, player.entries)


@pytest.mark.parametrize("internals", [False, True])
@pytest.mark.parametrize("count", [0, 1, WINDOW, WINDOW + 1, 2 * WINDOW])
def test_it_is_the_answer_whole(count: int, internals: bool) -> None:
    said = {
        "name": 'n\u2028"\x1b',
        "sysctls": {"tcp_ignore_invalid_rst": 1} if count > 1 else {},
        "packets": [SYN | {"sport": port % 5} for port in range(count)],
    }
    if count > 2:
        said["packets"][2:2] = [{"op": "wait", "dt": 1}]  # type: ignore[index]
    scenario = scenario_from_json(said)
    stream = io.StringIO()
    write_answer_json(course(scenario), stream, internals=internals)
    expected = to_json(play(scenario, KERNEL), internals=internals)
    assert stream.getvalue() == json.dumps(expected, separators=(",", ":")) + "\n"
    assert stream.getvalue().isascii()


def test_it_is_handed_on_at_once() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(io.BufferedWriter(raw, 1 << 20), write_through=False)
    write_answer_json(course(scenario_from_json({"packets": []})), stream, internals=False)
    assert raw.getvalue() == b'{"name":null,"packets":[],"entries":[]}\n'


def test_answers_are_asked_for_as_they_are_written() -> None:
    stream = io.StringIO()
    written: list[int] = []

    def answers() -> Iterator[PacketAnswer | OpAnswer]:
        for _ in range(3 * WINDOW):
            written.append(stream.getvalue().count("flush"))
            yield OpAnswer("flush")

    scenario = scenario_from_json({"packets": []})
    played = Course(scenario, "t", KERNEL, answers(), lambda: ())
    write_answer_json(played, stream, internals=False)
    assert written == [0] * WINDOW + list(range(WINDOW, 3 * WINDOW))
