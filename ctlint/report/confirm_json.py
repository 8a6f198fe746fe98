# SPDX-License-Identifier: GPL-2.0-only
"""What model and kernel say of scenarios, as JSON: an object a line for each, and one for all. The
keys are a contract: docs/confirm.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

from ctlint.report.confirm_result import Confirmation, Status, Sums, made_for
from ctlint.scenario.agreement import Difference
from ctlint.scenario.answer import packet_to_json
from ctlint.scenario.check import Unmet
from ctlint.scenario.duel import Both, Duel
from ctlint.scenario.scenario import Scenario
from ctlint.scenario.writer import scenario_to_json

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def write_confirmation_json(found: Confirmation, *, kernel: str, stream: TextIO) -> None:
    """Writes one scenario as one line of ASCII, and hands it on."""
    task, duel = found.task, found.duel
    written: dict[str, Any] = {
        "file": task.file,
        "line": task.line,
        "name": task.name,
        "rule": task.rule,
        "confidence": task.confidence.value if task.confidence else None,
        "status": found.status.value,
        "problem": found.problem,
        "made_for": made_for(task, kernel),
        "packets": [] if duel is None else [_packet(each) for each in duel.steps],
        "differences": [] if duel is None else differences_json(duel.differences),
        "open": None if duel is None else duel.open,
        "unmet": [] if duel is None else unmet_json(duel.unmet),
        "unmet_by_model": [] if duel is None else unmet_json(duel.unmet_by_model),
        "report": found.report,
    }
    _write(written, stream)


def write_sums_json(sums: Sums, *, kernel: str, release: str, stream: TextIO) -> None:
    """Writes the sums, as the last line."""
    words = {status: status.name.lower() for status in Status}
    _write(
        {
            "kernel": release,
            "profile": kernel,
            **{word: sums.by_status[status] for status, word in words.items()},
            "without_witness": sums.without,
        },
        stream,
    )


def _packet(both: Both) -> dict[str, Any]:
    return {
        "kernel": packet_to_json(both.kernel),
        "model": None if both.model is None else packet_to_json(both.model),
        "agree": None if both.model is None else not both.differences,
    }


def differences_json(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """Differences, each with what either said; `packet` is "end" for the table behind the last."""
    return [
        {"packet": one.packet, "field": one.field, "model": one.got, "kernel": one.expected}
        for one in differences
    ]


def unmet_json(unmet: Sequence[Unmet]) -> list[dict[str, Any]]:
    """What was expected and did not come."""
    return [
        {"packet": one.expectation.packet, "expected": miss.expected, "got": miss.got}
        for one in unmet
        for miss in one.misses
    ]


def bug_report(
    scenario: Scenario, duel: Duel, *, kernel: str, release: str, backend: str | None, version: str
) -> dict[str, Any]:
    """All that it takes to see a difference again."""
    return {
        "ctlint": version,
        "kernel": release,
        "profile": kernel,
        "backend": backend,
        "differences": differences_json(duel.differences),
        "unmet": unmet_json(duel.unmet),
        "open": duel.open,
        "scenario": scenario_to_json(scenario),
        "kernel_answers": [packet_to_json(each.kernel, internals=True) for each in duel.steps],
        "model_answers": [
            None if each.model is None else packet_to_json(each.model, internals=True)
            for each in duel.steps
        ],
    }


def _write(value: dict[str, Any], stream: TextIO) -> None:
    stream.write(_ENCODER.encode(value) + "\n")
    stream.flush()
