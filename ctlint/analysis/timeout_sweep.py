# SPDX-License-Identifier: GPL-2.0-only
"""Where the answer changes as one sysctl grows, and the curves in between.

The answer is a step function whose edges stand at known values (a silence, a pause of TCP's own, a
keepalive, another timeout, and one above each), so only those are asked, not every value; a sysctl
that counts something small is asked at every value. Each edge is played on both of its sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, NamedTuple

from ctlint.analysis.both_sides import BothSides
from ctlint.analysis.losses import Cause
from ctlint.analysis.override import Override, Sweep
from ctlint.analysis.phase import HALF_CLOSED, IDLE, TIMEOUTS
from ctlint.analysis.silence import Keepalive, in_time, late
from ctlint.analysis.threshold import Threshold
from ctlint.analysis.whatif import Answer, Question, WhatIf
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.kernel.sysctls import Unit, resolve

FEW_VALUES: Final = 512
"""So many values are all asked."""

_TOLD: Final = (IDLE, HALF_CLOSED)
"""The phases of which curves are drawn."""

_SAMPLES: Final = 48
"""Points of a curve, at even distances of the logarithm."""


class Step(NamedTuple):
    """From ``low`` to ``high``, both with them, the answer is the same but for numbers of entries;
    it is given at both ends.
    """

    low: int
    high: int
    at_low: Answer
    at_high: Answer


class Change(NamedTuple):
    """At the value ``at`` a phase becomes another than one below."""

    at: int
    before: Threshold
    after: Threshold


class Point(NamedTuple):
    """The share of stranded connections and the entries at one value; None where not told."""

    value: int
    share: Fraction | None
    total: Fraction | None


@dataclass(frozen=True, slots=True)
class Swept:
    """The steps in order, and points of the curves."""

    sweep: Sweep
    steps: tuple[Step, ...]
    points: tuple[Point, ...]

    def changes(self) -> Iterator[Change]:
        """Every phase that changes at an edge."""
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            pairs = zip(before.at_high.thresholds, after.at_low.thresholds, strict=True)
            for old, new in pairs:
                if _key(old) != _key(new):
                    yield Change(after.low, old, new)


def sweep(whatif: WhatIf, question: Question, wanted: Sweep) -> Swept:
    """The answers from the lowest value to the highest. Raises BadSettingError."""
    others = tuple(one for one in question.overrides if one.name != wanted.name)
    asked: dict[int, Answer] = {}

    def at(value: int) -> Answer:
        if value not in asked:
            asked[value] = whatif.answer(tried(value))
        return asked[value]

    def tried(value: int) -> Question:
        return replace(question, overrides=(*others, Override(wanted.name, value)))

    is_span = resolve(wanted.name).sysctl.unit is Unit.SECONDS
    if not is_span and wanted.high - wanted.low < FEW_VALUES:
        edges = list(range(wanted.low, wanted.high + 1))
    else:
        edges = _edges(wanted, question, at(wanted.low), at(wanted.high))
    steps: list[Step] = []
    for index, low in enumerate(edges):
        high = edges[index + 1] - 1 if index + 1 < len(edges) else wanted.high
        if steps and _signature(steps[-1].at_low) == _signature(at(low)):
            steps[-1] = Step(steps[-1].low, high, steps[-1].at_low, at(high))
        else:
            steps.append(Step(low, high, at(low), at(high)))
    samples = {*_samples(wanted), *(value for step in steps for value in (step.low, step.high))}
    return Swept(
        wanted,
        tuple(steps),
        tuple(_point(value, whatif.answer(tried(value), _TOLD)) for value in sorted(samples)),
    )


def curves(whatif: WhatIf, question: Question, wanted: Sweep) -> Swept:
    """The points of the curves alone. Raises BadSettingError."""
    others = tuple(one for one in question.overrides if one.name != wanted.name)

    def at(value: int) -> Answer:
        tried = replace(question, overrides=(*others, Override(wanted.name, value)))
        return whatif.answer(tried, _TOLD)

    edges = _edges(wanted, question, at(wanted.low), at(wanted.high))
    below = (value - 1 for value in edges if value > wanted.low)
    values = sorted({*_samples(wanted), *edges, *below})
    return Swept(wanted, (), tuple(_point(value, at(value)) for value in values))


def played(whatif: WhatIf, swept: Swept) -> Iterator[tuple[Change, BothSides | None]]:
    """The changes, each with a witness below the edge and one at it, with one and the same silence:
    ``beyond`` is lost below, ``within`` arrives at it. None where the change is no matter of a
    timeout, or hangs on undecided matches. Raises AnalysisFault.
    """
    edges = {
        after.low: (before.at_high, after.at_low)
        for before, after in zip(swept.steps, swept.steps[1:], strict=False)
    }
    for change in swept.changes():
        pair = None
        if change.after.lifetime == change.before.lifetime + 1:
            below, above = edges[change.at]
            lost, kept = whatif.sides(below, change.before), whatif.sides(above, change.after)
            if lost is not None and kept is not None:
                pair = BothSides(kept.within, lost.beyond)
        yield change, pair


def _edges(wanted: Sweep, question: Question, lowest: Answer, highest: Answer) -> list[int]:
    """Values at which the answer may be another than one below."""
    found: set[int] = set()
    usage = question.usage
    found.update(each.seconds for each in (*usage.idle, *usage.half_close))
    for answer in (lowest, highest):
        settings = answer.settings
        theirs = {each.keepalive_or(usage.keepalive) for each in (*usage.idle, *usage.half_close)}
        for keepalive in theirs | {usage.keepalive or Keepalive()}:
            if keepalive is not None:
                found.update(v for v in keepalive.of(settings) if v is not None)
        found.update(
            settings.value(name) for name in TIMEOUTS.values() if settings.kernel.has_sysctl(name)
        )
        for one in answer.thresholds:
            found.add(one.lifetime)
            if one.pause is not None:
                found.update(one.pause)
        if answer.occupancy is not None and answer.occupancy.total is not None:
            found.add(int(answer.occupancy.total))
    # A keepalive may be late, for a timeout and by a timeout.
    kernel = question.kernel
    found |= {each(value, kernel) for value in tuple(found) for each in (late, in_time)}
    edges = {wanted.low, *(value + above for value in found for above in (0, 1))}
    return sorted(value for value in edges if wanted.low <= value <= wanted.high)


def _samples(wanted: Sweep) -> Iterator[int]:
    low, high = max(wanted.low, 1), wanted.high
    ratio = (high / low) ** (1 / _SAMPLES)
    for number in range(_SAMPLES + 1):
        yield min(max(round(low * ratio**number), wanted.low), high)
    yield wanted.low


def _point(value: int, answer: Answer) -> Point:
    table = answer.occupancy
    return Point(value, answer.share, None if table is None else table.total)


def _signature(answer: Answer) -> tuple[object, ...]:
    table = answer.occupancy
    is_full = table is not None and table.is_full
    return (is_full, *(_key(one) for one in answer.thresholds))


def _key(one: Threshold) -> tuple[object, ...]:
    losses = tuple((x.role, x.first, x.packet, _place(x.cause)) for x in one.losses)
    return one.verdict, one.share, losses


def _place(cause: Cause) -> tuple[object, ...]:
    position = cause.position if isinstance(cause, RuleRef) else None
    return cause.table, cause.chain, position
