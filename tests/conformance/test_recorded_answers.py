# SPDX-License-Identifier: GPL-2.0-only
"""The model answers every recorded scenario as the kernel did that played it.

Who is right: tests/answers, measured on running kernels.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ctlint.scenario.answer import PacketAnswer, ScenarioAnswer
from ctlint.scenario.play import play
from ctlint.scenario.scenario import Loopback
from tests.conformance.answers import PROFILES, RecordedAnswer, Recording, read_answers, recordings
from tests.conformance.comparison import Difference, compare, tell

KNOWN = Path(__file__).with_name("known_differences.toml")
ASKED: Counter[str] = Counter()
"""How many packets each kernel has answered, for the summary of the run."""

MOST_TOLD = 5
"""Scenarios that a failing test tells in full."""

_DROPS_INVALID = re.compile(r"-A (INPUT|FORWARD|OUTPUT) -m conntrack --ctstate INVALID -j DROP")
_NO_RULE = re.compile(r"\*filter|:(?:INPUT|FORWARD|OUTPUT) ACCEPT \[0:0\]|COMMIT|")


def dropping_chains(ruleset: str) -> frozenset[str]:
    """The chains of the filter table whose only rule drops what is INVALID.

    Recorded scenarios have no other rules; raises ValueError for one that does.
    """
    chains = set()
    for line in ruleset.splitlines():
        rule = _DROPS_INVALID.fullmatch(line)
        if rule is not None:
            chains.add(rule[1])
        elif not _NO_RULE.fullmatch(line):
            raise ValueError(f"more than a drop of INVALID packets: {line!r}")
    return frozenset(chains)


def with_invalid_dropped(answer: PacketAnswer, chains: frozenset[str]) -> PacketAnswer:
    """What becomes of a packet if these chains drop what is INVALID: it ends at the first hook.

    The entry stays what it was: an INVALID packet has none attached, so that none is confirmed or
    refreshed behind the rules. Holds for all topologies but the loopback, where the packet
    would be looked at again on its way in.
    """
    reached: dict[str, str] = {}
    for hook, ctstate in answer.hooks.items():
        reached[hook] = ctstate
        if hook in chains and ctstate == "INVALID":
            return replace(answer, hooks=reached, delivered=False, out=())
    return answer


def play_recorded(recorded: RecordedAnswer) -> ScenarioAnswer:
    """The model's answer; drops of INVALID packets are applied to what it says without rules."""
    scenario = recorded.scenario
    chains = dropping_chains(scenario.ruleset)
    assert not chains or not isinstance(scenario.topology, Loopback)
    assert not scenario.ruleset6
    answer = play(replace(scenario, ruleset=""), recorded.recording.kernel)
    packets = tuple(
        with_invalid_dropped(packet, chains) if isinstance(packet, PacketAnswer) else packet
        for packet in answer.packets
    )
    return replace(answer, packets=packets)


def differences(recorded: RecordedAnswer) -> list[Difference]:
    """Where the model differs from one recorded answer."""
    answer = play_recorded(recorded)
    found = compare(recorded.packets, recorded.entries, answer)
    ignored = tuple(short_name(name) for name in answer.missing_sysctls)
    theirs = tuple(short_name(name) for name in recorded.missing_sysctls)
    if sorted(ignored) != sorted(theirs):
        found.append(Difference("end", "missing_sysctls", theirs, ignored))
    return found


@cache
def agreeing_answers(release: str) -> tuple[RecordedAnswer, ...]:
    """The answers of a kernel with which the model agrees: all but the known differences."""
    return tuple(
        recorded
        for recording in recordings()
        if recording.release == release
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


def test_other_rules_are_refused() -> None:
    """A recording with more than drops of INVALID packets must not pass unnoticed."""
    drop = "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
    assert dropping_chains(f"*filter\n:FORWARD ACCEPT [0:0]\n{drop}COMMIT\n") == {"FORWARD"}
    with pytest.raises(ValueError, match="more than a drop"):
        dropping_chains(f"*filter\n{drop}-A FORWARD -p tcp -j DROP\nCOMMIT\n")


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
