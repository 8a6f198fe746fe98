# SPDX-License-Identifier: GPL-2.0-only
"""What differs, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctlint.analysis.difference import Decision, Kind, Packet, Phase, Scope
from ctlint.analysis.fate import Disposition
from ctlint.analysis.rewriting import Rewritten, Translated
from ctlint.finding import Location, Role
from ctlint.ir.values import Range
from ctlint.wire.addresses import Family, Net, format_address
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
    said = _said(kind, role, packets, old, new, scope)
    return said if kind.is_of_nat else f"{said}{_say_nat(old, new)}"


def _said(
    kind: Kind,
    role: Role,
    packets: tuple[Packet, Packet],
    old: Decision,
    new: Decision,
    scope: Scope,
) -> str:
    was, packet = packets
    what = f"{_WHOSE[role][packet.dir]} {_name(packet)}"
    who = _CONNECTIONS[role]
    if scope.ports:
        who = f"{say_ports(scope.ports)}: {who}"
    if kind.is_of_nat:
        if kind is Kind.NO_LONGER_TRANSLATED:
            was_so = _translates(old, "translated")
            return f"{who} are not translated any more; before, {was_so}"
        is_new = kind is Kind.NEWLY_TRANSLATED
        how = "are translated now" if is_new else "are translated otherwise"
        was_so = "they were not" if is_new else _translates(old, "translated")
        return f"{who} {how}: {_translates(new)}; before, {was_so}"
    if new.disposition is Disposition.MISDIRECTED and new.translated_by:
        before = "before, the connection was not translated"
    else:
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
        was_translated = old.disposition is Disposition.MISDIRECTED and old.translated_by
        why = "the connection is not translated" if was_translated else _decides(new, "accepts it")
        return (
            f"{who}: {what} is no longer lost once conntrack has forgotten the connection: "
            f"{why}; before, it was {_lost(old)}"
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
    if decision.disposition is Disposition.MISDIRECTED and place is not None:
        if decision.translated_by:
            return f"not translated as {say_decider(place)} translated the connection"
        return f"translated by {say_decider(place)} as if it were of another connection"
    return f"{verb}{with_what} by {say_decider(place)}" if place is not None else verb


def _decides(decision: Decision, does: str) -> str:
    place = decision.location
    if place is None:
        return f"no rule there {'asked it' if does == 'accepted it' else 'asks it'}: {does}"
    return f"{say_decider(place)} {does}"


def _say_nat(old: Decision, new: Decision) -> str:
    """What NAT makes of the connection, and made of it before if that was something else."""
    said = ""
    if new.translated_by and new.disposition is not Disposition.MISDIRECTED:
        said = f"; now, {_translates(new)}"
    was_translated = old.translated_by and old.disposition is not Disposition.MISDIRECTED
    if was_translated and old.becomes != new.becomes:
        said += f"; before, {_translates(old, 'translated')}"
    return said


def _translates(decision: Decision, verb: str = "translates") -> str:
    rules = " and ".join(map(say_decider, decision.translated_by))
    return f"{rules} {verb} them {decision.becomes}"


def say_translation(way: Translated, family: Family) -> str:
    """What is made of connections: "to 10.7.0.7, port 8080" or "from an address of the host"."""
    both = (("to", way.destination), ("from", way.source))
    return ", ".join(f"{word} {_say_end(one, family)}" for word, one in both if one is not None)


def _say_end(one: Rewritten, family: Family) -> str:
    said = []
    if one.is_of_host:
        said.append("an address of the host")
    elif one.addresses is not None:
        low, high = (format_address(family, each) for each in one.addresses)
        net = Net(family, one.addresses.low, family.full_mask ^ one.kept)
        said.append(str(net) if one.kept else low if low == high else f"{low}-{high}")
    if one.ports is not None:
        said.append(say_ports((one.ports,)))
    return ", ".join(said) or "the same address"


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
