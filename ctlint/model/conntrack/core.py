# SPDX-License-Identifier: GPL-2.0-only
"""Connection tracking itself: look-up, new entries, confirmation, expiry, a full table.

Source: net/netfilter/nf_conntrack_core.c, Linux 2.6.32 to 7.3. A packet is tracked where it comes
in (PREROUTING, or OUTPUT for the host's own), and its entry becomes real where it leaves
(POSTROUTING, or INPUT): what is dropped in between leaves no entry behind.

Time is passed in; nothing here reads a clock, draws lots or does I/O.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from ctlint.model.conntrack import tcp
from ctlint.model.conntrack.entry import (
    DEFAULT_ZONE,
    NO_POLICY,
    Entry,
    TimeoutPolicy,
    Zone,
)
from ctlint.model.conntrack.icmp import IcmpKind, IcmpTracker
from ctlint.model.conntrack.log import LogLine
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.settings import Settings
from ctlint.model.conntrack.status import CtInfo, CtState, Dir, EntryStatus, Verdict
from ctlint.model.conntrack.tcp import TcpTracker, tcp_can_early_drop
from ctlint.model.conntrack.tuple import UDPLITE, Tuple, get_tuple, invert_tuple
from ctlint.model.conntrack.udp import UdpTracker
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.encoding import total_length
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

_NOT_MODELLED: Final = {33: "DCCP", 47: "GRE", 132: "SCTP", UDPLITE: "UDP-Lite"}
"""Protocols that have a tracker of their own which is not modelled."""

_TRACKER_GONE: Final = {
    33: Feature.DCCP_TRACKER_GONE,
    UDPLITE: Feature.UDPLITE_TRACKER_GONE,
}
"""Since when a protocol is as any other."""

_SWEEP_AT_LEAST: Final = 1024
"""Entries that are made between two sweeps of expired ones, at least."""

_SEEN_REPLY: Final = int(EntryStatus.SEEN_REPLY)
_CONFIRMED: Final = int(EntryStatus.CONFIRMED)
_EXPECTED: Final = int(EntryStatus.EXPECTED)
_ASSURED: Final = int(EntryStatus.ASSURED)
_DYING: Final = int(EntryStatus.DYING)

Key = tuple[int, int, int, int, int, int]
Half = tuple[Entry, int]
"""An entry, and which of its directions a tuple is."""


class NotModelledError(Exception):
    """A packet of a protocol whose tracker is not modelled."""


class Template(NamedTuple):
    """What the CT target says of a connection before it is tracked (raw table).

    `notrack` is `CT --notrack`; the zone, the timeouts and the helper hold for the entry that is
    made.
    """

    zone: Zone = DEFAULT_ZONE
    policy: TimeoutPolicy = NO_POLICY
    notrack: bool = False
    helper: str | None = None


NO_TEMPLATE: Final = Template()


class Tracked:
    """What conntrack made of a packet.

    `entry` and `ctinfo` are None for an INVALID packet; an UNTRACKED one has no entry. `log` is
    what the kernel would write, in order. `verdict` is DROP where conntrack itself drops.
    """

    __slots__ = ("ctinfo", "entry", "log", "verdict")

    def __init__(
        self,
        entry: Entry | None,
        ctinfo: CtInfo | None,
        log: Sequence[LogLine],
        verdict: Verdict = Verdict.ACCEPT,
    ) -> None:
        self.entry = entry
        self.ctinfo = ctinfo
        self.log = log
        self.verdict = verdict

    @property
    def ctstate(self) -> CtState:
        """What a rule can match."""
        return CtState.INVALID if self.ctinfo is None else self.ctinfo.ctstate


_ESTABLISHED: Final = CtInfo.ESTABLISHED
_RELATED: Final = CtInfo.RELATED
_NEW: Final = CtInfo.NEW
_ESTABLISHED_REPLY: Final = CtInfo.ESTABLISHED_REPLY


def nf_ct_can_merge(one: Entry, other: Entry) -> bool:
    """Port of nf_ct_can_merge: whether two entries are one connection, seen from either end."""
    first, second = (
        [(entry.tuple_in(way), entry.zone.number_in(way)) for way in Dir] for entry in (one, other)
    )
    return first in (second, second[::-1])


def _logged(packet: Packet, address: int) -> str:
    """An address as the kernel's log writes it: IPv6 in full (%pI6)."""
    if packet.family == Family.IPV6:
        return ipaddress.IPv6Address(address).exploded
    return format_address(Family.IPV4, address)


def evict_none(_candidates: Sequence[Entry]) -> Entry | None:
    """No entry stands near enough to be evicted: the usual case in a table of many buckets."""
    return None


class Tracker:
    """The conntrack table of one network namespace.

    `pick_evicted` stands for the kernel's hash: asked which of the entries that may be evicted
    stands in one of the eight buckets that early_drop looks at (None: none of them). `count` is
    how many entries are in the table, expired ones that were not met yet included.
    """

    def __init__(
        self,
        kernel: KernelProfile,
        settings: Settings,
        pick_evicted: Callable[[Sequence[Entry]], Entry | None] = evict_none,
    ) -> None:
        self.kernel = kernel
        self._pick_evicted = pick_evicted
        self._default: dict[Key, Half] = {}
        self._zones: dict[int, dict[Key, Half]] = {DEFAULT_ZONE.number: self._default}
        self.count = 0
        self._made = 0
        self._live_at_sweep = 0
        self._checks_after_allocation = Feature.CHECKS_AFTER_ALLOCATION in kernel
        self._checks_outer = Feature.ICMP_OUTER_DESTINATION in kernel
        self._clash_resolved = Feature.CLASH_RESOLVED in kernel
        self._clash_needs_match = Feature.CLASH_NEEDS_MATCH in kernel
        self._refuses_clash = {TCP}
        if Feature.ICMP_ALLOWS_CLASH not in kernel:
            self._refuses_clash |= {ICMP, ICMPV6}
        self._allows_generic_clash = Feature.GENERIC_ALLOWS_CLASH in kernel
        self._not_modelled = {
            protocol: name
            for protocol, name in _NOT_MODELLED.items()
            if protocol not in _TRACKER_GONE or _TRACKER_GONE[protocol] not in kernel
        }
        self._early_drops_closing = Feature.GC_EARLY_DROP in kernel
        self._must_account = False
        self.configure(settings)

    def account(self) -> None:
        """Port of nf_ct_set_acct: from now on entries count what they carry, as rules that ask for
        it have it, whatever the sysctl nf_conntrack_acct says.
        """
        self._must_account = True
        self.configure(self.settings)

    def configure(self, settings: Settings) -> None:
        """Put other sysctls in force. Timers that run go on running."""
        self.settings = settings
        self._accounts = self._must_account or settings.acct
        self._tcp = TcpTracker(self.kernel, settings, self.nf_ct_kill, accounts=self._accounts)
        self._udp = UdpTracker(self.kernel, settings)
        self._icmp = IcmpTracker(self.kernel, settings)
        self._handle_tcp = self._tcp.nf_conntrack_tcp_packet

    # ---- the table

    def find(self, key: Key, now: Micros, zone: Zone = DEFAULT_ZONE) -> Half | None:
        """Port of nf_conntrack_find_get: whose tuple this is. What has expired is not found."""
        if zone is DEFAULT_ZONE:
            half = self._default.get(key)
            if half is None or (half[0].expires_at > now and half[0].zone is DEFAULT_ZONE):
                return half
        number = zone.number_in(Dir.ORIGINAL)
        half = self._look_up(key, number, zone, now)
        if half is None and (other := zone.number_in(Dir.REPLY)) != number:
            half = self._look_up(key, other, zone, now)
        return half

    def _look_up(self, key: Key, number: int, zone: Zone, now: Micros) -> Half | None:
        half = self._zones.get(number, {}).get(key)
        if half is None:
            return None
        entry, direction = half
        if entry.zone.number_in(direction) != zone.number_in(direction):
            return None
        if entry.expires_at <= now:
            self.nf_ct_kill(entry)
            return None
        return half

    def nf_conntrack_tuple_taken(self, reply: Tuple, ignored: Entry, now: Micros) -> Entry | None:
        """Port of nf_conntrack_tuple_taken: the entry that has a tuple which `ignored` is about to
        take for its reply direction. One that the same connection opened does not count.
        """
        half = self._look_up(reply, ignored.zone.number_in(Dir.REPLY), ignored.zone, now)
        if half is None or half[0] is ignored:
            return None
        if half[0].original == ignored.original and (
            half[0].zone.number_in(Dir.ORIGINAL) == ignored.zone.number_in(Dir.ORIGINAL)
        ):
            return None
        return half[0]

    def allows_clash(self, protocol: int) -> bool:
        """Whether two packets of a protocol may open one connection (allow_clash)."""
        if protocol in (UDP, TCP, ICMP, ICMPV6):
            return protocol not in self._refuses_clash
        return self._allows_generic_clash

    def _all_entries(self) -> Iterator[Entry]:
        """Each entry once, also those whose timer has run out; a zone's own are oldest first."""
        for number, table in self._zones.items():
            for entry, direction in table.values():
                if direction == Dir.ORIGINAL:
                    yield entry
                elif entry.original == entry.reply and number == entry.zone.number_in(Dir.ORIGINAL):
                    yield entry  # connected to itself: its reply direction stands in both's place

    def entries(self, now: Micros) -> Iterator[Entry]:
        """The live entries, a zone's own oldest first."""
        return (entry for entry in self._all_entries() if entry.expires_at > now)

    def nf_ct_kill(self, entry: Entry) -> None:
        """Port of nf_ct_kill: take an entry out of the table. A packet may still hold it."""
        if entry.status & (_CONFIRMED | _DYING) == _CONFIRMED:
            for direction in Dir:
                table = self._zones[entry.zone.number_in(direction)]
                table.pop(entry.tuple_in(direction), None)
            self.count -= 1
        entry.status |= _DYING

    def flush(self) -> None:
        """Delete all entries, as `conntrack -F` does."""
        for table in self._zones.values():
            for entry, _ in table.values():
                entry.status |= _DYING
            table.clear()
        self.count = 0

    def expire(self, now: Micros) -> list[Entry]:
        """Take out all entries whose timer has run out, and return them."""
        gone = [entry for entry in self._all_entries() if entry.expires_at <= now]
        for entry in gone:
            self.nf_ct_kill(entry)
        return gone

    def next_expiry(self, now: Micros) -> Micros | None:
        """When the next timer runs out; None while there is no entry."""
        return min((entry.expires_at for entry in self.entries(now)), default=None)

    # ---- packets

    def nf_conntrack_in(
        self,
        packet: Packet,
        now: Micros,
        template: Template = NO_TEMPLATE,
        *,
        is_received: bool = True,
    ) -> Tracked:
        """Port of nf_conntrack_in: which entry a packet belongs to, and what it does to it.

        `is_received`: the packet came in from outside (PREROUTING), so that its checksum counts.
        Raises NotModelledError.
        """
        log: list[LogLine] = []
        protocol = packet.protocol
        if template is NO_TEMPLATE:
            zone, policy, helper = DEFAULT_ZONE, NO_POLICY, None
        else:
            zone, policy, notrack, helper = template
            if notrack:
                return Tracked(None, CtInfo.UNTRACKED, log)
        if protocol == TCP:
            if not self._checks_after_allocation and self._tcp.tcp_error(
                packet, int(packet.flags or 0), is_received, log
            ):
                return Tracked(None, None, log)
        elif protocol in (ICMP, ICMPV6):
            kind = self._icmp.kind_of(packet, is_received, log)
            if kind is IcmpKind.INVALID:
                return Tracked(None, None, log)
            if kind is IcmpKind.UNTRACKED:
                return Tracked(None, CtInfo.UNTRACKED, log)
            if kind is IcmpKind.ERROR:
                return self._nf_conntrack_inet_error(packet, now, zone, log)
        elif protocol == UDP:
            if not self._checks_after_allocation and self._udp.udp_error(packet, is_received, log):
                return Tracked(None, None, log)
        elif protocol in self._not_modelled:
            raise NotModelledError(f"conntrack's tracker of {self._not_modelled[protocol]}")

        key = get_tuple(packet)
        while True:
            half = self._default.get(key) if zone is DEFAULT_ZONE else self.find(key, now, zone)
            if half is not None and half[0].expires_at <= now:
                self.nf_ct_kill(half[0])
                half = None
            if half is None:
                reply = invert_tuple(key)
                if reply is None:
                    log.append(LogLine(Reason.OPENS_NOTHING, protocol))
                    return Tracked(None, None, log)
                if not self._has_room(now):
                    return Tracked(None, None, log, Verdict.DROP)
                entry = Entry(Tuple(*key), reply, zone, policy, helper)
                ctinfo = _NEW
                direction = 0
            else:
                entry, direction = half
                if direction:
                    ctinfo = _ESTABLISHED_REPLY
                elif entry.status & _SEEN_REPLY:
                    ctinfo = _ESTABLISHED
                elif entry.status & _EXPECTED:
                    ctinfo = _RELATED
                else:
                    ctinfo = _NEW
            if protocol == TCP:
                verdict = self._handle_tcp(entry, packet, direction, now, is_received, log)
                if verdict == tcp.REPEAT:
                    continue
                if verdict != tcp.ACCEPT:
                    dropped = Verdict.DROP if verdict == tcp.DROP else Verdict.ACCEPT
                    return Tracked(None, None, log, dropped)
            elif not self._handle_other(entry, packet, now, is_received, log):
                return Tracked(None, None, log)
            elif self._accounts:
                entry.carry(direction, total_length(packet))
            if direction:
                entry.status |= _SEEN_REPLY
            return Tracked(entry, ctinfo, log)

    def _handle_other(
        self, entry: Entry, packet: Packet, now: Micros, is_received: bool, log: list[LogLine]
    ) -> bool:
        """Port of nf_conntrack_handle_packet, for all but TCP."""
        protocol = packet.protocol
        if protocol == UDP:
            return self._udp.nf_conntrack_udp_packet(entry, packet, now, is_received, log)
        if protocol in (ICMP, ICMPV6):
            return self._icmp.nf_conntrack_icmp_packet(entry, now, log)
        timeout = entry.policy.generic
        entry.timeout = self.settings.generic if timeout is None else timeout
        entry.expires_at = now + entry.timeout
        return True

    def _nf_conntrack_inet_error(
        self, packet: Packet, now: Micros, zone: Zone, log: list[LogLine]
    ) -> Tracked:
        """Port of nf_conntrack_inet_error (before 5.2 icmp_error_message and its IPv6 twin).

        Which connection is the ICMP error about?
        """
        quoted = None if packet.quoted is None else invert_tuple(get_tuple(packet.quoted))
        half = None if quoted is None else self.find(quoted, now, zone)
        if half is None:
            log.append(LogLine(Reason.UNRELATED_ERROR, packet.protocol))
            return Tracked(None, None, log)
        entry, direction = half
        inner = entry.tuple_in(Dir(direction)).daddr
        if packet.daddr != inner and self._checks_outer:
            numbers = {"outer": _logged(packet, packet.daddr), "inner": _logged(packet, inner)}
            log.append(LogLine(Reason.OUTER_DESTINATION, packet.protocol, numbers))
            return Tracked(None, None, log)
        return Tracked(entry, CtInfo.RELATED_REPLY if direction else CtInfo.RELATED, log)

    # ---- confirmation

    def nf_conntrack_confirm(self, tracked: Tracked, now: Micros) -> Verdict:
        """Port of nf_conntrack_confirm: the packet leaves, its new entry enters the table.

        Its timer runs from now on. DROP where another packet has taken one of the two tuples in
        the meantime, unless that one opened the same connection and its protocol allows it.
        """
        entry = tracked.entry
        if entry is None or entry.status & _CONFIRMED:
            return Verdict.ACCEPT
        if tracked.ctinfo is not None and tracked.ctinfo.direction is Dir.REPLY:
            return Verdict.ACCEPT  # a packet that REJECT made for one that was not confirmed
        if entry.status & _DYING:
            return Verdict.DROP
        for direction in Dir:
            other = self._look_up(
                entry.tuple_in(direction), entry.zone.number_in(direction), entry.zone, now
            )
            if other is not None:
                return self._nf_ct_resolve_clash(tracked, entry, other[0])
        entry.expires_at = now + entry.timeout
        entry.status |= _CONFIRMED
        for direction in Dir:
            table = self._zones.setdefault(entry.zone.number_in(direction), {})
            table[entry.tuple_in(direction)] = (entry, int(direction))
        self.count += 1
        self._made += 1
        if self._made >= max(_SWEEP_AT_LEAST, self._live_at_sweep):
            self.expire(now)
            self._made = 0
            self._live_at_sweep = self.count
        return Verdict.ACCEPT

    def _nf_ct_resolve_clash(self, tracked: Tracked, loser: Entry, winner: Entry) -> Verdict:
        """Port of nf_ct_resolve_clash: two packets opened the same connection at the same time.

        The second takes the entry of the first; kernels that do not ask for a match do so
        whatever that is, as long as nothing was translated.
        """
        if not self._clash_resolved or not self.allows_clash(loser.original.protocol):
            return Verdict.DROP
        if self._clash_needs_match and not nf_ct_can_merge(winner, loser):
            return Verdict.DROP
        tracked.entry = winner
        return Verdict.ACCEPT

    # ---- a full table

    def _has_room(self, now: Micros) -> bool:
        """Part of __nf_conntrack_alloc: whether one more entry may be made.

        In a full table an entry that is not ASSURED may have to go (early_drop).
        """
        limit = self.settings.max_entries
        if not limit or self.count < limit:
            return True
        self.expire(now)
        if self.count < limit:
            return True
        candidates = [entry for entry in self.entries(now) if not entry.status & _ASSURED]
        evicted = self._pick_evicted(candidates) if candidates else None
        if evicted is None:
            return False
        self.nf_ct_kill(evicted)
        return True

    def gc_worker(self, now: Micros) -> list[Entry]:
        """Port of gc_worker after the table was found full: evict until it is 95 % full.

        Gone are entries that are not ASSURED, and since GC_EARLY_DROP those that are closing;
        returns them. Which go first depends on the kernel's hash; here it is the oldest.
        """
        self.expire(now)
        limit = self.settings.max_entries // 100 * 95
        gone: list[Entry] = []
        if not limit or not self._early_drops_closing:
            return gone
        for entry in list(self.entries(now)):
            if self.count < limit:
                break
            is_closing = entry.original.protocol == TCP and tcp_can_early_drop(entry)
            if not entry.status & _ASSURED or is_closing:
                self.nf_ct_kill(entry)
                gone.append(entry)
        return gone
