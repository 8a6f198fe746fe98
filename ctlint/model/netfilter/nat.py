# SPDX-License-Identifier: GPL-2.0-only
"""Network address translation: what an entry is bound to, and what that makes of its packets.

A connection is bound by its first packet, once for each manip: its destination in PREROUTING or
OUTPUT, its source in POSTROUTING or INPUT. From then on its entry alone decides; what has no entry
is never translated.

Source: net/netfilter/nf_nat_core.c and nf_nat_proto.c, Linux 6.18 and 7.3.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

from ctlint.ir.values import Range
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.status import Dir, EntryStatus, TcpCt
from ctlint.model.conntrack.tuple import Tuple, invert_tuple
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.jhash import jhash2
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.sequence import after

Draw = Callable[[int, int], int]
"""Asked for a number between two, both included, where the kernel draws one by lot."""

_WITH_PORTS: Final = frozenset({TCP, UDP})
_MOST_ATTEMPTS: Final = 128
_FEW_ATTEMPTS: Final = 16
_HARDER_THRESHOLD: Final = 32
_STRIDE: Final = 40507
"""A prime near the golden section of all ports, whose multiples spread evenly."""
_SWEEP_AT_LEAST: Final = 1024
"""Connections that are bound between two sweeps of those that are gone, at least."""
_ECHOES: Final = frozenset({128, 129})
_QUERIES: Final = frozenset({0, 8, 13, 14, 15, 16, 17, 18})
_REDIRECT: Final = 5
_U32: Final = 0xFFFFFFFF

_SRC_NAT: Final = int(EntryStatus.SRC_NAT)
_DST_NAT: Final = int(EntryStatus.DST_NAT)
_NAT_MASK: Final = _SRC_NAT | _DST_NAT
_DONE: Final = (int(EntryStatus.SRC_NAT_DONE), int(EntryStatus.DST_NAT_DONE))
_CONFIRMED: Final = int(EntryStatus.CONFIRMED)
_DYING: Final = int(EntryStatus.DYING)


class Manip(IntEnum):
    """Which end of a packet is translated (`enum nf_nat_manip_type`)."""

    SRC = 0
    DST = 1

    @property
    def status(self) -> int:
        """The bit of an entry that is translated so in its original direction."""
        return _DST_NAT if self else _SRC_NAT


MANIP: Final = {
    Hook.PREROUTING: Manip.DST,
    Hook.LOCAL_OUT: Manip.DST,
    Hook.LOCAL_IN: Manip.SRC,
    Hook.POSTROUTING: Manip.SRC,
}
"""Port of HOOK2MANIP."""


class Binding(NamedTuple):
    """What a connection may be bound to (`struct nf_nat_range2`).

    ``low`` and ``high`` are addresses, None where the address stays. ``ports`` None leaves the
    port as it is, unless it is taken. ``is_random``: ports are drawn even where the own is free.
    ``is_persistent``: of a range of addresses a client gets the same for every destination.
    """

    low: int | None = None
    high: int | None = None
    ports: Range | None = None
    base: int | None = None
    is_random: bool = False
    is_persistent: bool = False


class Spread:
    """Draws no lots: the lowest number first, then such as lie far from one another, so that a row
    of ports that are taken stands in nobody's way for long.
    """

    __slots__ = ("_drawn",)

    def __init__(self) -> None:
        self._drawn = 0

    def __call__(self, low: int, high: int) -> int:
        """The next number between the two."""
        number = low + self._drawn * _STRIDE % (high - low + 1)
        self._drawn += 1
        return number


class Nat:
    """The bindings of one box. ``draw`` chooses where the kernel would by lot; without it the same
    is always chosen in the same order.
    """

    def __init__(self, tracker: Tracker, draw: Draw | None = None) -> None:
        self._tracker = tracker
        self._draw = draw or Spread()
        self._by_source: dict[tuple[int, int, int, int], list[Entry]] = {}
        """Of each source the connections, the newest last; who is not in the table does not count:
        it is gone, or never came that far (nf_nat_cleanup_conntrack).
        """
        self._bound = 0
        self._live_at_sweep = 0

    # ---- binding

    def is_initialized(self, entry: Entry, manip: Manip) -> bool:
        """Port of nf_nat_initialized: whether this manip of the connection is bound."""
        return entry.status & _DONE[manip] != 0

    def nf_nat_setup_info(self, entry: Entry, binding: Binding, manip: Manip, now: Micros) -> None:
        """Port of nf_nat_setup_info: bind a connection that is not confirmed yet."""
        if entry.status & _CONFIRMED:
            return
        current = _inverse(entry.reply)
        new = self._get_unique_tuple(current, binding, entry, manip, now)
        if new != current:
            entry.reply = _inverse(new)
            entry.status |= manip.status
        if manip is Manip.SRC:
            if self._bound >= max(_SWEEP_AT_LEAST, self._live_at_sweep):
                self._sweep()
            self._by_source.setdefault(_source_key(entry), []).append(entry)
            self._bound += 1
        entry.status |= _DONE[manip]

    def nf_nat_alloc_null_binding(self, entry: Entry, manip: Manip, now: Micros) -> None:
        """Port of nf_nat_alloc_null_binding: no rule translates it, but its tuple must be free."""
        own = entry.reply.daddr if manip is Manip.SRC else entry.reply.saddr
        self.nf_nat_setup_info(entry, Binding(own, own), manip, now)

    def _sweep(self) -> None:
        lived = {
            key: [entry for entry in entries if _is_in_table(entry)]
            for key, entries in self._by_source.items()
        }
        self._by_source = {key: entries for key, entries in lived.items() if entries}
        self._live_at_sweep = sum(map(len, self._by_source.values()))
        self._bound = 0

    def _is_used(self, new: Tuple, entry: Entry, now: Micros) -> bool:
        """Port of nf_nat_used_tuple."""
        return self._tracker.nf_conntrack_tuple_taken(_inverse(new), entry, now) is not None

    def _is_used_new(self, new: Tuple, entry: Entry, now: Micros) -> bool:
        """Port of nf_nat_used_tuple_new: both ends may have opened the connection at once."""
        if not self._is_used(new, entry, now):
            return False
        if not self._tracker.allows_clash(entry.original.protocol):
            return True
        if entry.status & _NAT_MASK:
            return True
        find = self._tracker.find
        half = find(new, now, entry.zone) or find(_inverse(new), now, entry.zone)
        assert half is not None  # it has just been found
        other = half[0]
        return bool(other.status & _NAT_MASK) or other.original != entry.reply

    def _is_used_harder(self, new: Tuple, entry: Entry, left: int, now: Micros) -> bool:
        """Port of nf_nat_used_tuple_harder: the last attempts may evict a connection that is over.

        It must have closed, be translated, and its sequence numbers must lie behind the new ones.
        """
        is_tcp = entry.original.protocol == TCP
        if left > _HARDER_THRESHOLD or not is_tcp or entry.tcp.state != TcpCt.SYN_SENT:
            return self._is_used(new, entry, now)
        half = self._tracker.find(_inverse(new), now, entry.zone)
        if half is None:
            return False
        other, direction = half
        if (
            direction == Dir.ORIGINAL
            or other.tcp.state < TcpCt.TIME_WAIT
            or not other.status & _SRC_NAT
            or not after(entry.tcp.seen[0].td_end, other.tcp.seen[0].td_end)
        ):
            return True
        self._tracker.nf_ct_kill(other)
        return False

    def _get_unique_tuple(
        self, original: Tuple, binding: Binding, entry: Entry, manip: Manip, now: Micros
    ) -> Tuple:
        """Port of get_unique_tuple."""
        if manip is Manip.SRC and not binding.is_random:
            if _in_range(original, binding):
                if not self._is_used_new(original, entry, now):
                    return original
            else:
                found = self._find_appropriate_src(original, binding, entry)
                if found is not None and not self._is_used(found, entry, now):
                    return found
        new = _find_best_ips_proto(original, binding, entry, manip)
        if not binding.is_random:
            ports = binding.ports
            if ports is not None:
                if (
                    binding.base is None
                    and _l4proto_in_range(new, manip, ports)
                    and (ports.low == ports.high or not self._is_used(new, entry, now))
                ):
                    return new
            elif not self._is_used(new, entry, now):
                return new
        return self._nf_nat_l4proto_unique_tuple(new, binding, entry, manip, now)

    def _find_appropriate_src(
        self, original: Tuple, binding: Binding, entry: Entry
    ) -> Tuple | None:
        """Port of find_appropriate_src: how the same source was translated last."""
        for other in reversed(self._by_source.get(_source_key(entry), ())):
            if not _is_in_table(other):
                continue
            mapped = _inverse(other.reply)
            found = original._replace(saddr=mapped.saddr, sport=mapped.sport)
            if _in_range(found, binding):
                return found
        return None

    def _nf_nat_l4proto_unique_tuple(
        self, new: Tuple, binding: Binding, entry: Entry, manip: Manip, now: Micros
    ) -> Tuple:
        """Port of nf_nat_l4proto_unique_tuple: another port, or another identifier of ICMP."""
        is_icmp = new.protocol in (ICMP, ICMPV6)
        ports = binding.ports
        if is_icmp:
            ports = ports or Range(0, 0xFFFF)
        elif new.protocol not in _WITH_PORTS:
            return new
        key = "sport" if is_icmp or manip is Manip.SRC else "dport"
        own: int = getattr(new, key)
        if ports is None:
            if manip is Manip.DST:
                return new
            if own < 512:
                ports = Range(1, 511)
            elif own < 1024:
                ports = Range(600, 1023)
            else:
                ports = Range(1024, 0xFFFF)
        low, high = ports
        size = high - low + 1
        if binding.base is not None:
            start = (own - binding.base) & 0xFFFF
        elif binding.is_random or manip is Manip.SRC:
            start = self._draw(low, high) - low
        else:
            start = 0
        attempts = min(size, _MOST_ATTEMPTS)
        while True:
            for left in range(attempts, 0, -1):
                new = new._replace(**{key: low + (start & 0xFFFF) % size})
                if not self._is_used_harder(new, entry, left, now):
                    return new
                start += 1
            if attempts >= size or attempts < _FEW_ATTEMPTS:
                return new
            attempts //= 2
            start = self._draw(low, high) - low

    # ---- packets

    def nf_nat_packet(self, entry: Entry, direction: Dir, manip: Manip, packet: Packet) -> Packet:
        """Port of nf_nat_packet and nf_nat_manip_pkt: a packet as its entry wants it here."""
        if not entry.status & _status_bit(manip, direction):
            return packet
        return _manip_pkt(packet, _inverse(entry.tuple_in(direction.other)), manip)

    def nf_nat_icmp_reply_translation(
        self, entry: Entry, direction: Dir, manip: Manip, packet: Packet
    ) -> Packet | None:
        """Port of nf_nat_icmp_reply_translation: an ICMP error, and what it quotes. None: drop."""
        if packet.protocol == ICMP and packet.icmp_type == _REDIRECT:
            done = _DONE[0] | _DONE[1]
            if entry.status & done != done or entry.status & _NAT_MASK:
                return None
        if not entry.status & _status_bit(manip, direction):
            return packet
        other = entry.tuple_in(direction.other)
        assert packet.quoted is not None  # by this its entry was found
        inner = _manip_pkt(packet.quoted, other, Manip(1 - manip))
        packet = packet._replace(quoted=inner)
        target = _inverse(other)
        if manip is Manip.SRC:
            return packet._replace(saddr=target.saddr)
        return packet._replace(daddr=target.daddr)


def _inverse(found: Tuple) -> Tuple:
    inverse = invert_tuple(found)
    assert inverse is not None  # what opens an entry has an answer
    return inverse


def _is_in_table(entry: Entry) -> bool:
    return entry.status & (_CONFIRMED | _DYING) == _CONFIRMED


def _source_key(entry: Entry) -> tuple[int, int, int, int]:
    original = entry.original
    number = entry.zone.number_in(Dir.ORIGINAL)
    return original.protocol, original.saddr, original.sport, number


def _status_bit(manip: Manip, direction: Dir) -> int:
    return manip.status ^ (_NAT_MASK if direction is Dir.REPLY else 0)


def _manip_pkt(packet: Packet, target: Tuple, manip: Manip) -> Packet:
    """Port of nf_nat_ipv4_manip_pkt, its IPv6 twin and those of the protocols."""
    saddr, sport, daddr, dport = packet.saddr, packet.sport, packet.daddr, packet.dport
    if manip is Manip.SRC:
        saddr, sport = target.saddr, None if sport is None else target.sport
    else:
        daddr, dport = target.daddr, None if dport is None else target.dport
    protocol = packet.protocol
    identifier = packet.icmp_id
    queries = _QUERIES if protocol == ICMP else _ECHOES
    if protocol in (ICMP, ICMPV6) and packet.icmp_type in queries:
        identifier = target.sport
    return packet._replace(saddr=saddr, sport=sport, daddr=daddr, dport=dport, icmp_id=identifier)


def _l4proto_in_range(new: Tuple, manip: Manip, ports: Range) -> bool:
    if new.protocol in (ICMP, ICMPV6):
        return new.sport in ports
    if new.protocol in _WITH_PORTS:
        return (new.sport if manip is Manip.SRC else new.dport) in ports
    return True


def _in_range(new: Tuple, binding: Binding) -> bool:
    """Port of nf_in_range."""
    low, high = binding.low, binding.high
    if low is not None and high is not None and not low <= new.saddr <= high:
        return False
    return binding.ports is None or _l4proto_in_range(new, Manip.SRC, binding.ports)


def _find_best_ips_proto(new: Tuple, binding: Binding, entry: Entry, manip: Manip) -> Tuple:
    """Port of find_best_ips_proto: of a range of addresses a hash of both ends chooses one.

    The hash is over words in the machine's order: little-endian here, as nearly everywhere.
    """
    low, high = binding.low, binding.high
    if low is None or high is None:
        return new
    key = "saddr" if manip is Manip.SRC else "daddr"
    if low == high:
        return new._replace(**{key: low})
    count = 1 if new.family == Family.IPV4 else 4
    lows, highs, targets = (_words(value, count) for value in (low, high, new.daddr))
    start = 0
    if not binding.is_persistent:
        start = _swapped(targets[-1]) ^ entry.zone.number
    sources = [_swapped(word) for word in _words(new.saddr, count)]
    chosen = jhash2([*sources, 0, 0, 0][:4], start)
    address = 0
    is_full = False
    for index in range(count):
        first, distance = 0, _U32
        if not is_full:
            first = lows[index]
            distance = (highs[index] - first + 1) & _U32
        word = first + (chosen * distance >> 32) & _U32
        address = address << 32 | word
        if word != highs[index]:
            is_full = True
        if not binding.is_persistent:
            # What the kernel reads here is what it has just written where it maps destinations.
            chosen ^= _swapped(targets[index] if manip is Manip.SRC else word)
    return new._replace(**{key: address})


def _words(value: int, count: int) -> list[int]:
    return [value >> 32 * (count - 1 - index) & _U32 for index in range(count)]


def _swapped(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "big"), "little")
