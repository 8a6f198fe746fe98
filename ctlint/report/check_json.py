# SPDX-License-Identifier: GPL-2.0-only
"""Tests of a firewall as JSON: an object a line for each, and one for all. The keys are a contract:
docs/scripts.md.
"""

from __future__ import annotations

import json
from typing import Any, TextIO

from ctlint.report.check_result import Tally, TestResult
from ctlint.scenario.check import Unmet

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def write_check_json(result: TestResult, stream: TextIO) -> None:
    """Writes one test as one line of ASCII, and hands it on."""
    _write(
        {
            "file": result.file,
            "line": result.line,
            "name": result.name,
            "status": result.status.value,
            "expected": result.checked.expected,
            "unmet": [_unmet(result, each) for each in result.checked.unmet],
        }
        | ({"missing_sysctls": [*result.missing_sysctls]} if result.missing_sysctls else {}),
        stream,
    )


def write_tally_json(tally: Tally, stream: TextIO) -> None:
    """Writes the sums, as the last line."""
    _write(
        {
            "tests": tally.tests,
            "passed": tally.passed,
            "failed": tally.failed,
            "without_expectations": tally.without,
            "unreadable_files": tally.unreadable,
        },
        stream,
    )


def _unmet(result: TestResult, unmet: Unmet) -> dict[str, Any]:
    return {
        "packet": unmet.expectation.packet,
        "line": result.line_of(unmet),
        "statement": result.statement(unmet),
        "misses": [
            {"expected": miss.expected, "got": miss.got, "undecided": miss.is_open}
            for miss in unmet.misses
        ],
        "rule": unmet.rule,
        "rule_text": unmet.rule_text,
        "matched": list(unmet.matched),
    }


def _write(value: dict[str, Any], stream: TextIO) -> None:
    stream.write(_ENCODER.encode(value) + "\n")
    stream.flush()
