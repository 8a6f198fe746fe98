# SPDX-License-Identifier: GPL-2.0-only
"""An explanation as JSON, version 1. The keys are a contract: docs/explain.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from ctlint.analysis.explanation import (
    Answer,
    Change,
    Ending,
    Explanation,
    Phase,
    Result,
    Rewrite,
    RuleView,
)
from ctlint.analysis.socket_fate import SocketFate
from ctlint.analysis.tracking import Inquiry, Tracking
from ctlint.finding import Location
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.tern import Tern
from ctlint.report.kernel_facts import SHORT_NAMES, short_name
from ctlint.report.lint_json import FAMILY_NAMES, stranded_json
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import PROTOCOL_NAMES

FORMAT_VERSION: Final = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""

_DIR_NAMES: Final = {Dir.ORIGINAL: "orig", Dir.REPLY: "reply"}
_TRUTHS: Final = {Tern.TRUE: True, Tern.FALSE: False, Tern.UNKNOWN: None}


def render_explanation_json(explanation: Explanation) -> str:
    """The explanation as one JSON object with a final newline; the text is ASCII."""
    of = explanation
    document = {
        "version": FORMAT_VERSION,
        "kernel": of.kernel,
        **_inquiry(of.inquiry),
        "conntrack": _tracking(of.tracking) if of.tracking is not None else None,
        "untracked_by": _location(of.untracked_by),
        "phases": [_phase(phase, of.inquiry.packet.family) for phase in of.phases],
        "nat": list(of.nat),
        "result": _result(of.result),
        "socket": _socket(of.socket),
        "answer": _answer(of.answer),
        "changes": [_change(change) for change in of.changes],
        "undecided": [
            {"location": _location(one.location), "match": one.match, "why": one.why}
            for one in of.undecided
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _inquiry(inquiry: Inquiry) -> dict[str, object]:
    packet, known = inquiry.packet, inquiry.known
    return {
        "packet": _packet(packet),
        "role": inquiry.role.value,
        "dir": _DIR_NAMES[inquiry.sender],
        "entry": inquiry.entry.value,
        "in": inquiry.in_interface,
        "out": inquiry.out_interface,
        "mark": inquiry.mark,
        "header": {
            "length": inquiry.length if HeaderField.LENGTH in known else None,
            "ttl": packet.ttl if HeaderField.TTL in known else None,
            "tos": packet.tos if HeaderField.DSCP in known else None,
        },
    }


def _packet(packet: Packet) -> dict[str, object]:
    return {
        "family": FAMILY_NAMES[packet.family],
        "protocol": PROTOCOL_NAMES.get(packet.protocol, str(packet.protocol)),
        "saddr": format_address(packet.family, packet.saddr),
        "sport": packet.sport,
        "daddr": format_address(packet.family, packet.daddr),
        "dport": packet.dport,
        "flags": packet.flags.letters if packet.flags is not None else None,
        "len": packet.payload,
        "icmp_type": packet.icmp_type,
        "icmp_code": packet.icmp_code,
        "quoted": _packet(packet.quoted) if packet.quoted is not None else None,
    }


def _tracking(tracking: Tracking) -> dict[str, object]:
    return {
        "class": tracking.seg.name.lower() if tracking.seg is not None else None,
        "valid_flags": tracking.has_valid_flags,
        "row": _DIR_NAMES[tracking.row] if tracking.row is not None else None,
        "column": SHORT_NAMES[tracking.column] if tracking.column is not None else None,
        "cell": short_name(tracking.cell) if tracking.cell is not None else None,
        "ctstate": tracking.ctstate.name,
        "makes_entry": tracking.makes_entry,
        "entry_state": tracking.entry_state.name if tracking.entry_state is not None else None,
        "seconds": tracking.seconds,
        "reason": tracking.reason.name if tracking.reason is not None else None,
        "logged": tracking.logged,
    }


def _phase(phase: Phase, family: Family) -> dict[str, object]:
    return {
        "hook": phase.hook.value,
        "table": phase.table,
        "ctstate": phase.ctstate.name if phase.ctstate is not None else None,
        "rules": [_rule(rule) for rule in phase.rules],
        "not_matching": phase.passed,
        "matched_not_shown": phase.more,
        "verdicts": [
            {"verdict": verdict.value, "name": name, "location": _location(where)}
            for verdict, where, name in phase.verdicts
        ],
        "rewrites": [_rewrite(one, family) for one in phase.rewrites],
    }


def _rewrite(one: Rewrite, family: Family) -> dict[str, object]:
    return {
        "end": one.end,
        "before": _end(one.before, family),
        "after": _end(one.after, family),
        "unknown": one.whose or None,
        "by": "entry" if one.by_entry else "rule",
        "name": one.name,
        "location": _location(one.rule),
    }


def _end(end: tuple[int | None, int | None], family: Family) -> dict[str, object]:
    address, port = end
    return {
        "address": format_address(family, address) if address is not None else None,
        "port": port,
    }


def _rule(view: RuleView) -> dict[str, object]:
    return {
        "location": _location(view.location),
        "matches": _TRUTHS[view.truth],
        "depth": view.depth,
        "decides": view.decides,
        "failures": [
            {"condition": failure.condition, "why": failure.why} for failure in view.failures
        ],
    }


def _result(result: Result) -> dict[str, object]:
    return {
        "ctstate": result.ctstate.name if result.ctstate is not None else None,
        "delivered": _TRUTHS[result.delivered],
        "endings": [_ending(ending) for ending in result.endings],
    }


def _ending(ending: Ending) -> dict[str, object]:
    return {
        "disposition": ending.disposition.name,
        "name": ending.name,
        "location": _location(ending.cause),
        "via": _locations(ending.via),
    }


def _socket(socket: SocketFate | None) -> dict[str, object] | None:
    if socket is None:
        return None
    return {"sentence": socket.sentence, "stranded": stranded_json(socket.stranded)}


def _answer(answer: Answer | None) -> dict[str, object] | None:
    if answer is None:
        return None
    return {
        "what": answer.what,
        "packet": _packet(answer.packet),
        "result": _result(answer.result),
        "socket": _socket(answer.socket),
    }


def _change(change: Change) -> dict[str, object]:
    return {
        "label": change.label,
        "result": _result(change.result) if change.result is not None else None,
        "note": change.note,
        "answer": _answer(change.answer),
    }


def _locations(places: Sequence[Location]) -> list[dict[str, object] | None]:
    return [_location(place) for place in places]


def _location(where: Location | None) -> dict[str, object] | None:
    if where is None:
        return None
    return {
        "file": where.file,
        "line": where.line,
        "column": where.column,
        "table": where.table,
        "chain": where.chain,
        "position": where.position,
        "text": where.text,
    }
