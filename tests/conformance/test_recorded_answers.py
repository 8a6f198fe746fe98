# SPDX-License-Identifier: GPL-2.0-only
"""The model answers every recorded scenario as the kernel did that played it.

Who is right: tests/answers, measured on running kernels.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ctlint.scenario.agreement import Difference, compare
from ctlint.scenario.answer import ScenarioAnswer
from ctlint.scenario.lots import Lots, orders
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import Send
from tests.conformance.answers import (
    PROFILES,
    RULES,
    RecordedAnswer,
    Recording,
    read_answers,
    recordings,
)
from tests.conformance.comparison import tell

KNOWN = Path(__file__).with_name("known_differences.toml")
ASKED: Counter[str] = Counter()
"""How many packets each kernel has answered, for the summary of the run."""

MOST_TOLD = 5
"""Scenarios that a failing test tells in full."""


def play_recorded(recorded: RecordedAnswer, *, targets_first: bool = False) -> ScenarioAnswer:
    """The model's answer; where the kernel drew a port by lot, the model draws the same."""
    scenario = recorded.scenario
    lots = Lots(targets_first=targets_first)
    player = Player(scenario, recorded.recording.kernel, lots.draw)
    packets = []
    for step, answer in zip(scenario.steps, recorded.packets, strict=True):
        lots.look_at_recorded(answer, step.protocol if isinstance(step, Send) else 0)
        packets.append(player.step(step))
    missing = scenario.missing_sysctls(recorded.recording.kernel)
    return ScenarioAnswer(scenario.name, tuple(packets), player.entries(), missing)


def differences(recorded: RecordedAnswer) -> list[Difference]:
    """Where the model differs from one recorded answer."""
    found: list[Difference] = []
    source = recorded.source
    for targets_first in orders(source.get("ruleset", "") + source.get("ruleset6", "")):
        found = _differences(recorded, targets_first=targets_first)
        if not found:
            break
    return found


def _differences(recorded: RecordedAnswer, *, targets_first: bool) -> list[Difference]:
    answer = play_recorded(recorded, targets_first=targets_first)
    found = compare(recorded.packets, recorded.entries, answer)
    ignored = tuple(short_name(name) for name in answer.missing_sysctls)
    theirs = tuple(short_name(name) for name in recorded.missing_sysctls)
    if sorted(ignored) != sorted(theirs):
        found.append(Difference("end", "missing_sysctls", theirs, ignored))
    return found


@cache
def agreeing_answers(release: str) -> tuple[RecordedAnswer, ...]:
    """The answers about the tracker in which the model agrees: all but the known differences."""
    return tuple(
        recorded
        for recording in recordings()
        if recording.release == release and recording.name not in RULES
        for recorded in read_answers(recording)
        if not differences(recorded)
    )


def short_name(sysctl: str) -> str:
    """A sysctl of conntrack without its prefix."""
    return sysctl.removeprefix("net.netfilter.").removeprefix("nf_conntrack_")


Place = tuple[str, int, int | str, str]
"""Recording, scenario, packet and field of a known difference."""


@cache
def known_differences() -> Mapping[Place, str]:
    """The known differences, each with its reason."""
    listed: dict[Place, str] = {}
    for known in tomllib.loads(KNOWN.read_text(encoding="utf-8")).get("difference", []):
        place = (known["recording"], known["scenario"], known["packet"], known["field"])
        assert place not in listed, f"listed twice: {place}"
        assert known["reason"].strip(), f"no reason: {place}"
        listed[place] = known["reason"]
    return listed


def _places(recorded: RecordedAnswer, found: list[Difference]) -> Iterator[Place]:
    for difference in found:
        yield str(recorded.recording), recorded.index, difference.packet, difference.field


@pytest.mark.parametrize("recording", recordings(), ids=str)
def test_model_answers_as_kernel(
    recording: Recording, report_count: Callable[[str, int], None]
) -> None:
    """Every field of every packet, and the entries at the end."""
    due = {place for place in known_differences() if place[0] == str(recording)}
    told: list[str] = []
    wrong = packets = scenarios = 0
    for recorded in read_answers(recording):
        scenarios += 1
        packets += len(recorded.packets)
        found = differences(recorded)
        places = set(_places(recorded, found))
        unlisted = [d for d in found if places.intersection(_places(recorded, [d])) - due]
        due -= places
        if unlisted:
            wrong += 1
            if wrong <= MOST_TOLD:
                story = tell(recorded.source, recorded.packets, unlisted)
                told.append(f"scenario {recorded.index}: {story}")
    assert scenarios
    ASKED[recording.release] += packets
    report_count(f"packets answered by {recording.release}", ASKED[recording.release])
    assert not wrong, f"{wrong} of {scenarios} scenarios differ\n" + "\n\n".join(told)
    assert not due, f"listed as known, but the model agrees now: {sorted(map(str, due))}"


def test_every_known_difference_has_its_recording() -> None:
    """A known difference names a recording that exists."""
    names = {str(recording) for recording in recordings()}
    assert {place[0] for place in known_differences()} <= names


def test_every_kernel_has_recordings() -> None:
    """Nothing is skipped for want of data."""
    assert {recording.release for recording in recordings()} == set(PROFILES)


def _changed(value: Any) -> Any:
    """Something else of the same kind."""
    match value:
        case None:
            return "something"
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "?"
        case list():
            return [*value, "more"]
        case dict():
            return {**value, "more": "more"}
    raise AssertionError(value)


def _with_one_change(answer: Any) -> Iterator[tuple[str, Any]]:
    """Copies of an answer, each with one value changed, and where that is."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            for path, changed in _with_one_change(value):
                yield f"{name}.{path}", {**answer, name: changed}
    elif isinstance(answer, list) and answer and not isinstance(answer[0], str | int):
        for nth, value in enumerate(answer):
            for path, changed in _with_one_change(value):
                yield f"{nth}.{path}", [*answer[:nth], changed, *answer[nth + 1 :]]
    yield "", _changed(answer)


def test_comparison_notices_every_field() -> None:
    """Whatever is changed in a recorded answer, the comparison says so, for that packet."""
    recorded = next(read_answers(Recording("6.18.44", "cases")))
    packets, answer = list(recorded.packets), play_recorded(recorded)
    assert not compare(packets, recorded.entries, answer)
    changes = 0
    for number, packet in enumerate(packets):
        for path, changed in _with_one_change(packet):
            if isinstance(changed, dict) and path:
                changes += 1
                expected = [*packets[:number], changed, *packets[number + 1 :]]
                found = compare(expected, recorded.entries, answer)
                assert [difference.packet for difference in found] == [number], path
    assert changes > 100
    for path, changed in _with_one_change(list(recorded.entries)):
        assert compare(packets, changed, answer), path
