# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint lint`` as JSON, version 1. The keys are a contract: docs/json.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ctlint.finding import (
    Compared,
    Finding,
    Fix,
    InputSummary,
    LintResult,
    Location,
    PacketKind,
    Severity,
    Skipped,
    Stranded,
    Suppressed,
    Undecided,
)
from ctlint.report.baseline import identity_as_json
from ctlint.report.causes import causes
from ctlint.wire.addresses import Family

FORMAT_VERSION = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""

FAMILY_NAMES = {Family.IPV4: "ipv4", Family.IPV6: "ipv6"}


def render_json(result: LintResult, *, version: str) -> str:
    """The result as one JSON object with a final newline; ``version`` is that of ctlint.

    The text is ASCII. A byte of an input that was not UTF-8 appears as ``\\udcNN``.
    """
    known = causes(result)
    numbers = {id(each): number for number, one in enumerate(known, 1) for each in one.findings}
    summary = {
        **{severity.value: result.count(severity) for severity in Severity},
        "suppressed": result.allowed,
    }
    members: dict[str, str] = {
        "version": _text(FORMAT_VERSION, 1),
        "tool": _text({"name": "ctlint", "version": version}, 1),
        "kernel": _text(result.kernel, 1),
        "config": _text(result.config or None, 1),
        "inputs": _list(map(_input, result.inputs)),
        "findings": _list(_finding(each, numbers[id(each)]) for each in result.findings),
        "undecided": _list(map(_undecided, result.undecided)),
        "summary": _text(summary, 1),
        "causes": _text(sum(cause.lead.suppressed is None for cause in known), 1),
        "baseline": _text(_baseline(result.baseline) if result.baseline else None, 1),
        "skipped": _list(map(_skipped, result.skipped)),
    }
    lines = ",\n".join(f'  "{key}": {text}' for key, text in members.items())
    return f"{{\n{lines}\n}}\n"


def _list(items: Iterable[object]) -> str:
    """A list on the first level. Each item becomes text by itself: of thousands of hosts the pieces
    that json makes of all together would take gigabytes.
    """
    texts = ",\n    ".join(_text(item, 2) for item in items)
    return f"[\n    {texts}\n  ]" if texts else "[]"


def _text(value: object, level: int) -> str:
    """A value as it stands on a level; no text in it holds a line break of its own."""
    text = json.dumps(value, indent=2, ensure_ascii=True, default=as_plain)
    return text.replace("\n", "\n" + "  " * level)


def as_plain(value: object) -> dict[Any, Any] | list[Any]:
    """Turns any mapping or sequence into what json writes; TypeError for all else."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def packet_as_json(packet: PacketKind) -> dict[str, str]:
    """The object that stands for a kind of packet."""
    return {
        "flags": packet.flags,
        "dir": packet.dir,
        "entry": packet.entry,
        "ctstate": packet.ctstate,
    }


def _input(summary: InputSummary) -> dict[str, object]:
    return {
        "file": summary.file,
        "family": FAMILY_NAMES[summary.family],
        "rules": summary.rules,
        "tables": summary.tables,
        "facts": summary.facts,
        "host": summary.host or summary.file,
    }


def _finding(finding: Finding, cause: int) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "message": finding.message,
        "remedy": finding.remedy,
        "location": location_json(finding.location),
        "related": [
            {**location_json(related), "message": related.message} for related in finding.related
        ],
        "role": finding.role.value if finding.role else None,
        "family": FAMILY_NAMES[finding.family] if finding.family else None,
        "packet": packet_as_json(finding.packet) if finding.packet else None,
        "packets": [packet_as_json(packet) for packet in finding.packets],
        "ports": finding.ports,
        "stranded": stranded_json(finding.stranded),
        "witness": (
            {"scenario": finding.witness.scenario, "expect": finding.witness.expect}
            if finding.witness
            else None
        ),
        "fix": _fix(finding.fix) if finding.fix else None,
        "fingerprint": finding.fingerprint,
        "suppressed": _suppressed(finding.suppressed) if finding.suppressed else None,
        "host": finding.host or None,
        "cause": cause,
    }


def _baseline(compared: Compared) -> dict[str, object]:
    return {
        "file": compared.file,
        "hidden": compared.hidden,
        "gone": [
            {**identity_as_json(identity), "count": count}
            for identity, count in compared.gone.items()
        ],
    }


def _skipped(skipped: Skipped) -> dict[str, object]:
    return {
        "host": skipped.host,
        "why": skipped.reason.value,
        "errors": [
            {
                "message": trouble.message,
                "file": trouble.file or None,
                "line": trouble.line or None,
                "column": trouble.column or None,
                "hint": trouble.hint,
            }
            for trouble in skipped.troubles
        ],
    }


def _suppressed(suppressed: Suppressed) -> dict[str, object]:
    return {
        "where": {
            "kind": suppressed.by.value,
            "file": suppressed.file,
            "line": suppressed.line,
        },
        "reason": suppressed.reason,
    }


def _fix(fix: Fix) -> dict[str, object]:
    return {
        "description": fix.description,
        "safe": fix.is_safe,
        "leaks": fix.leaks,
        "edits": [
            {
                "file": edit.file,
                "line": edit.line,
                "delete": edit.delete,
                "insert": edit.insert,
            }
            for edit in fix.edits
        ],
    }


def stranded_json(stranded: Stranded | None) -> dict[str, object] | None:
    """A socket that stays behind; None where none does."""
    if stranded is None:
        return None
    return {
        "end": stranded.end,
        "state": stranded.state,
        "seconds": stranded.seconds,
        "at_most": stranded.at_most,
    }


def location_json(location: Location) -> dict[str, object]:
    """A place as JSON knows it."""
    return {
        "file": location.file,
        "line": location.line,
        "column": location.column,
        "table": location.table,
        "chain": location.chain,
        "position": location.position,
        "text": location.text,
    }


def _undecided(undecided: Undecided) -> dict[str, object]:
    return {
        "location": location_json(undecided.location),
        "match": undecided.match,
        "why": undecided.why,
    }
