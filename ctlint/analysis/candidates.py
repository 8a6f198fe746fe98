# SPDX-License-Identifier: GPL-2.0-only
"""Connections worth trying for a role: at least one for every way in which rules tell them apart.

From every rule that may let a first packet in, and every rule that may lose a later packet, the
needs are turned into concrete connections; what the rules leave open is filled with ordinary
values, then with those that other rules name. The walk through the rules decides what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Final, TypeVar

from ctlint.analysis.connection import Connection
from ctlint.analysis.needs import NOTHING, Interval, Need, reach
from ctlint.finding import Role
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore, Question
from ctlint.model.netfilter.hooks import STOPS, Path
from ctlint.model.netfilter.targets import Action
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

_T = TypeVar("_T")

MAX_ACCEPTS: Final = 400
MAX_LOSSES: Final = 24
MAX_COMBINED: Final = 200
MAX_POOL: Final = 6
MAX_PIECES: Final = 16

SYN: Final = TcpFlags.SYN
FIN_ACK: Final = TcpFlags.FIN | TcpFlags.ACK
ACK: Final = TcpFlags.ACK

# Ordinary addresses: those of docs/scenario.md, so that a witness reads like the examples there.
_LEFT: Final = {Family.IPV4: 0x0A010002, Family.IPV6: (0xFD01 << 112) + 2}
_RIGHT: Final = {Family.IPV4: 0x0A020002, Family.IPV6: (0xFD02 << 112) + 2}
_HOST: Final = {Family.IPV4: 0x0A010001, Family.IPV6: (0xFD01 << 112) + 1}
_LOOPBACK: Final = {Family.IPV4: 0x7F000001, Family.IPV6: 1}
_SERVICE_PORTS: Final = (8088, 5000, 7000, 9000, 6001, 10007, 12001, 20011, 33, 47001)
_CLIENT_PORTS: Final = (40000, 44321, 50001, 51999, 36017, 58888)

_SIX_TO_FOUR: Final = 0x2002

EPHEMERAL_PORTS: Final = Range(32768, 60999)
"""Where clients draw their ports from: the default of net.ipv4.ip_local_port_range."""

_PATHS: Final = {
    Role.CLIENT: (Path.OUT, Path.IN),
    Role.SERVER: (Path.IN, Path.OUT),
    Role.FORWARD: (Path.FORWARD, Path.FORWARD),
    Role.LOOPBACK: (Path.LOOPBACK, Path.LOOPBACK),
}


class Candidates:
    """Connections to try for one role. ``left_out`` counts what rules need of
    packets beyond the limits. It grows while :meth:`groups` runs.
    """

    def __init__(self, chains: ChainStore, role: Role, family: Family) -> None:
        self.role = role
        self.family = family
        self.chains = chains
        self.left_out = 0
        self._accepts = self._limited(self._accepting(), MAX_ACCEPTS)
        self._losses = self._losing()
        needs = [*self._accepts, *self._losses]
        self._ports = sorted(
            {edge for need in needs for r in need.dports or () for edge in (r.low, r.high + 1)}
        )
        self._named_ports = [r for need in needs for r in (*(need.dports or ()),)]
        self._named_sports = [r for need in needs for r in (*(need.sports or ()),)]
        self._pool = _Pool(needs, family)

    def groups(self) -> Iterator[list[Connection]]:
        """For each need: connections that fulfil it, the most ordinary first. Try them in order
        until one can be established.
        """
        for need in self._needs():
            for ports in self._pieces(need.dports):
                yield list(self._connections(need, ports))

    # Needs

    def _accepting(self) -> Iterator[Need]:
        """What the client's SYN needs to be accepted by the filter table."""
        path, _ = _PATHS[self.role]
        question = Question(TCP, SYN, CtState.NEW)
        for stop in STOPS[path]:
            if stop.table == "filter":
                for found in reach(self.chains, "filter", stop.chain, question, _is_accept):
                    yield found.need

    def _losing(self) -> list[Need]:
        """What later packets of either end need to be lost, seen from the client's SYN."""
        needs: list[Need] = []
        for sender, path in zip(Dir, _PATHS[self.role], strict=True):
            for flags, ctstate in ((FIN_ACK, CtState.INVALID), (ACK, CtState.NEW)):
                question = Question(TCP, flags, ctstate)
                for stop in STOPS[path]:
                    if stop.table in ("nat", "raw"):
                        continue
                    for found in reach(self.chains, stop.table, stop.chain, question, _is_loss):
                        need = found.need if sender is Dir.ORIGINAL else found.need.reversed()
                        if need != NOTHING and need not in needs:
                            needs.append(need)
                        if len(needs) >= MAX_LOSSES:
                            return needs
        return needs

    def _limited(self, needs: Iterator[Need], most: int) -> list[Need]:
        found: dict[Need, None] = {}
        for need in needs:
            if len(found) < most:
                found[need] = None
            elif need not in found:
                self.left_out += 1
        return list(found)

    def _needs(self) -> Iterator[Need]:
        """What is accepted, then what of it meets a rule that loses packets."""
        seen: set[Need] = set()
        combined = 0
        for loss in (NOTHING, *self._losses):
            for accept in self._accepts:
                both = accept.both(loss)
                both = both and both.both(_ORDINARY_CLIENT)
                if both is None or both in seen or self._is_odd(both):
                    continue
                if loss is not NOTHING:
                    combined += 1
                    if combined > MAX_COMBINED:
                        self.left_out += 1
                        continue
                seen.add(both)
                yield both

    def _is_odd(self, need: Need) -> bool:
        """Whether only other roles can have such a connection, or none."""
        if self.role is Role.LOOPBACK:
            return need.both(_ON_LOOPBACK) is None
        if "lo" in (need.in_interface, need.out_interface):
            return True
        return any(
            interval is not None and not is_ordinary(self.family, _inside(interval))
            for interval in (need.source, need.destination)
        )

    # Values

    def _pieces(self, ports: tuple[Range, ...] | None) -> Iterator[Range | None]:
        """The ports of a need, cut where any rule draws a line."""
        if ports is None:
            yield None
            return
        count = 0
        for whole in ports:
            low = whole.low
            for edge in self._ports:
                if low < edge <= whole.high and count < MAX_PIECES:
                    yield Range(low, edge - 1)
                    low = edge
                    count += 1
            yield Range(low, whole.high)

    def _connections(self, need: Need, ports: Range | None) -> Iterator[Connection]:
        role, family = self.role, self.family
        reply_port = (ports.low if ports else _unnamed(_SERVICE_PORTS, self._named_ports)) or 1
        sports = need.sports or (EPHEMERAL_PORTS,)
        orig_port = (
            _unnamed(_CLIENT_PORTS, self._named_sports)
            if EPHEMERAL_PORTS in sports
            else sports[0].low
        )
        if role is Role.LOOPBACK:
            home = _LOOPBACK[family]
            for source, destination in product(
                _values(need.source, home, ()), _values(need.destination, home, ())
            ):
                if _is_unicast(family, source) and _is_unicast(family, destination):
                    yield Connection(
                        role, family, source, orig_port, destination, reply_port, "lo", "lo", ports
                    )
            return
        pool = self._pool
        host, left, right = _HOST[family], _LEFT[family], _RIGHT[family]
        if role is Role.CLIENT:
            sources, destinations = (host, pool.sources), (right, pool.destinations)
        elif role is Role.SERVER:
            sources, destinations = (right, pool.sources), (host, pool.destinations)
        else:
            sources, destinations = (left, pool.sources), (right, pool.destinations)
        if role is Role.FORWARD:
            interfaces = sorted(
                product(
                    _names(need.in_interface, "eth0", pool.incoming),
                    _names(need.out_interface, "eth1", pool.outgoing),
                ),
                key=lambda pair: pair[0] == pair[1],
            )
        else:
            # The same interface carries both directions.
            named = need.out_interface if role is Role.CLIENT else need.in_interface
            back = need.in_interface if role is Role.CLIENT else need.out_interface
            interfaces = [
                (name, name)
                for name in _names(named or back, "eth0", (*pool.outgoing, *pool.incoming))
                if name != "lo"
            ]
        # The last factor varies fastest: interfaces are what rules name most.
        for source, destination, (orig_if, reply_if) in product(
            _values(need.source, *sources),
            _values(need.destination, *destinations),
            interfaces,
        ):
            ends = source, destination
            if source != destination and all(_crosses_wires(family, end) for end in ends):
                yield Connection(
                    role,
                    family,
                    source,
                    orig_port,
                    destination,
                    reply_port,
                    orig_if,
                    reply_if,
                    ports,
                )


def is_ordinary(family: Family, address: int) -> bool:
    """Whether a host of today can have the address: unicast, and neither loopback nor reserved.

    In IPv6: global unicast but for 6to4 (RFC 7526 ended it), unique local, link-local. Source:
    RFC 6890; RFC 4291, section 2.4.
    """
    if family is Family.IPV4:
        return 1 <= address >> 24 < 224 and address >> 24 != 127
    first = address >> 112
    is_global = first >> 13 == 1 and first != _SIX_TO_FOUR
    return is_global or first >> 9 == 0xFC >> 1 or first >> 6 == 0xFE80 >> 6


_ON_LOOPBACK: Final = Need(in_interface="lo", out_interface="lo")
_ORDINARY_CLIENT: Final = Need(sports=(EPHEMERAL_PORTS,))


class _Pool:
    """Values that rules name: where ordinary ones do not get through, these may."""

    def __init__(self, needs: Sequence[Need], family: Family) -> None:
        self.sources = _first(
            address
            for need in needs
            if need.source and is_ordinary(family, address := _inside(need.source))
        )
        self.destinations = _first(
            address
            for need in needs
            if need.destination and is_ordinary(family, address := _inside(need.destination))
        )
        self.incoming = _first(n.in_interface for n in needs if n.in_interface)
        self.outgoing = _first(n.out_interface for n in needs if n.out_interface)


def _first(values: Iterable[_T]) -> tuple[_T, ...]:
    found: dict[_T, None] = {}
    for value in values:
        found[value] = None
        if len(found) >= MAX_POOL:
            break
    return tuple(found)


def _values(need: Interval | None, ordinary: int, pool: tuple[int, ...]) -> list[int]:
    """Addresses to try: inside the need where there is one, else the ordinary one first."""
    if need is None:
        return [ordinary, *(value for value in pool if value != ordinary)]
    if need.low <= ordinary <= need.high:
        return [ordinary]
    inside = [value for value in pool if need.low < value < need.high]
    return [_inside(need), *inside]


def _inside(need: Interval) -> int:
    """An address that a host could have: not the first of a network, which names it."""
    return min(need.low + 2, need.high)


def _names(need: str | None, ordinary: str, pool: tuple[str, ...]) -> list[str]:
    """Interfaces to try; a pattern such as ``eth+`` stands for ``eth0``."""
    if need is not None:
        return [_concrete(need)]
    names = [ordinary, *(_concrete(name) for name in pool if name != "lo")]
    return list(dict.fromkeys(names))


def _concrete(pattern: str) -> str:
    return pattern[:-1] + "0" if pattern.endswith("+") else pattern


def _is_unicast(family: Family, address: int) -> bool:
    """Whether a host may have this address and hold a TCP connection with it.

    0.0.0.0/8 is refused as a whole before kernel 5.3.
    """
    if family is Family.IPV6:
        return address > 0 and address >> 120 != 0xFF
    return address >> 24 != 0 and address >> 28 != 0xE and address != 0xFFFFFFFF


def _crosses_wires(family: Family, address: int) -> bool:
    """Whether a host takes packets with this address from a network (else they are martians).

    Source: ip_route_input_slow() in net/ipv4/route.c, ip6_rcv_core() in net/ipv6/ip6_input.c.
    """
    is_loopback = address == 1 if family is Family.IPV6 else address >> 24 == 127
    return not is_loopback and _is_unicast(family, address)


def _unnamed(ports: Sequence[int], named: Sequence[Range]) -> int:
    """The first port that no rule names, else the first."""
    for port in ports:
        if not any(port in r for r in named):
            return port
    return ports[0]


def _is_accept(action: Action) -> bool:
    return action in (Action.ACCEPT, Action.TRANSLATE)


def _is_loss(action: Action) -> bool:
    return action in (Action.DROP, Action.REJECT)
