# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint diff`` as JSON, version 1. The keys are a contract: docs/diff.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from ctlint.analysis.difference import Compared, Decision, Difference, DiffResult, Packet
from ctlint.analysis.fate import Disposition
from ctlint.finding import Location, Severity, Undecided, Witness
from ctlint.report.lint_json import FAMILY_NAMES, as_plain, stranded_json

FORMAT_VERSION: Final = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""

_DISPOSITIONS: Final = {
    Disposition.DELIVERED: "passed",
    Disposition.DROPPED_BY_RULE: "dropped",
    Disposition.DROPPED_BY_POLICY: "dropped",
    Disposition.REJECTED: "rejected",
    Disposition.MISDIRECTED: "misdirected",
    Disposition.UNDECIDED: "undecided",
}


def render_diff_json(result: DiffResult, *, version: str) -> str:
    """The result as one JSON object with a final newline; ``version`` is that of ctlint.

    The text is ASCII. A byte of an input that was not UTF-8 appears as ``\\udcNN``.
    """
    document = {
        "version": FORMAT_VERSION,
        "tool": {"name": "ctlint", "version": version},
        "old": _side(result.old),
        "new": _side(result.new),
        "differences": [_difference(each) for each in result.differences],
        "undecided": _undecided(result.undecided),
        "summary": {severity.value: result.count(severity) for severity in Severity},
    }
    return json.dumps(document, indent=2, ensure_ascii=True, default=as_plain) + "\n"


def _side(side: Compared) -> dict[str, object]:
    return {
        "kernel": side.kernel,
        "inputs": [
            {
                "file": one.file,
                "family": FAMILY_NAMES[one.family],
                "rules": one.rules,
                "tables": one.tables,
            }
            for one in side.inputs
        ],
        "undecided": _undecided(side.undecided),
    }


def _difference(each: Difference) -> dict[str, object]:
    scope = each.scope
    ports = None
    if scope.ports is not None:
        ports = [str(a) if a == b else f"{a}:{b}" for a, b in scope.ports]
    return {
        "kind": each.kind.value,
        "severity": each.severity.value,
        "confidence": each.confidence.value,
        "message": each.message,
        "role": each.role.value,
        "family": FAMILY_NAMES[each.family],
        "packet": _packet(each.packets[0]),
        "packets": [_packet(packet) for packet in each.packets],
        "old": _decision(each.old),
        "new": _decision(each.new),
        "ports": ports,
        "clients": scope.clients,
        "servers": scope.servers,
        "client_interfaces": scope.client_interfaces,
        "server_interfaces": scope.server_interfaces,
        "stranded": stranded_json(each.stranded),
        "witness": {"old": _witness(each.old_witness), "new": _witness(each.new_witness)},
    }


def _packet(packet: Packet) -> dict[str, str]:
    return {
        "when": packet.phase.value,
        "dir": packet.dir,
        "flags": packet.flags,
        "ctstate": packet.ctstate,
    }


def _decision(decision: Decision) -> dict[str, object]:
    place = decision.location
    return {
        "verdict": _DISPOSITIONS[decision.disposition],
        "reject_with": decision.rejects_with,
        "location": _location(place) if place else None,
        "translated_by": [_location(each) for each in decision.translated_by],
        "becomes": decision.becomes or None,
    }


def _location(place: Location) -> dict[str, object]:
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "table": place.table,
        "chain": place.chain,
        "position": place.position,
        "text": place.text,
    }


def _witness(witness: Witness) -> dict[str, object]:
    return {"scenario": witness.scenario, "expect": witness.expect}


def _undecided(undecided: Sequence[Undecided]) -> list[dict[str, object]]:
    return [
        {"location": _location(one.location), "match": one.match, "why": one.why}
        for one in undecided
    ]
