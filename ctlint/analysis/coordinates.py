# SPDX-License-Identifier: GPL-2.0-only
"""The connections of a role as points of a header space.

A point says which address and port each end has and by which interfaces the packets of each come;
packets of both ends are sets over the same points, so that what the rules do to an answer can be
compared with what they do to the SYN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.rewriting import Translated
from ctlint.finding import Role
from ctlint.headerspace import space_over
from ctlint.headerspace.space import Layout, PacketSet, Point, Space
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.host import LOOPBACK, LOOPBACK_ADDRESS
from ctlint.wire.addresses import Family

CLIENT_ADDRESS: Final = "client address"
SERVER_ADDRESS: Final = "server address"
CLIENT_PORT: Final = "client port"
SERVER_PORT: Final = "server port"
CLIENT_INTERFACE: Final = "client interface"
SERVER_INTERFACE: Final = "server interface"

EPHEMERAL_PORTS: Final = Range(32768, 60999)
"""Where clients draw their ports from: the default of net.ipv4.ip_local_port_range."""

PATHS: Final[Mapping[Role, tuple[Path, Path]]] = {
    Role.CLIENT: (Path.OUT, Path.IN),
    Role.SERVER: (Path.IN, Path.OUT),
    Role.FORWARD: (Path.FORWARD, Path.FORWARD),
    Role.LOOPBACK: (Path.LOOPBACK, Path.LOOPBACK),
}
"""The paths of the client's packets and of the server's."""

# Ordinary addresses: those of docs/scenario.md, so that a witness reads like the examples there.
LEFT: Final = {Family.IPV4: 0x0A010002, Family.IPV6: (0xFD01 << 112) + 2}
RIGHT: Final = {Family.IPV4: 0x0A020002, Family.IPV6: (0xFD02 << 112) + 2}
HOST: Final = {Family.IPV4: 0x0A010001, Family.IPV6: (0xFD01 << 112) + 1}
UNNAMED: Final = {
    Family.IPV4: (0xC6336402, 0xCB007102, 0x09010002, 0x51010002, 0xAC100002, 0xC0A80002),
    Family.IPV6: ((0x2001 << 112) + (0xDB8 << 96) + 2, (0x2A01 << 112) + 2, (0xFDFE << 112) + 2),
}
"""Addresses to choose from where rules lose the ordinary ones, private networks for example."""
SERVICE_PORTS: Final = (8088, 5000, 7000, 9000, 6001, 10007, 12001, 20011, 33, 47001)
CLIENT_PORTS: Final = (40000, 44321, 50001, 51999, 36017, 58888)
_INTERFACES: Final = ("eth0", "eth1", "eth2", "wan0", "lan0", "tun0")
_RANGES_TRIED: Final = 8
_TRIES: Final = 4
_ADDRESS_PARTS: Final = (CLIENT_ADDRESS, SERVER_ADDRESS)


class Ends(NamedTuple):
    """Which parts of a point a packet's source and destination are."""

    saddr: str
    sport: str
    daddr: str
    dport: str


ENDS: Final[Mapping[Dir, Ends]] = {
    Dir.ORIGINAL: Ends(CLIENT_ADDRESS, CLIENT_PORT, SERVER_ADDRESS, SERVER_PORT),
    Dir.REPLY: Ends(SERVER_ADDRESS, SERVER_PORT, CLIENT_ADDRESS, CLIENT_PORT),
}


def covers(pattern: str, name: str) -> bool:
    """Whether ``-i`` or ``-o`` with this operand takes an interface."""
    return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern


class Coordinates:
    """The space of one role's connections under rules that name these interfaces, or patterns of
    such names; and what stands for what in it.
    """

    def __init__(
        self,
        role: Role,
        family: Family,
        interfaces: Sequence[str],
        make_space: Callable[[Layout], Space] = space_over,
    ) -> None:
        self.role = role
        self.family = family
        self.interfaces = (LOOPBACK,) if role is Role.LOOPBACK else tuple(_names(interfaces))
        self.unnamed = frozenset(
            name
            for name in self.interfaces
            if not any(covers(each, name) for each in interfaces if each != "+")
        )
        """The interfaces that stand for all that no rule names."""
        # One layout for all roles, so that they may share a space.
        width = max((len(tuple(_names(interfaces))) - 1).bit_length(), 1)
        bits = 32 if self.family is Family.IPV4 else 128
        layout = {CLIENT_INTERFACE: width, SERVER_INTERFACE: width}
        layout |= {CLIENT_ADDRESS: bits, SERVER_ADDRESS: bits, SERVER_PORT: 16, CLIENT_PORT: 16}
        self.space = make_space(layout)
        self._named: dict[tuple[str, str], PacketSet] = {}

    def possible(self) -> PacketSet:
        """The connections that there can be: with interfaces that exist, between two hosts of
        today, from an ephemeral port.
        """
        space, last = self.space, len(self.interfaces) - 1
        low, high = EPHEMERAL_PORTS
        found: PacketSet = space.between(CLIENT_PORT, low, high) & space.between(
            SERVER_PORT, 1, 0xFFFF
        )
        found = found & space.between(CLIENT_INTERFACE, 0, last)
        if self.role in (Role.FORWARD, Role.SERVER):
            # What comes for the host leaves again where NAT gives it another destination.
            found = found & space.between(SERVER_INTERFACE, 0, last)
        else:
            # The same interface carries both directions.
            found = found & space.between(SERVER_INTERFACE, 0, 0)
        for part in _ADDRESS_PARTS:
            hosts: PacketSet = space.nothing
            for each in _ADDRESSES[self.role is Role.LOOPBACK, self.family]:
                hosts = hosts | space.between(part, each.low, each.high)
            found = found & hosts
        return found

    def named(self, part: str, pattern: str) -> PacketSet:
        """The connections of which one interface is one that a pattern takes."""
        found = self._named.get((part, pattern))
        if found is None:
            numbers = [n for n, name in enumerate(self.interfaces) if covers(pattern, name)]
            those = [self.space.between(part, number, number) for number in numbers]
            found = those[0] if len(those) == 1 else self.space.union(those)
            self._named[part, pattern] = found
        return found

    def connection(
        self, found: PacketSet, translated: Translated | None = None
    ) -> Connection | None:
        """The most ordinary connection of a set; None where it has none between two hosts."""
        made = self.connections(found, (translated,))
        return None if made is None else made[0]

    def connections(
        self, found: PacketSet, ways: Sequence[Translated | None]
    ) -> tuple[Connection, ...] | None:
        """The same under each of several translations."""
        wishes = self._wishes(found)
        given = [way for way in ways if way is not None]
        ends = [way.destination for way in given if way.destination is not None]
        for way in given:
            end = way.destination
            if end is None or end.addresses is None or end.kept:
                continue
            # The new destination is another host than the client.
            low, high = end.addresses
            found = found - self.space.between(CLIENT_ADDRESS, low, high)
            if low != high or (self.role is Role.SERVER and way.path is Path.FORWARD):
                # Nor is it the one to which the client has called: this host, or one of a range.
                found = found - self.space.between(SERVER_ADDRESS, low, high)
        for _ in range(_TRIES):
            point = found.pick(wishes)
            if point is None:
                return None
            shared = [part for part in _ADDRESS_PARTS if self._is_of_routers(point[part])]
            if shared:
                for part in shared:
                    found = found - self.space.between(part, point[part], point[part])
                continue
            client, server = (point[part] for part in _ADDRESS_PARTS)
            is_one = client == server or any(
                end.kept and client in (end.mapped(server) or ()) for end in ends
            )
            alike: tuple[str, ...] = _ADDRESS_PARTS
            if self.role is Role.LOOPBACK:
                # There a host talks to itself, but no socket does.
                is_one = client == server and point[CLIENT_PORT] == point[SERVER_PORT]
                alike += (CLIENT_PORT, SERVER_PORT)
            if not is_one:
                return tuple(self.at(point, way) for way in ways)
            both = (self.space.between(part, point[part], point[part]) for part in alike)
            found = found - reduce(and_, both)
        return None

    def _is_of_routers(self, address: int) -> bool:
        """Whether it is the anycast address of a network's routers (RFC 4291, section 2.6.1)."""
        is_v6 = self.family is Family.IPV6 and self.role is not Role.LOOPBACK
        return is_v6 and not address & _INTERFACE_ID

    def point(self, connection: Connection) -> Point:
        """Where a connection is in the space."""
        interface = self.interfaces.index(connection.orig_interface)
        other = 0
        if self.role is Role.FORWARD:
            other = self.interfaces.index(connection.reply_interface)
        return {
            CLIENT_INTERFACE: interface,
            SERVER_INTERFACE: other,
            CLIENT_ADDRESS: connection.orig_address,
            SERVER_ADDRESS: connection.reply_address,
            SERVER_PORT: connection.reply_port,
            CLIENT_PORT: connection.orig_port,
        }

    def only(self, connection: Connection) -> PacketSet:
        """The set of this connection alone."""
        found: PacketSet = self.space.everything
        for part, value in self.point(connection).items():
            found = found & self.space.masked(part, value, (1 << self.space.layout[part]) - 1)
        return found

    def at(self, point: Point, translated: Translated | None = None) -> Connection:
        """The connection of a point."""
        one = other = self.interfaces[point[CLIENT_INTERFACE]]
        path = PATHS[self.role][0] if translated is None else translated.path
        if path is Path.FORWARD:
            other = self.interfaces[point[SERVER_INTERFACE]]
        port = point[SERVER_PORT]
        return Connection(
            self.role,
            self.family,
            point[CLIENT_ADDRESS],
            point[CLIENT_PORT],
            point[SERVER_ADDRESS],
            port,
            one,
            other,
            Range(port, port),
            translated,
        )

    def _wishes(self, found: PacketSet) -> Mapping[str, Iterable[int]]:
        family, role = self.family, self.role
        host, left, right = HOST[family], LEFT[family], RIGHT[family]
        client, server = (left, right) if role is Role.FORWARD else (host, right)
        if role is Role.SERVER:
            client, server = right, host
        if role is Role.LOOPBACK:
            client = server = LOOPBACK_ADDRESS[family]
        wishes: dict[str, Iterable[int]] = {
            CLIENT_ADDRESS: _Wishes(found, CLIENT_ADDRESS, (client, *UNNAMED[family])),
            SERVER_ADDRESS: _Wishes(found, SERVER_ADDRESS, (server, *UNNAMED[family])),
            SERVER_PORT: SERVICE_PORTS,
            CLIENT_PORT: CLIENT_PORTS,
        }
        if role in (Role.FORWARD, Role.SERVER) and len(self.interfaces) > 1:
            wishes[SERVER_INTERFACE] = (1,)
        return wishes


class _Wishes:
    """Ordinary addresses, then some that a host could have: not the first of a network, which names
    it, and two of each, for both ends may be in one. Those are asked for where no ordinary one will
    do.
    """

    def __init__(self, found: PacketSet, part: str, ordinary: Sequence[int]) -> None:
        self._found = found
        self._part = part
        self._ordinary = ordinary

    def __iter__(self) -> Iterator[int]:
        yield from self._ordinary
        ranges = self._found.values(self._part, _RANGES_TRIED)
        # A single address beside others may be what is left of a network: that which names it.
        for each in sorted(ranges, key=lambda each: each.low == each.high):
            yield from (min(each.low + 2, each.high), min(each.low + 3, each.high))


def _names(patterns: Sequence[str]) -> Iterable[str]:
    """Interfaces that rules tell apart: those that they name, one for each pattern and one that no
    rule names; ordinary ones first.
    """
    exact = [name for name in patterns if not name.endswith("+")]
    names: dict[str, None] = {}
    unnamed = [n for n in _INTERFACES if not any(covers(pattern, n) for pattern in patterns)]
    # Two that no rule names: packets may come in by one and leave by the other.
    names |= dict.fromkeys(unnamed[:2])
    names |= dict.fromkeys(name for name in exact if name != LOOPBACK)
    for pattern in patterns:
        if pattern.endswith("+"):
            tried = (f"{pattern[:-1]}{number}" for number in range(len(exact) + 1))
            names[next(name for name in tried if name not in exact)] = None
    return names


_HOSTS4: Final = (Range(0x01000000, 0x7EFFFFFF), Range(0x80000000, 0xDFFFFFFF))
"""Unicast addresses but for 0.0.0.0/8 and loopback."""
_HOSTS6: Final = (
    Range(0x2000 << 112, (0x2002 << 112) - 1),
    Range(0x2003 << 112, (0x4000 << 112) - 1),
    Range(0xFC00 << 112, (0xFE00 << 112) - 1),
    Range(0xFE80 << 112, (0xFEC0 << 112) - 1),
)
"""Global unicast but for 6to4 (RFC 7526 ended it), unique local and link-local addresses (RFC 4291,
section 2.4).
"""
_INTERFACE_ID: Final = (1 << 64) - 1
_ADDRESSES: Final = {
    (False, Family.IPV4): _HOSTS4,
    (False, Family.IPV6): _HOSTS6,
    (True, Family.IPV4): (Range(0x01000000, 0xDFFFFFFF),),
    (True, Family.IPV6): (Range(1, 1), *_HOSTS6),
}
