# SPDX-License-Identifier: GPL-2.0-only
"""What a change of the rules lets through: the packets without an entry that were dropped before
and may pass now, as sets, and in words.

All packets of a path are asked, whoever sends them, not only those of the connections that a
finding is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import (
    CLIENT_ADDRESS,
    CLIENT_INTERFACE,
    CLIENT_PORT,
    SERVER_ADDRESS,
    SERVER_INTERFACE,
    SERVER_PORT,
    Coordinates,
)
from ctlint.analysis.fate import Disposition
from ctlint.analysis.flows import Flows, Key, Kindred, all_of, exactly
from ctlint.analysis.rewriting import Rewritten
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.swept import Swept
from ctlint.finding import Role
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.values import Range
from ctlint.model.conntrack.first_packet import classify_first
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.hooks import Path, stops
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.tcp_flags import TcpFlags

_ACK: Final = TcpFlags.ACK
CLASSES: Final = (
    ("FIN", TcpFlags.FIN | _ACK),
    ("RST", TcpFlags.RST | _ACK),
    ("ACK", _ACK),
    ("data", TcpFlags.PSH | _ACK),
    ("SYN", TcpFlags.SYN),
    ("SYN/ACK", TcpFlags.SYN | _ACK),
    ("without flags", TcpFlags(0)),
)
"""The packets that are told apart, by name."""

WHOSE: Final = {
    Path.IN: Role.SERVER,
    Path.OUT: Role.CLIENT,
    Path.FORWARD: Role.FORWARD,
    Path.LOOPBACK: Role.LOOPBACK,
}
"""The role whose client's packets take a path."""

MAX_NAMED: Final = 4
"""Ports, networks or interfaces that are written out."""


class Opening(NamedTuple):
    """Packets of one path that may pass now: their kinds, each with its ctstate, the set, and the
    rules that would translate connections of which some of them are.
    """

    path: Path
    kinds: tuple[tuple[CtState, str], ...]
    packets: PacketSet
    translated: tuple[RuleRef, ...] = ()


class FirstPackets:
    """Asks what becomes of packets without an entry, of all that a path can carry."""

    def __init__(self, *, loose: bool, kernel: KernelProfile) -> None:
        self._loose = loose
        self._kernel = kernel

    def ctstate(self, flags: TcpFlags) -> CtState:
        """What conntrack calls them."""
        return classify_first(flags, tcp_loose=self._loose, kernel=self._kernel).ctstate

    def opening(self, sweeper: Sweeper) -> Swept:
        """What becomes of the packets that open connections. Raises TooLargeError."""
        coordinates = sweeper.coordinates
        some = Connection(coordinates.role, coordinates.family, 0, 0, 0, 0, "", "")
        view = some.entry(Dir.ORIGINAL)
        packets = Kindred(Dir.ORIGINAL, TcpFlags.SYN, CtState.NEW, view, opens=True)
        return sweeper.send(packets, {Key(): exactly(all_packets(coordinates))})

    def swept(self, sweeper: Sweeper, sender: Dir, flags: TcpFlags) -> Swept:
        """What becomes of all packets with these flags. Raises TooLargeError."""
        return sweeper.send(self._packets(sweeper, sender, flags), _start(sweeper, sender))

    def swept_anew(self, sweeper: Sweeper, sender: Dir, flags: TcpFlags) -> Swept:
        """The same for rules that nobody has asked before. Raises TooLargeError."""
        return sweeper.send_anew(self._packets(sweeper, sender, flags), _start(sweeper, sender))

    def ends(self, sweeper: Sweeper, sender: Dir, flags: TcpFlags, among: PacketSet) -> Swept:
        """The same of some packets, with all the rules that end their way. Raises TooLargeError."""
        packets = self._packets(sweeper, sender, flags)._replace(tells_ends=True)
        return sweeper.send(packets, {Key(): exactly(among)})

    def _packets(self, sweeper: Sweeper, sender: Dir, flags: TcpFlags) -> Kindred:
        coordinates = sweeper.coordinates
        ctstate = self.ctstate(flags)
        some = Connection(coordinates.role, coordinates.family, 0, 0, 0, 0, "", "")
        view = some.picked_up(sender) if ctstate is CtState.NEW else None
        return Kindred(sender, flags, ctstate, view, sender, is_late=True)


def _start(sweeper: Sweeper, sender: Dir) -> Flows:
    """All packets that a path can carry: from a server, those of connections that there can be."""
    coordinates = sweeper.coordinates
    among = all_packets(coordinates) if sender is Dir.ORIGINAL else coordinates.possible()
    return {Key(): exactly(among)}


def all_packets(coordinates: Coordinates) -> PacketSet:
    """All packets, by interfaces that exist."""
    space, last = coordinates.space, len(coordinates.interfaces) - 1
    other = last if coordinates.role in (Role.FORWARD, Role.SERVER) else 0
    found: PacketSet = space.between(CLIENT_INTERFACE, 0, last)
    return found & space.between(SERVER_INTERFACE, 0, other)


def surely_lost(swept: Swept, among: PacketSet, nothing: PacketSet) -> PacketSet:
    """Those that neither may come through nor are left open."""
    lost = among - all_of(swept.passed, nothing).possible
    for end, (_, bounds) in swept.ends.items():
        if end.disposition is Disposition.UNDECIDED:
            lost = lost - bounds.possible
    for bounds in swept.translated.values():
        lost = lost - bounds.possible
    return lost


def paths_of(ruleset: Ruleset, table: str, chain: str) -> tuple[Path, ...]:
    """The paths whose packets a chain may see."""
    bases = ruleset.tables[table].reaching(chain)
    return tuple(
        path
        for path in Path
        if any(
            stop.table == table and stop.chain in bases
            for stop in stops(path, is_nft=ruleset.is_nft)
        )
    )


def translated_of(
    path: Path, packets: PacketSet, syn: Swept, sweeper: Sweeper
) -> tuple[RuleRef, ...]:
    """The rules that translate connections of which some packets are. Without an entry these are
    not translated: they leave as they are, or, on the path IN, reach the host itself. ``syn`` is
    what becomes of the packets that open connections.
    """
    if path is Path.FORWARD:
        packets = _without_turning_back(packets, sweeper.coordinates)
    found: dict[RuleRef, None] = {}
    for key, bounds in syn.passed.items():
        translated = key.translated
        if translated is None:
            continue
        new = translated.source
        changes = new is not None and (new.addresses is not None or new.is_of_host)
        hit = packets & bounds.possible
        if new is not None and changes and path is not Path.IN and not hit.is_empty():
            found[new.ref] = None
        new = translated.destination
        if new is None:
            continue
        hit = packets
        if path is Path.FORWARD:
            # What the servers behind it answer, from the addresses that it names.
            hit = hit & _of_servers(new, sweeper.coordinates)
        elif path is not Path.IN or translated.path is Path.IN:
            continue
        else:
            hit = hit & bounds.possible
        if not hit.is_empty():
            found[new.ref] = None
    for ref, bounds in syn.translated.items():
        if not (packets & bounds.possible).is_empty():
            found[ref] = None
    return tuple(found)


def _of_servers(new: Rewritten, coordinates: Coordinates) -> PacketSet:
    space = coordinates.space
    if new.addresses is None:
        # Ports alone, or to this host.
        return space.nothing
    low, high = new.addresses
    return space.between(CLIENT_ADDRESS, low, high | new.kept)


def _without_turning_back(packets: PacketSet, coordinates: Coordinates) -> PacketSet:
    """Without those that leave by the interface by which they came: hardly a router's way."""
    space = coordinates.space
    for number in range(len(coordinates.interfaces)):
        same: PacketSet = space.between(CLIENT_INTERFACE, number, number)
        packets = packets - (same & space.between(SERVER_INTERFACE, number, number))
    return packets


# Words


def in_words(openings: Iterable[Opening], coordinates: Sequence[Coordinates]) -> str:
    """What is let through, such as ``INVALID FIN and RST in, from any address, to port 22``."""
    return "; ".join(
        _one_in_words(opening, where) for opening, where in zip(openings, coordinates, strict=True)
    )


_VERBS: Final = {
    Path.IN: "in",
    Path.OUT: "out",
    Path.FORWARD: "through",
    Path.LOOPBACK: "over lo",
}


def _one_in_words(opening: Opening, coordinates: Coordinates) -> str:
    by_state: dict[str, list[str]] = {}
    for ctstate, name in opening.kinds:
        by_state.setdefault(ctstate.name or "", []).append(name)
    kinds = ", ".join(f"{state} {joined(names)}" for state, names in by_state.items())
    return ", ".join([f"{kinds} {_VERBS[opening.path]}", *_ends(opening, coordinates)])


def _ends(opening: Opening, coordinates: Coordinates) -> Iterator[str]:
    packets, path, family = opening.packets, opening.path, coordinates.family
    if path is not Path.LOOPBACK:
        source = _addresses(packets, CLIENT_ADDRESS, family)
        destination = _addresses(packets, SERVER_ADDRESS, family)
        if path is not Path.OUT or source != _ANY_ADDRESS:
            yield f"from {source}"
        if path is not Path.IN or destination != _ANY_ADDRESS:
            yield f"to {destination}"
    own, service = packets.values(CLIENT_PORT), packets.values(SERVER_PORT)
    if own != _ALL_PORTS:
        yield f"from {_ports(own)}"
    if service != _ALL_PORTS or own == _ALL_PORTS:
        yield f"to {_ports(service)}"
    if path in (Path.IN, Path.FORWARD):
        word = "in by" if path is Path.FORWARD else "by"
        yield from _interface(packets.values(CLIENT_INTERFACE), coordinates, word)
    if path in (Path.OUT, Path.FORWARD):
        word = "out by" if path is Path.FORWARD else "by"
        part = SERVER_INTERFACE if path is Path.FORWARD else CLIENT_INTERFACE
        yield from _interface(packets.values(part), coordinates, word)


_ALL_PORTS: Final = (Range(0, 0xFFFF),)
_ANY_ADDRESS: Final = "any address"


def _ports(ports: Sequence[Range]) -> str:
    if tuple(ports) == _ALL_PORTS:
        return "any port"
    other = _complement(ports, 0xFFFF)
    if len(other) <= MAX_NAMED and len(other) < len(ports):
        return f"any port but {_port_names(other)}"
    if len(ports) > MAX_NAMED:
        return f"{sum(each.high - each.low + 1 for each in ports):,} ports"
    one = len(ports) == 1 and ports[0].low == ports[0].high
    return f"port{'' if one else 's'} {_port_names(ports)}"


def _port_names(ports: Sequence[Range]) -> str:
    return joined([str(p.low) if p.low == p.high else f"{p.low}:{p.high}" for p in ports])


def _complement(ranges: Sequence[Range], last: int) -> list[Range]:
    found, low = [], 0
    for each in ranges:
        if low < each.low:
            found.append(Range(low, each.low - 1))
        low = each.high + 1
    if low <= last:
        found.append(Range(low, last))
    return found


def _addresses(packets: PacketSet, part: str, family: Family) -> str:
    try:
        ranges = packets.values(part)
    except TooLargeError:
        # A mask with holes makes as many.
        return "some addresses"
    other = _complement(ranges, (1 << family.bits) - 1)
    if not other:
        return _ANY_ADDRESS
    if len(other) <= min(MAX_NAMED, len(ranges)):
        return f"{_ANY_ADDRESS} but {joined([_range(each, family) for each in other])}"
    if len(ranges) <= MAX_NAMED:
        return joined([_range(each, family) for each in ranges])
    share = sum(each.high - each.low + 1 for each in ranges) * 100 >> family.bits
    return "nearly any address" if share >= 90 else f"{len(ranges)} ranges of addresses"


def _range(each: Range, family: Family) -> str:
    low = format_address(family, each.low)
    size = each.high - each.low + 1
    if size == 1:
        return low
    if size & (size - 1) == 0 and each.low % size == 0:
        return f"{low}/{family.bits - size.bit_length() + 1}"
    return f"{low}-{format_address(family, each.high)}"


def _interface(numbers: Sequence[Range], coordinates: Coordinates, word: str) -> Iterator[str]:
    names = coordinates.interfaces
    inside = {number for each in numbers for number in range(each.low, each.high + 1)}
    if len(inside) >= len(names):
        return
    # The first is one that no rule names: it stands for all others.
    if 0 in inside:
        others = [name for number, name in enumerate(names) if number not in inside]
        yield f"{word} any interface but {joined(others)}"
    else:
        yield f"{word} {joined([names[number] for number in sorted(inside)])}"


def joined(names: Sequence[str]) -> str:
    """Words as a list: ``a``, ``a and b``, ``a, b and c``; more than a few are counted."""
    if len(names) > MAX_NAMED + 1:
        return f"{', '.join(names[:MAX_NAMED])} and {len(names) - MAX_NAMED} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
