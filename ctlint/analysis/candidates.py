# SPDX-License-Identifier: GPL-2.0-only
"""Connections worth trying for a role: at least one for every way in which rules tell them apart.

From every rule that may let a first packet or its answer through, and every rule that may lose a
later packet, the needs are turned into concrete connections; what the rules leave open is filled
with ordinary values, then with one that no rule names, then with those that other rules name. The
walk through the rules decides what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, product, zip_longest
from typing import Final, TypeVar

from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import (
    CLIENT_PORTS,
    EPHEMERAL_PORTS,
    HOST,
    LEFT,
    PATHS,
    RIGHT,
    SERVICE_PORTS,
    UNNAMED,
    covers,
)
from ctlint.analysis.needs import (
    NOTHING,
    Interval,
    Need,
    Reached,
    TooManyRulesError,
    Wanted,
    has_negated,
    needs_past,
    reach,
)
from ctlint.finding import Role
from ctlint.ir.rule import Rule
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Stop, stops
from ctlint.model.netfilter.host import LOOPBACK_ADDRESS
from ctlint.model.netfilter.ready import Question
from ctlint.model.netfilter.targets import Action
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

_T = TypeVar("_T")

MAX_ACCEPTS: Final = 400
MAX_LOSSES: Final = 48
MAX_COMBINED: Final = 400
MAX_POOL: Final = 6
MAX_PIECES: Final = 16
MAX_SPARED: Final = 128

MAX_TRIES: Final = 24
"""Connections to try for one need."""

SYN: Final = TcpFlags.SYN
SYN_ACK: Final = TcpFlags.SYN | TcpFlags.ACK
FIN_ACK: Final = TcpFlags.FIN | TcpFlags.ACK
ACK: Final = TcpFlags.ACK

_INTERFACES: Final = ("eth1", "eth2", "wan0", "lan0", "tun0")

_SIX_TO_FOUR: Final = 0x2002


class Candidates:
    """Connections to try for one role. ``left_out`` counts what rules need of packets beyond the
    limits; it grows while :meth:`groups` runs. ``was_cut``: not all rules were looked at.
    """

    def __init__(self, chains: ChainStore, role: Role, family: Family) -> None:
        self.role = role
        self.family = family
        self.chains = chains
        self.left_out = 0
        self.was_cut = False
        self._accepts = self._limited(self._accepting(), MAX_ACCEPTS)
        self._losses = self._losing()
        needs = [*self._accepts, *self._losses]
        self._ports = sorted(
            {edge for need in needs for r in need.dports or () for edge in (r.low, r.high + 1)}
        )
        self._named_ports = [r for need in needs for r in (*(need.dports or ()),)]
        self._spared_ports = self._sparing(needs)
        self._spared = 0
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
        """What the client's SYN and its answer need to get through, seen from the SYN: to reach
        rules of the filter table that may let them through, or to get past rules that lose them.
        """
        opening = ((Dir.ORIGINAL, SYN, CtState.NEW), (Dir.REPLY, SYN_ACK, CtState.ESTABLISHED))
        for sender, flags, ctstate in opening:
            for stop in self._stops(sender):
                if stop.table == "filter":
                    for found in self._reach(stop, flags, ctstate, _may_pass):
                        yield _from_syn(found.need, sender)
        family, facts = self.family, self.chains.facts
        for sender, flags, ctstate in opening:
            for stop in self._stops(sender):
                for found in self._reach(stop, flags, ctstate, _may_be_passed):
                    assert found.rule is not None
                    for past in needs_past(found.rule.ref.rule, facts, family):
                        if (need := found.need.both(past)) is not None:
                            yield _from_syn(need, sender)

    def _losing(self) -> list[Need]:
        """What later packets of either end need to be lost, seen from the client's SYN."""
        needs: list[Need] = []
        for sender in Dir:
            for flags, ctstate in ((FIN_ACK, CtState.INVALID), (ACK, CtState.NEW)):
                for stop in self._stops(sender):
                    for found in self._reach(stop, flags, ctstate, _is_loss):
                        need = _from_syn(found.need, sender)
                        if need == NOTHING or need in needs:
                            continue
                        if len(needs) >= MAX_LOSSES:
                            self.was_cut = True
                            return needs
                        needs.append(need)
        return needs

    def _sparing(self, needs: Sequence[Need]) -> tuple[Range, ...]:
        """Service ports that rules name: where any port may be used, these may fare better."""
        found: dict[Range, None] = {}
        for need in needs:
            found.update(dict.fromkeys(need.dports or ()))
        for sender in Dir:
            for flags, ctstate in ((FIN_ACK, CtState.INVALID), (ACK, CtState.NEW)):
                for stop in self._stops(sender):
                    for reached in self._reach(stop, flags, ctstate, _may_pass):
                        if len(found) >= MAX_SPARED:
                            self.was_cut = True
                            return tuple(found)
                        need = _from_syn(reached.need, sender)
                        found.update(dict.fromkeys(need.dports or ()))
        return tuple(ports for ports in found if ports.low <= ports.high)

    def _stops(self, sender: Dir) -> Iterator[Stop]:
        """Where an end's packets meet rules that may accept or lose them, and know their state."""
        path = PATHS[self.role][sender]
        way = stops(path, is_nft=self.chains.ruleset.is_nft)
        return (stop for stop in way if stop.table not in ("nat", "raw"))

    def _reach(
        self, stop: Stop, flags: TcpFlags, ctstate: CtState, wanted: Wanted
    ) -> Iterator[Reached]:
        question = Question(TCP, flags, ctstate)
        try:
            yield from reach(self.chains, stop.table, stop.chain, question, wanted)
        except TooManyRulesError:
            self.was_cut = True

    def _limited(self, needs: Iterator[Need], most: int) -> list[Need]:
        found: dict[Need, None] = {}
        for need in needs:
            if len(found) < most:
                found[need] = None
            elif need not in found:
                self.left_out += 1
        return list(found)

    def _needs(self) -> Iterator[Need]:
        """What is accepted, then what of it meets a rule that loses packets, each rule in turn."""
        seen: set[Need] = set()
        yield from self._accepted(NOTHING, seen)
        combined = 0
        turns = zip_longest(*(self._accepted(loss, seen) for loss in self._losses))
        for need in chain.from_iterable(turns):
            if need is not None:
                combined += 1
                if combined > MAX_COMBINED:
                    self.left_out += 1
                else:
                    yield need

    def _accepted(self, loss: Need, seen: set[Need]) -> Iterator[Need]:
        """What is accepted and meets a loss too, but for what was seen before."""
        for accept in self._accepts:
            both = accept.both(loss)
            both = both and both.both(_ORDINARY_CLIENT)
            if both is not None and both not in seen and not self._is_odd(both):
                seen.add(both)
                yield both

    def _is_odd(self, need: Need) -> bool:
        """Whether only other roles can have such a connection, or none."""
        if self.role is Role.LOOPBACK:
            return need.both(_ON_LOOPBACK) is None
        if "lo" in (need.in_interface, need.out_interface):
            return True
        return any(
            interval is not None and _ordinary_inside(self.family, interval) is None
            for interval in (need.source, need.destination)
        )

    # Values

    def _pieces(self, ports: tuple[Range, ...] | None) -> Iterator[Range | None]:
        """The ports of a need, cut where any rule draws a line."""
        if ports is None:
            yield None
            for spared in self._spared_ports:
                self._spared += 1
                if self._spared > MAX_SPARED:
                    self.left_out += 1
                    return
                yield from self._pieces((spared,))
            return
        count = 0
        for whole in ports:
            low = whole.low
            for edge in self._ports:
                if low < edge <= whole.high:
                    yield Range(low, edge - 1)
                    low = edge
                    count += 1
                    if count >= MAX_PIECES:
                        self.left_out += 1
                        break
            else:
                yield Range(low, whole.high)

    def _connections(self, need: Need, ports: Range | None) -> Iterator[Connection]:
        role, family = self.role, self.family
        reply_port = (ports.low if ports else _unnamed(SERVICE_PORTS, self._named_ports)) or 1
        sports = need.sports or (EPHEMERAL_PORTS,)
        orig_port = (
            _unnamed(CLIENT_PORTS, self._named_sports)
            if EPHEMERAL_PORTS in sports
            else sports[0].low
        )
        if role is Role.LOOPBACK:
            home = LOOPBACK_ADDRESS[family]
            for source, destination in product(
                _values(need.source, [home]), _values(need.destination, [home])
            ):
                if _is_unicast(family, source) and _is_unicast(family, destination):
                    yield Connection(
                        role, family, source, orig_port, destination, reply_port, "lo", "lo", ports
                    )
            return
        pool = self._pool
        host, left, right = HOST[family], LEFT[family], RIGHT[family]
        if role is Role.CLIENT:
            sources, destinations = pool.source(host), pool.destination(right)
        elif role is Role.SERVER:
            sources, destinations = pool.source(right), pool.destination(host)
        else:
            sources, destinations = pool.source(left), pool.destination(right)
        if role is Role.FORWARD:
            interfaces = sorted(
                product(
                    _names(need.in_interface, pool.interface("eth0", pool.incoming)),
                    _names(need.out_interface, pool.interface("eth1", pool.outgoing)),
                ),
                key=lambda pair: pair[0] == pair[1],
            )
        else:
            # The same interface carries both directions.
            named = need.out_interface if role is Role.CLIENT else need.in_interface
            back = need.in_interface if role is Role.CLIENT else need.out_interface
            interfaces = [
                (name, name)
                for name in _names(
                    named or back, pool.interface("eth0", (*pool.outgoing, *pool.incoming))
                )
                if name != "lo"
            ]
        choices = (
            _values(need.source, sources),
            _values(need.destination, destinations),
            interfaces,
        )
        for one, other, names in _order(*(len(values) for values in choices)):
            source, destination = choices[0][one], choices[1][other]
            orig_if, reply_if = choices[2][names]
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


_ORDINARY: Final = {
    family: (LEFT[family], RIGHT[family], HOST[family], *UNNAMED[family]) for family in Family
}


def _ordinary_inside(family: Family, interval: Interval) -> int | None:
    """An address of the interval that a host of today can have; None where none comes to mind."""
    inside = _inside(interval)
    if is_ordinary(family, inside):
        return inside
    low, high = interval
    return next((address for address in _ORDINARY[family] if low <= address <= high), None)


_ON_LOOPBACK: Final = Need(in_interface="lo", out_interface="lo")
_ORDINARY_CLIENT: Final = Need(sports=(EPHEMERAL_PORTS,))


class _Pool:
    """Values that rules name: where ordinary ones do not get through, these may."""

    def __init__(self, needs: Sequence[Need], family: Family) -> None:
        self._sources = [n.source for n in needs if n.source]
        self._destinations = [n.destination for n in needs if n.destination]
        self._interfaces = {
            name for n in needs for name in (n.in_interface, n.out_interface) if name
        }
        self.sources = _addresses(self._sources, family)
        self.destinations = _addresses(self._destinations, family)
        self.incoming = _interfaces([n.in_interface for n in needs if n.in_interface])
        self.outgoing = _interfaces([n.out_interface for n in needs if n.out_interface])

    def source(self, ordinary: int) -> list[int]:
        """Sources to try where a need leaves the source open."""
        return _unnamed_first(ordinary, self.sources, self._sources)

    def destination(self, ordinary: int) -> list[int]:
        """Destinations to try where a need leaves the destination open."""
        return _unnamed_first(ordinary, self.destinations, self._destinations)

    def interface(self, ordinary: str, others: Sequence[str]) -> list[str]:
        """Interfaces to try where a need leaves the interface open; never ``lo``."""
        names = dict.fromkeys((ordinary, *(_concrete(name) for name in others if name != "lo")))
        return sorted(names, key=lambda name: any(covers(one, name) for one in self._interfaces))


def _unnamed_first(ordinary: int, pool: Iterable[int], named: Sequence[Interval]) -> list[int]:
    """What rules name tells nothing of the rest: they may trust an ordinary address."""
    values = dict.fromkeys((ordinary, *pool))
    return sorted(values, key=lambda value: any(low <= value <= high for low, high in named))


def _addresses(named: Sequence[Interval], family: Family) -> tuple[int, ...]:
    """An address that no rule names, then those that rules name."""
    unnamed = (a for a in UNNAMED[family] if not any(low <= a <= high for low, high in named))
    inside = (_ordinary_inside(family, interval) for interval in named)
    others = (address for address in inside if address is not None)
    return (*_first(unnamed, 1), *_first(others, MAX_POOL))


def _interfaces(named: Sequence[str]) -> tuple[str, ...]:
    """An interface that no rule names, then those that rules name."""
    unnamed = (name for name in _INTERFACES if not any(covers(one, name) for one in named))
    return (*_first(unnamed, 1), *_first(named, MAX_POOL))


def _first(values: Iterable[_T], most: int) -> tuple[_T, ...]:
    found: dict[_T, None] = {}
    for value in values:
        found[value] = None
        if len(found) >= most:
            break
    return tuple(found)


def _values(need: Interval | None, values: list[int]) -> list[int]:
    """Addresses to try: where there is a need, those of ``values`` that it takes, or its own."""
    if need is None:
        return values
    inside = [value for value in values if need.low <= value <= need.high]
    return inside if inside[:1] == values[:1] else list(dict.fromkeys((_inside(need), *inside)))


def _inside(need: Interval) -> int:
    """An address that a host could have: not the first of a network, which names it."""
    return min(need.low + 2, need.high)


def _names(need: str | None, names: list[str]) -> list[str]:
    """Interfaces to try; a pattern such as ``eth+`` stands for ``eth0``."""
    return names if need is None else [_concrete(need)]


def _concrete(pattern: str) -> str:
    return pattern[:-1] + "0" if pattern.endswith("+") else pattern


def _from_syn(need: Need, sender: Dir) -> Need:
    """What a packet of this end needs, as the client's packets would."""
    return need if sender is Dir.ORIGINAL else need.reversed()


@cache
def _order(sources: int, destinations: int, interfaces: int) -> tuple[tuple[int, int, int], ...]:
    """Which of so many sources, destinations and interfaces to try together: the ordinary first,
    then those that differ from it in little. Interfaces are what rules name most.
    """
    every = product(range(sources), range(destinations), range(interfaces))
    return tuple(sorted(every, key=lambda n: (3 * (n[0] + n[1]) + n[2], n))[:MAX_TRIES])


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


def _may_pass(action: Action, rule: Rule | None) -> bool:
    """Whether a packet may get through by this: RETURN leads past rules that lose others."""
    del rule
    return action in (Action.ACCEPT, Action.TRANSLATE, Action.RETURN, Action.ELSEWHERE)


def _may_be_passed(action: Action, rule: Rule | None) -> bool:
    """Whether packets are lost here but for an exception that the rule names."""
    return rule is not None and _is_loss(action, rule) and has_negated(rule)


def _is_loss(action: Action, rule: Rule | None) -> bool:
    del rule
    return action in (Action.DROP, Action.REJECT)
