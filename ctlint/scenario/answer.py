# SPDX-License-Identifier: GPL-2.0-only
"""What became of the packets of a scenario, the same values from the model and from a kernel.

docs/scenario.md gives the meaning of each; `to_json` its form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.status import Dir
from ctlint.scenario.scenario import DIR_NAMES

Ends: TypeAlias = tuple[str, int, str, int]
"""A tuple as it is written: source, its port, destination, its port.

For ICMP the ports are the identifier and the type; for protocols without ports they are 0.
"""


@dataclass(frozen=True, slots=True)
class Internals:
    """What conntrack keeps of a TCP entry and does not show to rules.

    `dirflags` are the names of the flags of each direction, `wscale` the window scale of each.
    """

    dirflags: tuple[tuple[str, ...], tuple[str, ...]]
    wscale: tuple[int, int]


@dataclass(frozen=True, slots=True)
class EntryAnswer:
    """An entry: `state` is None for all but TCP, `timeout` is what is left, in whole seconds.

    `is_fresh`: the packet that was just answered made this entry; None where that is not asked.
    """

    state: str | None
    timeout: int
    flags: tuple[str, ...]
    orig: Ends
    reply: Ends
    mark: int = 0
    internals: Internals | None = None
    is_fresh: bool | None = None


@dataclass(frozen=True, slots=True)
class OutPacket:
    """A packet that came out of the box. `is_same`: it is the one that went in, not a new one.

    `flags` is None for all but TCP. For ICMP the ports are the identifier and the type, and
    `length` does not count what an error quotes.
    """

    side: str
    src: str
    sport: int
    dst: str
    dport: int
    flags: str | None
    seq: int
    ack: int
    win: int
    length: int
    is_same: bool


@dataclass(frozen=True, slots=True)
class PacketAnswer:
    """What became of one packet. `rules` is None where the scenario has no rule set.

    `delivered` is None where the fate of the packet is not decided.
    `reasons` say why it is INVALID or ignored where the kernel logs it and where not, `cause` names
    the rule or policy that stopped it; only the model knows them.
    """

    ctstate: str | None
    hooks: Mapping[str, str]
    delivered: bool | None
    out: tuple[OutPacket, ...]
    entry: EntryAnswer | None
    pktdir: Dir | None
    why: tuple[str, ...] = ()
    rules: tuple[str, ...] | None = None
    undecided: tuple[Mapping[str, Any], ...] = ()
    reasons: tuple[Reason, ...] = ()
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class OpAnswer:
    """An operation was done."""

    op: str


@dataclass(frozen=True, slots=True)
class ScenarioAnswer:
    """The answer to a scenario: one for each of its packets, then what is left of the entries."""

    name: str | None
    packets: tuple[PacketAnswer | OpAnswer, ...]
    entries: tuple[EntryAnswer, ...]
    missing_sysctls: tuple[str, ...] = ()


def entry_to_json(entry: EntryAnswer, internals: bool) -> dict[str, Any]:
    """An entry as JSON knows it; with `internals`, what it keeps too."""
    shown: dict[str, Any] = {
        "state": entry.state,
        "timeout": entry.timeout,
        "flags": list(entry.flags),
        "orig": list(entry.orig),
        "reply": list(entry.reply),
        "mark": entry.mark,
    }
    if internals:
        if entry.internals is not None:
            shown["wscale"] = list(entry.internals.wscale)
            shown["dirflags"] = [list(flags) for flags in entry.internals.dirflags]
        if entry.is_fresh is not None:
            shown["fresh"] = entry.is_fresh
    return shown


def _out_to_json(packet: OutPacket) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "side": packet.side,
        "src": packet.src,
        "dst": packet.dst,
        "sport": packet.sport,
        "dport": packet.dport,
    }
    if packet.flags is not None:
        shown |= {
            "flags": packet.flags,
            "seq": packet.seq,
            "ack": packet.ack,
            "win": packet.win,
        }
    return shown | {"len": packet.length, "same": packet.is_same}


def packet_to_json(answer: PacketAnswer | OpAnswer, *, internals: bool = False) -> dict[str, Any]:
    """The answer to one packet as JSON knows it; with `internals`, what the entry keeps too."""
    if isinstance(answer, OpAnswer):
        return {"op": answer.op}
    shown: dict[str, Any] = {
        "ctstate": answer.ctstate,
        "hooks": dict(answer.hooks),
        "delivered": answer.delivered,
        "out": [_out_to_json(packet) for packet in answer.out],
        "entry": None if answer.entry is None else entry_to_json(answer.entry, internals),
        "pktdir": None if answer.pktdir is None else DIR_NAMES[answer.pktdir],
    }
    if answer.rules is not None:
        shown["rules"] = list(answer.rules)
    if answer.why:
        shown["why"] = list(answer.why)
    if answer.undecided:
        shown["undecided"] = [dict(match) for match in answer.undecided]
    return shown


def to_json(answer: ScenarioAnswer, *, internals: bool = False) -> dict[str, Any]:
    """The answer to a scenario as JSON knows it."""
    shown: dict[str, Any] = {
        "name": answer.name,
        "packets": [packet_to_json(packet, internals=internals) for packet in answer.packets],
        "entries": [entry_to_json(entry, internals) for entry in answer.entries],
    }
    if answer.missing_sysctls:
        shown["missing_sysctls"] = list(answer.missing_sysctls)
    return shown
