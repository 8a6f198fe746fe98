# SPDX-License-Identifier: GPL-2.0-only
"""What ``ctlint whatif`` answers as JSON, version 1. The keys are a contract: docs/whatif.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Final

from ctlint.analysis.both_sides import BothSides
from ctlint.analysis.occupancy import Occupancy
from ctlint.analysis.phase import setters
from ctlint.analysis.silence import OFF, Keepalive, Share, Silences, Usage
from ctlint.analysis.threshold import Threshold
from ctlint.analysis.timeout_sweep import Change, Swept
from ctlint.analysis.whatif import Alternative, Answer, Question, Shown
from ctlint.finding import Witness
from ctlint.report.lint_json import as_plain, location_json, stranded_json
from ctlint.report.whatif_result import WhatIfResult
from ctlint.report.whatif_words import ROLE_WORDS
from ctlint.scenario.scenario import DIR_NAMES

FORMAT_VERSION: Final = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""

_DIGITS: Final = 6


def render_whatif_json(result: WhatIfResult, *, version: str) -> str:
    """The result as one JSON object with a final newline; ``version`` is that of ctlint."""
    answer = result.answer
    document: dict[str, object] = {
        "version": FORMAT_VERSION,
        "tool": {"name": "ctlint", "version": version},
        "kernel": answer.question.kernel.name,
        "files": result.files,
        "set": {one.name: one.value for one in answer.question.overrides},
        "told": _usage(answer.question),
        **_answer(answer, result.shown, result.keepalives),
    }
    if result.baseline is not None:
        document["before"] = _answer(result.baseline, (), ())
    if result.swept is not None:
        document["sweep"] = _sweep(result.swept, result.changes)
    return json.dumps(document, indent=2, ensure_ascii=True, default=as_plain) + "\n"


def _usage(question: Question) -> dict[str, object]:
    usage: Usage = question.usage
    return {
        "idle": _silences(usage.idle),
        "half_close": _silences(usage.half_close),
        "keepalive": None if usage.keepalive is None else _keepalive(usage.keepalive),
        "rate": _number(usage.rate),
        "vanish": _number(usage.vanish),
        "roles": [ROLE_WORDS[role] for role in question.roles],
    }


def _answer(
    answer: Answer, shown: Sequence[Shown], keepalives: Sequence[BothSides | None]
) -> dict[str, object]:
    keepalive = (answer.question.usage.keepalive or Keepalive()).of(answer.settings)
    return {
        "stranded_share": _number(answer.share),
        "thresholds": [_threshold(one, answer, shown) for one in answer.thresholds],
        "established": [
            _alternative(each, sides)
            for each, sides in zip_longest(answer.alternatives, keepalives)
        ],
        "keepalive": _keepalive(keepalive),
        "table": None if answer.occupancy is None else _table(answer.occupancy),
        "undecided": answer.undecided,
    }


def _threshold(one: Threshold, answer: Answer, shown: Sequence[Shown]) -> dict[str, object]:
    return {
        "phase": one.phase.name,
        "waits_for": one.phase.waits_for,
        "set_by": setters(one.phase, answer.settings),
        "lifetime": one.lifetime,
        "safe_below": one.lifetime,
        "silences": _silences(one.silences),
        "pause": None if one.pause is None else list(one.pause),
        "verdict": one.verdict.value,
        "share": _number(one.share),
        "safe_from": one.safe_from,
        "lost": [_loss(each) for each in shown if each.threshold is one],
    }


def _loss(each: Shown) -> dict[str, object]:
    return {
        "role": each.loss.role.value,
        "closer": DIR_NAMES[each.loss.first] if each.threshold.phase.has_sides else None,
        "packet": {
            "flags": each.loss.packet.flags.letters,
            "dir": DIR_NAMES[each.loss.packet.sender],
            "ctstate": each.loss.ctstate.name,
        },
        "location": location_json(each.location),
        "confidence": each.loss.confidence.value,
        "stranded": stranded_json(each.stranded),
        "witness": None if each.sides is None else _sides(each.sides),
    }


def _sides(sides: BothSides) -> dict[str, object]:
    return {"within": _witness(sides.within), "beyond": _witness(sides.beyond)}


def _witness(witness: Witness) -> dict[str, object]:
    return {"scenario": witness.scenario, "expect": witness.expect}


def _alternative(each: Alternative, sides: BothSides | None) -> dict[str, object]:
    return {
        "timeout": each.value,
        "why": each.why,
        "safe_below": each.lifetime,
        "share": _number(each.share),
        "keepalive_below": each.lifetime,
        "keepalive_sure": each.keepalive_sure,
        "keepalive_most": each.keepalive_most,
        "witness": None if sides is None else _sides(sides),
    }


def _table(table: Occupancy) -> dict[str, object]:
    entries = table.entries
    return {
        "seconds": {state: _number(each) for state, each in table.seconds.items()},
        "entries": None
        if entries is None
        else {state: _number(each) for state, each in entries.items()},
        "total": _number(table.total),
        "maximum": table.maximum,
        "full": table.is_full,
    }


def _sweep(swept: Swept, changes: Sequence[tuple[Change, BothSides | None]]) -> dict[str, object]:
    return {
        "key": swept.sweep.name,
        "from": swept.sweep.low,
        "to": swept.sweep.high,
        "steps": [
            {
                "from": step.low,
                "to": step.high,
                "stranded_share": _number(step.at_low.share),
                "verdicts": {one.phase.name: one.verdict.value for one in step.at_low.thresholds},
                "full": step.at_low.occupancy is not None and step.at_low.occupancy.is_full,
            }
            for step in swept.steps
        ],
        "changes": [_change(change, sides) for change, sides in changes],
        "points": [
            {
                "value": point.value,
                "stranded_share": _number(point.share),
                "entries": _number(point.total),
            }
            for point in swept.points
        ],
    }


def _change(change: Change, sides: BothSides | None) -> dict[str, object]:
    return {
        "at": change.at,
        "phase": change.after.phase.name,
        "before": {
            "verdict": change.before.verdict.value,
            "share": _number(change.before.share),
        },
        "after": {"verdict": change.after.verdict.value, "share": _number(change.after.share)},
        "witness": None
        if sides is None
        else {
            "before": _witness(sides.beyond),
            "after": _witness(sides.within),
        },
    }


def _silences(told: Silences) -> list[dict[str, object]]:
    return [_share(each) for each in told]


def _share(each: Share) -> dict[str, object]:
    shown: dict[str, object] = {"seconds": each.seconds, "share": _number(each.share)}
    if each.keepalive == OFF:
        shown["keepalive"] = OFF
    elif each.keepalive is not None:
        shown["keepalive"] = _keepalive(each.keepalive)
    return shown


def _keepalive(keepalive: Keepalive) -> dict[str, object]:
    return {
        "time": keepalive.time,
        "interval": keepalive.interval,
        "probes": keepalive.probes,
    }


def _number(value: Fraction | None) -> float | int | None:
    if value is None:
        return None
    return value.numerator if value.denominator == 1 else round(float(value), _DIGITS)
