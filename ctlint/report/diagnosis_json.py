# SPDX-License-Identifier: GPL-2.0-only
"""A diagnosis as JSON, version 1. The keys are a contract: docs/diagnose.md."""

from __future__ import annotations

import json
from typing import Final

from ctlint.analysis.diagnosis import Advice, Diagnosis, Lasts, LostPacket, Trouble
from ctlint.ir.evidence import EntryLine, EntryTuple, SocketEnd, SocketLine
from ctlint.report.lint_json import FAMILY_NAMES, location_json
from ctlint.wire.addresses import Family, format_address

FORMAT_VERSION: Final = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""


def render_diagnosis_json(diagnosis: Diagnosis) -> str:
    """The diagnosis as one JSON object with a final newline; the text is ASCII."""
    of = diagnosis
    document = {
        "version": FORMAT_VERSION,
        "name": of.name,
        "kernel": of.kernel,
        "date": of.date,
        "interval": of.interval,
        "troubles": [_trouble(trouble) for trouble in of.troubles],
        "states": dict(of.states),
        "looked_at": [
            {"what": one.what, "file": one.file, "found": one.found or None} for one in of.looked
        ],
        "missing": [{"what": what, "without": without} for what, without in of.missing],
        "notes": list(of.notes),
        "sockets_not_looked_at": of.unseen,
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _trouble(trouble: Trouble) -> dict[str, object]:
    return {
        "pattern": trouble.pattern.value,
        "page": trouble.pattern.page,
        "what": trouble.what,
        "role": trouble.role.value if trouble.role is not None else None,
        "socket": _socket(trouble.socket) if trouble.socket is not None else None,
        "entry_known": trouble.entry_known.value,
        "entry": _entry(trouble.entry) if trouble.entry is not None else None,
        "lost": [_lost(lost) for lost in trouble.lost],
        "lasts": _lasts(trouble.lasts) if trouble.lasts is not None else None,
        "signs": list(trouble.signs),
        "now": [_advice(advice) for advice in trouble.now],
        "change": [_advice(advice) for advice in trouble.change],
        "undecided": list(trouble.undecided),
    }


def _socket(socket: SocketLine) -> dict[str, object]:
    timer = socket.timer
    return {
        "state": socket.state,
        "local": _end(socket.local),
        "peer": _end(socket.peer),
        "recv_q": socket.recv_q,
        "send_q": socket.send_q,
        "timer": {
            "kind": timer.kind,
            "least": timer.least / 1_000_000,
            "most": timer.most / 1_000_000,
            "counted": timer.counted,
        }
        if timer is not None
        else None,
        "processes": [{"name": one.name, "pid": one.pid} for one in socket.processes],
        "file": socket.span.file,
        "line": socket.span.line,
    }


def _end(end: SocketEnd) -> dict[str, object]:
    has_address = end.address is not None and end.family is not None
    return {
        "family": FAMILY_NAMES[end.family] if end.family is not None else None,
        "address": format_address(end.family, end.address)
        if has_address and end.family is not None and end.address is not None
        else None,
        "port": end.port,
        "zone": end.zone or None,
    }


def _entry(entry: EntryLine) -> dict[str, object]:
    return {
        "state": entry.state or None,
        "seconds": entry.seconds,
        "flags": sorted(entry.flags),
        "original": _tuple(entry.original, entry.family),
        "reply": _tuple(entry.reply, entry.family),
        "line": entry.line,
    }


def _tuple(one: EntryTuple, family: Family) -> dict[str, object]:
    return {
        "saddr": format_address(family, one.saddr),
        "sport": one.sport,
        "daddr": format_address(family, one.daddr),
        "dport": one.dport,
    }


def _lost(lost: LostPacket) -> dict[str, object]:
    counted = lost.counted
    return {
        "flags": lost.flags.letters,
        "sender": "local" if lost.sender == "this host" else "peer",
        "ctstate": lost.ctstate.name if lost.ctstate is not None else None,
        "hook": lost.hook.value if lost.hook is not None else None,
        "rejected": lost.rejected,
        "name": lost.name,
        "location": location_json(lost.location),
        "via": [location_json(via) for via in lost.via],
        "counter": {
            "total": counted.total,
            "moved": counted.moved,
            "seconds": counted.seconds,
        }
        if counted is not None
        else None,
        "logged": [{"line": one.line, "prefix": one.prefix} for one in lost.logged],
    }


def _lasts(lasts: Lasts) -> dict[str, object]:
    return {
        "known": lasts.is_known,
        "seconds": lasts.least,
        "at_most": lasts.most,
        "why": lasts.why,
    }


def _advice(advice: Advice) -> dict[str, object]:
    return {
        "what": advice.what,
        "commands": list(advice.commands),
        "checked": advice.checked or None,
    }
