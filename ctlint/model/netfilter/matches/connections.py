# SPDX-License-Identifier: GPL-2.0-only
"""``-m connlimit``, ``-m connbytes``: how many connections there are, and what one has carried.

Source: net/netfilter/xt_connlimit.c, nf_conncount.c (Linux 6.18.44 has them as 7.0), and
xt_connbytes.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ctlint.ir.rule import Match
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.entry import DEFAULT_ZONE, Entry, Zone
from ctlint.model.conntrack.status import Dir, TcpCt
from ctlint.model.conntrack.tuple import Tuple, get_tuple
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.jiffies import jiffies
from ctlint.model.netfilter.matches.predicate import FALSE, UNKNOWN, Predicate, Rows
from ctlint.model.netfilter.matches.remembered import of_rule
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.moments import Micros
from ctlint.wire.protocols import TCP

_MOST_COLLECTED: Final = 64
"""How many gone connections one look takes off a list at most (CONNCOUNT_GC_MAX_COLLECT)."""


_SURE_AFTER: Final = 2
"""Ticks after which a connection that was never confirmed is taken off in any case: before that,
only the processor that has counted it knows that it will not come.
"""


class _Counted(NamedTuple):
    """A connection that was counted at a tick: its tuple in the original direction, its zone."""

    tuple: Tuple
    zone: Zone
    tick: int


class _Counter:
    """The connections of one group (``struct nf_conncount_list``).

    ``gone`` are ticks of connections that have been taken off here and that the kernel may still
    count: it does not look twice in one tick. ``looked_at`` is the tick of the last look.
    """

    __slots__ = ("connections", "gone", "looked_at")

    def __init__(self, own: _Counted) -> None:
        self.connections = [own]
        self.gone: list[int] = []
        self.looked_at = own.tick

    def look(self, own: _Counted | None, tracker: Tracker, now: Micros) -> bool:
        """Take off what is no more, up to ``own``. Says whether that is there."""
        tick = jiffies(now)
        self.gone = [since for since in self.gone if tick - since < _SURE_AFTER]
        collected = 0
        is_there = False
        for one in self.connections[:]:
            if collected > _MOST_COLLECTED:
                break
            half = tracker.find(one.tuple, now, one.zone)
            if half is not None and own is not None and one[:2] == own[:2]:
                is_there = True
                break
            if half is None or _is_closed(half[0]):
                self.connections.remove(one)
                collected += 1
                if self.looked_at == tick:
                    self.gone.append(tick)
                elif half is None and tick - one.tick < _SURE_AFTER:
                    self.gone.append(one.tick)
        self.looked_at = tick
        return is_there

    @property
    def bounds(self) -> tuple[int, int]:
        """How many connections the kernel counts at least and at most."""
        return len(self.connections), len(self.connections) + len(self.gone)


Group = tuple[int, int]
"""Which connections are counted together: the masked address, and the zone."""


def _connlimit(match: Match, _: Facts) -> Iterator[Predicate]:
    """Port of connlimit_mt."""
    above = match.get("connlimit-above")
    option = above or match.get("connlimit-upto")
    assert option is not None
    limit: int = option.value
    wants_more = (above is not None) is not option.negated
    is_destination = match.get("connlimit-daddr") is not None
    mask = match.get("connlimit-mask")

    def run(transit: Transit) -> Tern:
        box = transit.box
        if box is None:
            return UNKNOWN
        packet = transit.packet
        address = packet.daddr if is_destination else packet.saddr
        free = 0 if mask is None else packet.family.bits - mask.value
        entry = None if transit.entry is None else transit.entry.entry
        zone = DEFAULT_ZONE if entry is None else entry.zone
        counters: dict[Group, _Counter] = of_rule(box, transit, match, dict)
        least, most = _count(counters, (address >> free, zone.number), transit, box)
        if most == 0:
            # There is none left, not even its own: the packet is dropped without a rule.
            transit.is_hot = True
            return FALSE
        if least == 0:
            transit.is_hot = None
            return UNKNOWN
        truth = least > limit
        is_known = least > 0 and truth is (most > limit)
        return Tern.of(truth is wants_more) if is_known else UNKNOWN

    reads = {Field.BOX, Field.CTSTATE, Field.ENTRY}
    reads.add(Field.DADDR if is_destination else Field.SADDR)
    why = "depends on how many connections are open"
    yield Predicate(run, frozenset(reads), None, why, remembers=True)


def _count(
    counters: dict[Group, _Counter], group: Group, transit: Transit, box: Box
) -> tuple[int, int]:
    """Port of nf_conncount_count_skb: how many connections there are at least and at most. The
    packet's own is one of them.
    """
    entry = None if transit.entry is None else transit.entry.entry
    tick = jiffies(box.now)
    if entry is not None:
        own = _Counted(entry.original, entry.zone, tick)
    else:
        # One that conntrack calls INVALID counts by its own tuple, also where an entry has it.
        own = _Counted(Tuple(*get_tuple(transit.packet)), DEFAULT_ZONE, tick)
        half = box.tracker.find(own.tuple, box.now)
        if half is not None:
            entry = half[0]
    counter = counters.get(group)
    if counter is None:
        counter = counters[group] = _Counter(own)
    elif entry is not None and entry.is_confirmed and entry.is_assured:
        # It is counted since it began, or never.
        counter.look(None, box.tracker, box.now)
    elif not counter.look(own, box.tracker, box.now):
        counter.connections.append(own)
    return counter.bounds


def _is_closed(entry: Entry) -> bool:
    """Port of already_closed."""
    closed = (TcpCt.TIME_WAIT, TcpCt.CLOSE)
    return entry.original.protocol == TCP and entry.tcp.state in closed


def _connbytes(match: Match, _: Facts) -> Iterator[Predicate]:
    """Port of connbytes_mt: a negated range is one with its ends swapped, so that a negated range
    of one number is that number.
    """
    option, side, mode = (
        match.get(name) for name in ("connbytes", "connbytes-dir", "connbytes-mode")
    )
    assert option is not None
    assert side is not None
    assert mode is not None
    low, high = option.value.low, option.value.high
    is_negated = option.negated and low != high
    ways = _WAYS[side.value]

    def run(transit: Transit) -> Tern:
        if transit.box is None:
            return UNKNOWN
        if transit.entry is None:
            return FALSE
        entry = transit.entry.entry
        packets = sum(entry.packets[way] for way in ways)
        octets = sum(entry.bytes[way] for way in ways)
        if mode.value == "avgpkt":
            what = octets // packets if packets else 0
        else:
            what = packets if mode.value == "packets" else octets
        return Tern.of((low <= what <= high) is not is_negated)

    reads = frozenset({Field.BOX, Field.CTSTATE, Field.ENTRY})
    yield Predicate(run, reads, None, "depends on what the connection has carried")


_WAYS: Final = {
    "original": (Dir.ORIGINAL,),
    "reply": (Dir.REPLY,),
    "both": (Dir.ORIGINAL, Dir.REPLY),
}

ROWS: Final[Rows] = {"connbytes": _connbytes, "connlimit": _connlimit}
