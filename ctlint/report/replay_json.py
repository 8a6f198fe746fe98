# SPDX-License-Identifier: GPL-2.0-only
"""A replay as JSON Lines: an object for each connection or packet, one for the sums at the end. The
keys are a contract: docs/replay.md.
"""

from __future__ import annotations

import json
from typing import Any, Final

from ctlint.analysis.capture.connection import Connection, Expiry
from ctlint.analysis.capture.played import Played
from ctlint.model.conntrack.status import TcpCt
from ctlint.report.replay_result import ReplayResult
from ctlint.report.replay_words import say_protocol
from ctlint.scenario.answer import entry_to_json
from ctlint.scenario.play import show_entry
from ctlint.scenario.scenario import DIR_NAMES
from ctlint.wire.addresses import format_address
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP

FORMAT_VERSION: Final = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


def connection_line(one: Connection, *, has_rules: bool) -> str:
    """A connection, as one line with its line break."""
    opener = one.opener
    found: dict[str, Any] = {
        "kind": "connection",
        "number": one.number,
        "protocol": say_protocol(opener),
        **_ends(opener if opener.quoted is None else opener.quoted),
        "first": one.first,
        "last": one.last,
        "midstream": one.is_midstream,
        "packets": one.packets,
        "payload": one.payload,
        "ctstates": dict(one.ctstates),
    }
    if has_rules:
        found["verdicts"] = {fate.value: count for fate, count in one.fates.items()}
        found["causes"] = dict(one.causes)
        if one.other_causes:
            found["other_causes"] = one.other_causes
    found["reasons"] = [_reason(reason.name, reason.sentence, n) for reason, n in _most(one)]
    found["expired"] = one.expired
    found["expiries"] = [_expiry(each) for each in one.expiries]
    if opener.protocol == TCP:
        found["state"] = TcpCt(one.state).name if one.state else None
    if one.translated is not None:
        _, _, saddr, sport, daddr, dport = one.translated
        family = opener.family
        found["reply"] = [
            *(format_address(family, saddr), sport, format_address(family, daddr), dport)
        ]
    return _encode(found) + "\n"


def packet_line(
    played: Played, connection: Connection, expiry: Expiry | None, *, has_rules: bool
) -> str:
    """A packet, as one line with its line break."""
    packet = played.packet
    found: dict[str, Any] = {
        "kind": "packet",
        "connection": connection.number,
        "at": played.at,
        "way": played.way.value,
        "interface": played.interface or None,
        "protocol": say_protocol(packet),
        **_ends(packet),
        "len": packet.payload,
    }
    if packet.flags is not None:
        found |= {
            "flags": packet.flags.letters,
            "seq": packet.seq,
            "ack": packet.ack,
            "win": packet.window,
        }
    if packet.icmp_type is not None:
        found |= {"type": packet.icmp_type, "code": packet.icmp_code, "id": packet.icmp_id}
    found["ctstate"] = played.ctstate
    if has_rules:
        found |= {"verdict": played.fate.value, "cause": played.cause, "rules": [*played.rules]}
    found["pktdir"] = None if played.pktdir is None else DIR_NAMES[played.pktdir]
    found["entry"] = None
    if played.entry is not None:
        found["entry"] = entry_to_json(show_entry(played.entry, played.now), internals=False)
        found["entry"]["fresh"] = played.is_fresh
    if expiry is not None:
        found["expired"] = _expiry(expiry)
    if played.reasons:
        found["reasons"] = [_reason(one.name, one.sentence, 1) for one in played.reasons]
    if played.why:
        found["why"] = [*played.why]
    if played.undecided:
        found["undecided"] = [dict(one) for one in played.undecided]
    return _encode(found) + "\n"


def summary_line(result: ReplayResult, *, error: str | None, version: str) -> str:
    """The sums, as one line with its line break. ``error`` is why
    the capture was not read to its end.
    """
    totals, firewall = result.totals, result.firewall
    found: dict[str, Any] = {
        "kind": "summary",
        "version": FORMAT_VERSION,
        "tool": {"name": "ctlint", "version": version},
        "file": result.file,
        "kernel": firewall.kernel.name,
        "sysctls": dict(firewall.sysctls),
        "frames": result.frames,
        "packets": totals.packets,
        "first": totals.first,
        "last": None if totals.first is None else totals.last,
        "connections": totals.connections,
        "midstream": totals.midstream,
        "troubled": totals.troubled,
        "ctstates": {name: count for name, count in totals.ctstates.items() if name},
        "expired": totals.expired,
        "entries": result.entries,
    }
    if firewall.rulesets:
        found["verdicts"] = {fate.value: count for fate, count in totals.fates.items()}
        found["causes"] = [
            {"family": family.value, "cause": name, "count": count}
            for (family, name), count in totals.causes.most_common()
        ]
        if totals.other_causes:
            found["other_causes"] = totals.other_causes
    found["reasons"] = [
        _reason(reason.name, reason.sentence, n) for reason, n in totals.reasons.most_common()
    ]
    found["left_out"] = [
        {"reason": why.name.lower(), "sentence": why.sentence, "count": count}
        for why, count in result.left_out.items()
    ]
    found |= {
        "late": result.late,
        "cut_short": totals.cut_short,
        "forgotten": result.forgotten,
        "without_rules": result.unruled,
        "error": error,
    }
    return _encode(found) + "\n"


def _most(one: Connection) -> list[tuple[Any, int]]:
    return one.reasons.most_common()


def _reason(name: str, sentence: str, count: int) -> dict[str, Any]:
    return {"reason": name.lower(), "sentence": sentence, "count": count}


def _ends(packet: Packet) -> dict[str, Any]:
    return {
        "src": format_address(packet.family, packet.saddr),
        "sport": packet.sport,
        "dst": format_address(packet.family, packet.daddr),
        "dport": packet.dport,
    }


def _expiry(expiry: Expiry) -> dict[str, Any]:
    packet = expiry.packet
    return {
        "at": expiry.at,
        "state": None if expiry.state is None else expiry.state.name,
        "timeout": expiry.timeout,
        "idle": expiry.idle,
        "flags": None if packet.flags is None else packet.flags.letters,
        "ctstate": expiry.ctstate,
        "verdict": expiry.fate.value,
    }
