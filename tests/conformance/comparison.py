# SPDX-License-Identifier: GPL-2.0-only
"""Compares the answers of two players to the same scenario, field by field.

Both are as JSON knows them (docs/scenario.md), with what entries keep and rules do not see. A
field that the expected answer does not have is not compared: recordings hold what could be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ctlint.scenario.answer import ScenarioAnswer, to_json

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


def _step_in_words(step: Json) -> str:
    if "op" in step:
        details = (str(step[name]) for name in ("dt", "sysctls") if name in step)
        return " ".join([step["op"], *details])
    words = [step["dir"], step.get("flags") or "-"]
    words += [f"{name} {step[name]}" for name in step if name not in {"dir", "flags"}]
    return " ".join(words)


def _answer_in_words(answer: Json) -> str:
    if "op" in answer:
        return "done"
    entry = answer["entry"]
    words = [str(answer["ctstate"])]
    if entry is not None:
        words += [str(entry["state"]), f"{entry['timeout']}s", *entry["flags"]]
        words += [f"{name} {entry[name]}" for name in ("dirflags", "wscale") if name in entry]
    return " ".join([*words, *answer.get("why", ())])


def tell(source: Json, expected: Sequence[Json], differences: Sequence[Difference]) -> str:
    """Differences of one scenario for a reader, below all steps up to the last that differs."""
    last = max((d.packet for d in differences if isinstance(d.packet, int)), default=len(expected))
    told = [f"{source.get('name')}: {source.get('topology')} {source.get('sysctls')}"]
    at_the_end = [d for d in differences if d.packet == AT_THE_END]
    for number, (step, answer) in enumerate(zip(source["packets"], expected, strict=False)):
        if number > last:
            break
        told.append(f"  {number}: {_step_in_words(step)}\n       {_answer_in_words(answer)}")
        told += [f"    ** {found}" for found in differences if found.packet == number]
    return "\n".join([*told, *(f"    ** {found}" for found in at_the_end)])
