# SPDX-License-Identifier: GPL-2.0-only
"""All that is known of a host at a moment, and of a moment before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

from ctlint.ir.evidence import (
    CounterTable,
    EntryLine,
    EntryTable,
    EntryTuple,
    KernelLog,
    Route,
    SocketEnd,
    SocketLine,
    SocketTable,
)
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.netfilter.transit import AddressSet
from ctlint.model.netfilter.traverse import PolicyRef
from ctlint.parse.places import line_span
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import TCP

_LOOPBACK_NET = 127


class Counted(NamedTuple):
    """What the counter of a rule or policy says: ``total`` packets in the newest dump, ``moved`` so
    many between the two (None: not known), in so many ``seconds`` (None: not known).
    """

    total: int
    moved: int | None
    seconds: int | None


@dataclass(frozen=True)
class Evidence:
    """What was collected of a host. None: it is not there; ``missing`` says why, where that is
    known. ``earlier`` and ``earlier_entries`` are tables of the first snapshot where ``sockets``
    and ``entries`` are those of the second; so are ``rulesets`` and ``counters``, where
    ``later_rulesets`` and ``later_counters`` are those of the second. ``interval`` is
    their distance in seconds. ``date`` is the time of the newest table of sockets, in words;
    ``release`` what ``uname -r`` says. ``routes`` are empty where they do not say by which
    interface packets go. ``files`` names what was read, by kind.
    """

    name: str
    rulesets: tuple[Ruleset, ...] = ()
    later_rulesets: tuple[Ruleset, ...] = ()
    sysctls: SysctlSet = field(default_factory=lambda: SysctlSet(()))
    sets: Mapping[str, AddressSet] = field(default_factory=dict)
    sockets: SocketTable | None = None
    earlier: SocketTable | None = None
    entries: EntryTable | None = None
    earlier_entries: EntryTable | None = None
    counters: CounterTable | None = None
    later_counters: CounterTable | None = None
    log: KernelLog | None = None
    routes: tuple[Route, ...] = ()
    release: str | None = None
    date: str | None = None
    interval: int | None = None
    files: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    def rulesets_of(self, family: Family) -> tuple[Ruleset, ...]:
        """The rules of a family: two sets where both backends have some."""
        return tuple(one for one in self.rulesets if one.family is family)

    def interface(self, socket: SocketLine) -> str | None:
        """The interface by which a peer that is another host is reached: that of the longest
        prefix. None where that is not known.
        """
        family, address = family_of(socket), socket.peer.address
        if socket.local.zone:
            return socket.local.zone
        if family is None or address is None:
            return None
        best: set[str | None] = set()
        length = -1
        for route in self.routes:
            net = route.target
            if net.family is family and net.contains(address):
                here = net.prefix_length or 0
                if here > length:
                    best, length = set(), here
                if here == length:
                    best.add(route.interface)
        return best.pop() if len(best) == 1 else None

    # Entries

    @cached_property
    def _entries(self) -> _Index:
        return _index(self.entries)

    @cached_property
    def _earlier_entries(self) -> _Index:
        return _index(self.earlier_entries)

    def knows_entries(self, family: Family) -> bool:
        """Whether the entries of a family are known."""
        return self.entries is not None and family in self.entries.families

    def entry(self, socket: SocketLine) -> EntryLine | None:
        """The entry of a socket's connection, whichever end opened it, also where NAT has
        translated it: this end of it sends and gets packets with the addresses of its socket.
        """
        return _entry(self._entries, socket)

    def entries_of(self, socket: SocketLine) -> tuple[EntryLine, ...]:
        """Its entries in both snapshots, the newest first."""
        found = (_entry(index, socket) for index in (self._entries, self._earlier_entries))
        return tuple(entry for entry in found if entry is not None)

    # Sockets

    @cached_property
    def local_addresses(self) -> frozenset[tuple[Family | None, int]]:
        """Addresses of this host: those that its sockets have."""
        if self.sockets is None:
            return frozenset()
        return frozenset(
            (one.local.family, one.local.address)
            for one in self.sockets.sockets
            if one.local.address is not None
        )

    def is_local(self, end: SocketEnd) -> bool:
        """Whether an end is this host itself."""
        if end.address is None:
            return False
        if end.family is Family.IPV4 and end.address >> 24 == _LOOPBACK_NET:
            return True
        return (end.family, end.address) in self.local_addresses

    @cached_property
    def listening(self) -> frozenset[tuple[int | None, int | None]]:
        """Address (None: any) and port of the sockets that listen."""
        if self.sockets is None:
            return frozenset()
        return frozenset(
            (one.local.address, one.local.port)
            for one in self.sockets.sockets
            if one.state == "LISTEN"
        )

    def listens(self, end: SocketEnd) -> bool:
        """Whether a socket listens at an end."""
        return bool({(None, end.port), (end.address, end.port)} & self.listening)

    @cached_property
    def _states_before(self) -> dict[tuple[object, ...], str]:
        if self.earlier is None:
            return {}
        return {one.key: one.state for one in self.earlier.sockets}

    def was_before(self, socket: SocketLine) -> bool:
        """Whether the first snapshot shows the socket in the same state."""
        return self._states_before.get(socket.key) == socket.state

    # Counters

    def counted(self, ruleset: Ruleset, cause: RuleRef | PolicyRef) -> Counted | None:
        """What the counter of a rule or policy says; None where that is not known."""
        same = (ruleset.family, ruleset.is_nft)
        found = [one for one in self.later_rulesets if (one.family, one.is_nft) == same]
        before = _counter(ruleset, cause)
        after = _counter(found[0], cause) if len(found) == 1 else None
        if before is None:
            return None
        (text, first), (other, second) = before, after or ("", 0)
        if after is None or text != other or second < first:
            return Counted(first, None, None)
        return Counted(second, second - first, self.interval)

    def risen(self, name: str) -> int | None:
        """By how much a counter of the network stack has risen; None where that is not known."""
        if self.counters is None or self.later_counters is None:
            return None
        before = self.counters.values.get(name, 0)
        after = self.later_counters.values.get(name)
        return None if after is None or after < before else after - before

    def total(self, name: str) -> int | None:
        """A counter since the machine started; None where that is not known."""
        table = self.later_counters or self.counters
        return None if table is None else table.values.get(name)


_Index: TypeAlias = dict[tuple[Family, EntryTuple], EntryLine]


def _index(table: EntryTable | None) -> _Index:
    """Entries of TCP by what a packet of either direction has."""
    found: _Index = {}
    for entry in table.entries if table is not None else ():
        if entry.protocol == TCP:
            for one in (entry.original, entry.reply):
                found.setdefault((entry.family, one), entry)
    return found


def _entry(index: _Index, socket: SocketLine) -> EntryLine | None:
    there = tuple_of(socket.local, socket.peer)
    back = tuple_of(socket.peer, socket.local)
    if there is None or back is None or (family := family_of(socket)) is None:
        return None
    return index.get((family, there)) or index.get((family, back))


def family_of(socket: SocketLine) -> Family | None:
    """The family of a socket's packets."""
    return socket.peer.family or socket.local.family


def tuple_of(source: SocketEnd, target: SocketEnd) -> EntryTuple | None:
    """What conntrack sees of a packet from one end to the other."""
    if source.address is None or target.address is None:
        return None
    return EntryTuple(source.address, target.address, source.port, target.port)


def _counter(ruleset: Ruleset, cause: RuleRef | PolicyRef) -> tuple[str, int] | None:
    """The text of a rule without its counter, empty for a policy, and the packets it has seen."""
    chain = ruleset.chain(cause.table, cause.chain)
    if chain is None:
        return None
    if not isinstance(cause, RuleRef):
        return None if chain.counters is None else ("", chain.counters.packets)
    if cause.position > len(chain.rules):
        return None
    rule = chain.rules[cause.position - 1]
    return None if rule.counters is None else (_bare(rule.text), rule.counters.packets)


def _bare(text: str) -> str:
    """A rule's text without its counters."""
    span = line_span("", 1, text)
    return text[span.column - 1 :]
