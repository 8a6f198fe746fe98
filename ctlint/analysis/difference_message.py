# SPDX-License-Identifier: GPL-2.0-only
"""What differs, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctlint.analysis.difference import Decision, Kind, Packet, Phase, Scope
from ctlint.analysis.fate import Disposition
from ctlint.finding import Location, Role
from ctlint.ir.values import Range
from ctlint.wire.tcp_flags import TcpFlags

_PORTS_SAID: Final = 6
_NAMES: Final = {
    "S": "SYN",
    "SA": "SYN/ACK",
    "A": "ACK",
    "PA": "data",
    "FA": "FIN",
    "RA": "RST",
}
_WHOSE: Final = {
    Role.CLIENT: {"orig": "the host's", "reply": "the server's"},
    Role.SERVER: {"orig": "the client's", "reply": "the host's"},
    Role.FORWARD: {"orig": "the client's", "reply": "the server's"},
    Role.LOOPBACK: {"orig": "the client's", "reply": "the server's"},
}
_CONNECTIONS: Final = {
    Role.CLIENT: "connections of the host",
    Role.SERVER: "connections to the host",
    Role.FORWARD: "forwarded connections",
    Role.LOOPBACK: "connections over loopback",
}


def message(
    kind: Kind,
    role: Role,
    packets: tuple[Packet, Packet],
    old: Decision,
    new: Decision,
    scope: Scope,
) -> str:
    """The sentence about the packet that decides before and the one that does now. Text of the
    input in it is not escaped.
    """
    was, packet = packets
    what = f"{_WHOSE[role][packet.dir]} {_name(packet)}"
    who = _CONNECTIONS[role]
    if scope.ports:
        who = f"{say_ports(scope.ports)}: {who}"
    before = f"before, {_decides(old, 'accepted it')}"
    if kind is Kind.NEWLY_DROPPED and packet.phase is Phase.OPENING:
        return f"{who} could be opened, and cannot now: {what} is {_lost(new)}; {before}"
    if kind is Kind.NEWLY_ACCEPTED and packet.phase is Phase.OPENING:
        return (
            f"{who} can be opened, and could not before: {_decides(new, 'accepts')} {what}; "
            f"before, it was {_lost(old)}"
        )
    if kind is Kind.NEWLY_DROPPED:
        return f"{who}: {what} is lost now while the connection is open, {_lost(new)}; {before}"
    if kind is Kind.NEWLY_ACCEPTED:
        return (
            f"{who}: {what} is no longer lost while the connection is open: "
            f"{_decides(new, 'accepts it')}; before, it was {_lost(old)}"
        )
    if kind is Kind.NEWLY_STRANDED:
        return (
            f"{who}: {what} is lost now once conntrack has forgotten the connection, "
            f"{_lost(new)}; {before}"
        )
    if kind is Kind.NO_LONGER_STRANDED:
        return (
            f"{who}: {what} is no longer lost once conntrack has forgotten the connection: "
            f"{_decides(new, 'accepts it')}; before, it was {_lost(old)}"
        )
    it = "it" if was == packet else f"{_WHOSE[role][was.dir]} {_name(was)}"
    lost = "cannot be opened, as before" if packet.phase is Phase.OPENING else "lose a packet still"
    return f"{who} {lost}: {what} is {_lost(new)}; before, {it} was {_lost(old)}"


def _name(packet: Packet) -> str:
    return _NAMES.get(packet.flags) or ",".join(
        name for name in (flag.name for flag in TcpFlags.parse(packet.flags)) if name
    )


def _lost(decision: Decision) -> str:
    verb = {
        Disposition.REJECTED: "rejected",
        Disposition.UNDECIDED: "left to something that decides on its own",
    }.get(decision.disposition, "dropped")
    with_what = f" with {decision.rejects_with}" if decision.rejects_with else ""
    place = decision.location
    return f"{verb}{with_what} by {say_decider(place)}" if place is not None else verb


def _decides(decision: Decision, does: str) -> str:
    place = decision.location
    if place is None:
        return f"no rule there {'asked it' if does == 'accepted it' else 'asks it'}: {does}"
    return f"{say_decider(place)} {does}"


def say_decider(place: Location) -> str:
    """A rule or policy with its place: "filter/INPUT#7 (rules.v4:12)"."""
    which = " policy" if place.position is None else f"#{place.position}"
    return f"{place.table}/{place.chain}{which} ({place.file}:{place.line})"


def say_ports(ports: Sequence[Range]) -> str:
    """Service ports: "port 22", "ports 80, 443, 8000-8010 and 3 more"."""
    said = [str(low) if low == high else f"{low}-{high}" for low, high in ports[:_PORTS_SAID]]
    more = len(ports) - _PORTS_SAID
    is_one = len(ports) == 1 and ports[0].low == ports[0].high
    tail = f" and {more} more ranges" if more > 0 else ""
    return f"{'port' if is_one else 'ports'} {', '.join(said)}{tail}"
