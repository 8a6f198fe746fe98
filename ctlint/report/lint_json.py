# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint lint`` as JSON, version 1. The keys are a contract: docs/json.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

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


def json_pieces(result: LintResult, *, version: str) -> Iterator[str]:
    """The result as one JSON object with a final newline, piece by piece: each witness holds its
    rules, and all together may be gigabytes. ``version`` is that of ctlint.

    The text is ASCII. A byte of an input that was not UTF-8 appears as ``\\udcNN``.
    """
    known = causes(result)
    numbers = {id(each): number for number, one in enumerate(known, 1) for each in one.findings}
    summary = {
        **{severity.value: result.count(severity) for severity in Severity},
        "suppressed": result.allowed,
    }
    findings = (_finding(each, numbers[id(each)]) for each in result.findings)
    members: dict[str, Iterator[str]] = {
        "version": _pieces(FORMAT_VERSION, 1),
        "tool": _pieces({"name": "ctlint", "version": version}, 1),
        "kernel": _pieces(result.kernel, 1),
        "config": _pieces(result.config or None, 1),
        "inputs": _list(map(_input, result.inputs)),
        "findings": _list(findings),
        "undecided": _list(map(_undecided, result.undecided)),
        "summary": _pieces(summary, 1),
        "causes": _pieces(sum(cause.lead.suppressed is None for cause in known), 1),
        "baseline": _pieces(_baseline(result.baseline) if result.baseline else None, 1),
        "skipped": _list(map(_skipped, result.skipped)),
    }
    before = "{\n"
    for key, pieces in members.items():
        yield f'{before}  "{key}": '
        yield from pieces
        before = ",\n"
    yield "\n}\n"


def _list(items: Iterable[object]) -> Iterator[str]:
    """A list on the first level."""
    before = "[\n    "
    for item in items:
        yield before
        yield from _pieces(item, 2)
        before = ",\n    "
    yield "[]" if before[0] == "[" else "\n  ]"


def _pieces(value: object, level: int) -> Iterator[str]:
    """A value as it stands on a level; no text in it holds a line break of its own."""
    indented = "\n" + "  " * level
    short: list[str] = []
    for piece in _ENCODER.iterencode(value):
        if len(piece) < _LONG:
            short.append(piece)
            continue
        yield "".join(short).replace("\n", indented)
        yield piece
        short.clear()
    yield "".join(short).replace("\n", indented)


def as_plain(value: object) -> dict[Any, Any] | list[Any]:
    """Turns any mapping or sequence into what json writes; TypeError for all else."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_ENCODER: Final = json.JSONEncoder(indent=2, ensure_ascii=True, default=as_plain)

_LONG: Final = 1 << 16
"""Characters of a string, as rules are, that is handed on by itself."""


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
