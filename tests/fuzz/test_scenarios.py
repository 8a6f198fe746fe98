# SPDX-License-Identifier: GPL-2.0-only
"""Whatever is given as a scenario, nothing but ScenarioError comes."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from rich.console import Console

from ctlint.model.kernel.profiles import NEWEST, profile
from ctlint.report.simulate_course import Course
from ctlint.report.simulate_json import write_answer_json
from ctlint.report.simulate_text import render_simulation
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import play
from ctlint.scenario.reader import read_scenarios, scenario_from_json
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.scenario.writer import scenario_to_json
from tests.unit.scenario.scenarios import scenarios

_WORDS = (
    *("name", "kernel", "sysctls", "ruleset", "topology", "flow", "packets", "kind", "v6", "role"),
    *("dir", "flags", "seq", "ack", "win", "len", "opts", "proto", "type", "quote", "dt", "op"),
    *("orig", "reply", "tcp", "udp", "icmp", "forward", "host", "lo", "wait", "sysctl", "expire"),
    *("saddr", "daddr", "sport", "dport", "ts", "sack", "wscale", "addr6", "left_if", "tcp_loose"),
)
_TEXTS = st.sampled_from(_WORDS) | st.text(max_size=8)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((0, 1, -1, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 10**30)),
    st.floats(),
    _TEXTS,
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


def check(value: object) -> None:
    """All properties of one JSON value."""
    try:
        scenario = scenario_from_json(value)
    except ScenarioError as error:
        assert error.message
        assert len(str(error)) < 400
        return
    assert scenario_from_json(scenario_to_json(scenario)) == scenario
    check_play(scenario)


def check_play(scenario: Scenario) -> None:
    """What is read can be played, or it is said why not; what is played can be shown."""
    kernel = profile(scenario.kernel) if scenario.kernel else NEWEST
    try:
        answer = play(scenario, kernel)
    except ScenarioError:
        return
    assert len(answer.packets) == len(scenario.steps)

    def course() -> Course:
        packets, entries = iter(answer.packets), answer.entries
        return Course(scenario, "t", kernel, packets, lambda: entries)

    line = io.StringIO()
    write_answer_json(course(), line, internals=True)
    assert len(json.loads(line.getvalue())["packets"]) == len(scenario.steps)
    text = io.StringIO()
    console = Console(file=text, width=80, markup=False, highlight=False, emoji=False)
    render_simulation(course(), internals=True, console=console)
    # One line a packet, and its ctstate in one column.
    heading, *lines = text.getvalue().split("\n\n", 1)[1].splitlines()
    shown = [each for each in lines if " → " in each or " ← " in each]
    sent = [each for each in answer.packets if isinstance(each, PacketAnswer)]
    assert len(shown) == len(sent)
    if shown:
        column = heading.index("ctstate")
        for each, packet in zip(shown, sent, strict=True):
            assert each[column:].startswith(packet.ctstate or "-")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place inside a value: an object or list, and the key or index in it."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@st.composite
def mutants(draw: DrawFn) -> Any:
    """A valid scenario in which up to three places have changed."""
    value: Any = copy.deepcopy(scenario_to_json(draw(scenarios(has_rules=False))))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(value))
        if not found:
            break
        inside, key = found[draw(st.integers(0, len(found) - 1))]
        change = draw(st.sampled_from(("replace", "remove", "add")))
        if change == "remove":
            del inside[key]
        elif change == "add" and isinstance(inside, list):
            inside.insert(key, draw(_JSON))
        else:
            inside[key if change == "replace" else draw(_TEXTS)] = draw(_JSON)
    return value


@given(_JSON)
def test_any_json(value: object) -> None:
    check(value)
    check({"packets": value})
    check({"packets": [value]})


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(mutants())
def test_mutants(value: object) -> None:
    check(value)
    text = json.dumps(value)
    try:
        read = list(read_scenarios(text))
    except ScenarioError:
        return
    assert read == [scenario_from_json(value)]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(has_rules=False))
def test_every_scenario_plays_or_is_refused(scenario: Scenario) -> None:
    check_play(scenario)


@given(st.one_of(st.text(), st.text(alphabet='{}[]",:0123456789.eE+- \n\\utrfalsn'), st.binary()))
def test_any_text(text: str | bytes) -> None:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    try:
        list(read_scenarios(text))
    except ScenarioError as error:
        assert error.message


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(has_rules=False), st.data())
def test_a_text_with_one_character_changed(scenario: Scenario, data: st.DataObject) -> None:
    text = json.dumps(scenario_to_json(scenario))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(["", "\0", '"', "{", "}", "[", "]", ",", "9", "-", "\ud800"]))
    try:
        list(read_scenarios(text[:at] + other + text[at + 1 :]))
    except ScenarioError as error:
        assert error.message
