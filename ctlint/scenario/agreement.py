# SPDX-License-Identifier: GPL-2.0-only
"""Compares the answers of two players to the same scenario, field by field.

Both are as JSON knows them (docs/scenario.md), with what entries keep and rules do not see where
that is asked for. A field that the expected answer does not have is not compared: recordings hold
what could be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ctlint.scenario.answer import (
    EntryAnswer,
    OpAnswer,
    PacketAnswer,
    ScenarioAnswer,
    packet_to_json,
    to_json,
)

Json = Mapping[str, Any]

AT_THE_END = "end"
"""Where a difference is that belongs to no packet."""

_LOWERED = re.compile(r"packet \(index \d, dir \d\) response for index \d lower timeout to (\d+)")

_TICKS_A_SECOND = frozenset({100, 250, 300, 1000})
"""CONFIG_HZ can have these values."""


class Difference(NamedTuple):
    """One field of one answer: `packet` counts the scenario's steps from 0."""

    packet: int | str
    field: str
    expected: object
    got: object

    def __str__(self) -> str:
        return f"packet {self.packet}: {self.field}: {self.got!r}, expected {self.expected!r}"


def compare(
    expected: Sequence[Json], entries: Sequence[Json], answer: ScenarioAnswer
) -> list[Difference]:
    """Where an answer differs from the expected packets and final entries, in order."""
    got = to_json(answer, internals=True)
    found: list[Difference] = []
    if len(expected) != len(got["packets"]):
        found.append(
            Difference(AT_THE_END, "packets", f"{len(expected)} answers", len(got["packets"]))
        )
    for number, (theirs, ours) in enumerate(zip(expected, got["packets"], strict=False)):
        found += _compare_packet(number, theirs, ours)
    if len(entries) != len(got["entries"]):
        found.append(Difference(AT_THE_END, "entries", list(entries), got["entries"]))
    else:
        for theirs, ours in zip(_sorted(entries), _sorted(got["entries"]), strict=True):
            found += _compare_fields(AT_THE_END, "entry.", theirs, ours)
    return found


def _sorted(entries: Sequence[Json]) -> list[Json]:
    """Entries have no order of their own; two have the same tuple if they are of two zones."""
    fields = ("orig", "reply", "state", "flags", "timeout", "mark")
    return sorted(entries, key=lambda entry: [str(entry.get(field)) for field in fields])


def _compare_packet(number: int, expected: Json, got: Json) -> Iterator[Difference]:
    if "op" in expected or "op" in got:
        yield from _compare_fields(number, "", expected, got)
        return
    plain = {name: value for name, value in expected.items() if name not in _PARTS}
    yield from _compare_fields(number, "", plain, got)
    why, our_why = expected.get("why", []), got.get("why", [])
    if not _says_the_same(why, our_why, got["entry"]):
        yield Difference(number, "why", why, our_why)
    entry, our_entry = expected["entry"], got["entry"]
    if entry is None or our_entry is None:
        if entry != our_entry:
            yield Difference(number, "entry", entry, our_entry)
    else:
        yield from _compare_fields(number, "entry.", entry, our_entry)
    out, our_out = expected["out"], got["out"]
    if len(out) != len(our_out):
        yield Difference(number, "out", out, our_out)
    else:
        for nth, (theirs, ours) in enumerate(zip(out, our_out, strict=True)):
            yield from _compare_fields(number, f"out[{nth}].", theirs, ours)


_PARTS = frozenset({"why", "entry", "out"})


def _compare_fields(
    number: int | str, prefix: str, expected: Json, got: Json
) -> Iterator[Difference]:
    for name, value in expected.items():
        ours = got.get(name)
        if _in_order(name, value) != _in_order(name, ours):
            yield Difference(number, prefix + name, value, ours)


def _in_order(name: str, value: Any) -> object:
    """A value in which the order of flags, which means nothing, is always the same."""
    if value is None:
        return None
    if name == "flags":
        return sorted(value)
    if name == "dirflags":
        return [sorted(flags) for flags in value]
    return value


def _says_the_same(expected: Sequence[str], got: Sequence[str], entry: Json | None) -> bool:
    return len(expected) == len(got) and all(
        theirs == ours or (entry is not None and _lowers_alike(theirs, ours, entry["timeout"]))
        for theirs, ours in zip(expected, got, strict=True)
    )


def _lowers_alike(expected: str, got: str, seconds: int) -> bool:
    """Whether two lines say that the timer was lowered to so many seconds, whatever the clock."""
    ours = _LOWERED.search(got)
    if ours is None or int(ours[1]) / max(seconds, 1) not in _TICKS_A_SECOND:
        return False
    theirs = _LOWERED.search(expected)
    return (
        theirs is not None
        and int(theirs[1]) / max(seconds, 1) in _TICKS_A_SECOND
        and expected[: theirs.start(1)] == got[: ours.start(1)]
    )


def differences_of_answers(
    index: int, kernel: PacketAnswer | OpAnswer, model: PacketAnswer | OpAnswer
) -> tuple[Difference, ...]:
    """How two answers to the step of this index differ."""
    if kernel == model:
        return ()
    expected = packet_to_json(kernel, internals=True)
    found = compare([expected], [], ScenarioAnswer(None, (model,), ()))
    return tuple(difference._replace(packet=index) for difference in found)


def differences_of_entries(
    kernel: tuple[EntryAnswer, ...], model: tuple[EntryAnswer, ...]
) -> tuple[Difference, ...]:
    """How two tables differ behind the last step."""
    shown = to_json(ScenarioAnswer(None, (), kernel), internals=True)
    return tuple(compare([], shown["entries"], ScenarioAnswer(None, (), model)))


def rules_as_asked(kernel: PacketAnswer, model: PacketAnswer, *, by_nft: bool) -> PacketAnswer:
    """The kernel's answer with the model's rules, where the two say no different things of them.

    nf_tables tells of a rule behind what the rule does: behind the answers that REJECT makes. Where
    the model leaves matches open, all but the rules is decided.
    """
    is_out_of_order = by_nft and sorted(kernel.rules or ()) == sorted(model.rules or ())
    if model.undecided or is_out_of_order:
        return replace(kernel, rules=model.rules)
    return kernel
