# SPDX-License-Identifier: GPL-2.0-only
"""The way of a packet through a box: hooks, tables, conntrack, NAT, routing, what it answers.

Source: net/ipv4/ip_input.c, ip_forward.c and ip_output.c with their IPv6 twins; enum
nf_ip_hook_priorities; net/netfilter/nf_nat_core.c, nf_nat_inet_fn(); Linux 6.18 and 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final, cast

from ctlint.ir.rule import Target
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.core import NO_TEMPLATE, NotModelledError, Tracked, Tracker
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.status import CtInfo, CtState, Dir, EntryStatus, TcpCt
from ctlint.model.conntrack.status import Verdict as CtVerdict
from ctlint.model.kernel.features import Feature
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.course import Course, Courses, follow
from ctlint.model.netfilter.hooks import CONNTRACK, HAS_OUT, Hook, tables_at
from ctlint.model.netfilter.host import LOOPBACK, AddressType, Host
from ctlint.model.netfilter.matches.named import make_named
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.nat import MANIP, Draw, Nat
from ctlint.model.netfilter.nat_targets import UndecidedBindingError, binding_of
from ctlint.model.netfilter.passage import Emitted, Passage, Record
from ctlint.model.netfilter.reject import (
    DEFAULT_REJECT,
    ICMP_ERRORS,
    NO_ROUTE,
    TCP_RESET,
    TIME_EXCEEDED,
    IcmpError,
    checksum_holds,
    error_for,
    reset_for,
)
from ctlint.model.netfilter.transit import EntryView, Transit
from ctlint.model.netfilter.traverse import Open, Outcome, Verdict, Walk, walk
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

_CONFIRMING: Final = frozenset({Hook.LOCAL_IN, Hook.POSTROUTING})

_MOST_SHARED: Final = 4096
"""Ways that are kept once for all connections."""

_HELPERS: Final = frozenset({"amanda", "sip", "snmp"})
"""Helpers that do something to packets whose payload is not theirs."""
_SNMP: Final = 161
_SNMP_TRAP: Final = 162
_NAT_MASK: Final = int(EntryStatus.SRC_NAT | EntryStatus.DST_NAT)
_SIP_TIMEOUT: Final = 3600 * SECOND
_AMANDA_TIMEOUT: Final = 300 * SECOND
"""The modules' defaults (sip_timeout, master_timeout)."""

_SHOWN_AT_ONCE: Final = frozenset({Hook.LOCAL_IN, Hook.FORWARD})
_OPENING: Final = frozenset({CtInfo.NEW, CtInfo.RELATED, CtInfo.RELATED_REPLY})
_IPV4: Final = Family.IPV4
_ESTABLISHED: Final = frozenset({CtInfo.ESTABLISHED, CtInfo.ESTABLISHED_REPLY})
_RELATED: Final = frozenset({CtInfo.RELATED, CtInfo.RELATED_REPLY})


def _stops(ruleset: Ruleset | None) -> dict[Hook, tuple[str, ...]]:
    """Who is asked at each hook, of conntrack and the tables that there are."""
    is_nft = ruleset is not None and ruleset.is_nft
    asked = {CONNTRACK} if ruleset is None else {CONNTRACK, *ruleset.tables}
    return {
        hook: tuple(name for name in tables_at(hook, is_nft=is_nft) if name in asked)
        for hook in Hook
    }


class _UndecidedError(Exception):
    """The packet's way is open from here on."""


class _Traveller:
    """A packet under way (`struct sk_buff`). ``tracked`` is what conntrack made of it, ``early``
    what it made of it before anybody was asked: where no rule comes before conntrack. ``route`` is
    the interface by which the box's own packet leaves; ``has_route`` it keeps over lo until NAT
    rewrites its destination, and no other change makes it lose that.
    """

    __slots__ = ("early", "has_route", "is_same", "route", "tracked", "transit")

    def __init__(self, transit: Transit, tracked: Tracked | None, *, is_same: bool) -> None:
        self.transit = transit
        self.tracked = tracked
        self.is_same = is_same
        self.early: Tracked | None = None
        self.route = ""
        self.has_route = True


class Stack:
    """A box with its rules, connections and addresses. ``draw`` chooses ports where the kernel
    would by lot; ``lots`` does for rules, whose decision is open without it. ``chains`` may serve
    several boxes with the same rules.

    Raises NotModelledError, EndlessWalkError.
    """

    def __init__(
        self,
        tracker: Tracker,
        chains: Mapping[Family, ChainStore],
        host: Host,
        *,
        memory: Memory,
        draw: Draw | None = None,
        lots: Draw | None = None,
    ) -> None:
        self.box = Box(host, tracker, memory, lots=lots)
        self._tracker = tracker
        self._host = host
        self._nat = Nat(tracker, draw)
        self._chains = chains
        rulesets = {family: store.ruleset for family, store in chains.items()}
        self._stops4, self._stops6 = (_stops(rulesets.get(family)) for family in Family)
        # Where nobody is asked before conntrack.
        self._tracks_first4 = "raw" not in self._stops4[Hook.PREROUTING]
        self._tracks_first6 = "raw" not in self._stops6[Hook.PREROUTING]
        for family, store in chains.items():
            make_named(memory, store.named, family)
            if store.counts_traffic:
                tracker.account()
        self._record = Record()
        self._is_steady = False
        self._reads_flags = False
        # What is alike for many connections is kept once.
        self._shared: dict[object, tuple[dict[Hook, CtState], list[str]]] = {}

    # ---- ways

    def receive(self, packet: Packet, interface: str, now: Micros) -> Passage:
        """A packet comes in by an interface."""
        self.box.now = now
        early: Tracked | None = None
        if self._tracks_first4 if packet.family is _IPV4 else self._tracks_first6:
            early = self._tracker.nf_conntrack_in(packet, now)
            passage = follow(early, interface, packet)
            if passage is not None:
                return passage
        traveller = _Traveller(
            Transit(packet, CtState.INVALID, interface, box=self.box), None, is_same=True
        )
        traveller.early = early
        record = self._record = Record()
        self._is_steady = True
        self._reads_flags = False
        try:
            self._receive(traveller)
        except _UndecidedError:
            self._is_steady = False
        if self._is_steady:
            self._keep_course(traveller, packet, interface)
        return record.passage()

    def send(self, packet: Packet, now: Micros) -> Passage:
        """A socket of the box sends a packet."""
        self.box.now = now
        transit = Transit(packet, CtState.INVALID, box=self.box, is_own=True)
        traveller = _Traveller(transit, None, is_same=True)
        record = self._record = Record()
        with suppress(_UndecidedError):
            self._send(traveller)
        return record.passage()

    def _keep_course(self, traveller: _Traveller, before: Packet, interface: str) -> None:
        """Remember the way of a packet whose like will fare alike: of an open connection, asked
        for nothing but what stands in its headers.
        """
        tracked, record = traveller.tracked, self._record
        if tracked is None or tracked.entry is None or tracked.ctinfo not in _ESTABLISHED:
            return
        if before.protocol not in (TCP, UDP) or record.unsure:
            return
        if record.arrived is not None:
            out: str | None = ""
        elif record.out:
            out = record.out[0].interface
        elif record.cause is not None:
            out = None
        else:
            return
        if len(self._shared) >= _MOST_SHARED:
            self._shared.clear()
        key = (tuple(record.ctstates.items()), tuple(record.matched))
        record.ctstates, record.matched = self._shared.setdefault(
            key, (record.ctstates, record.matched)
        )
        course = Course(interface, before, traveller.transit.packet, out, record)
        entry = tracked.entry
        courses = cast("Courses | None", entry.extension)
        if courses is None:
            entry.extension = courses = [None, None]
        known = courses[tracked.ctinfo.direction]
        if before.flags is not None and self._reads_flags:
            by_flags = {} if known is None or known.by_flags is None else known.by_flags
            if known is not None and known.came_by != interface:
                by_flags = {}
            by_flags[int(before.flags)] = course
            course.by_flags = by_flags
        courses[tracked.ctinfo.direction] = course

    def _receive(self, traveller: _Traveller) -> None:
        transit = traveller.transit
        traveller.has_route = True
        if not self._pass(traveller, Hook.PREROUTING):
            return
        packet = transit.packet
        family = packet.family
        came_over_lo = transit.in_interface == LOOPBACK
        # Over lo a packet keeps its route, unless NAT has rewritten its destination.
        keeps_route = came_over_lo and traveller.has_route
        if not keeps_route and self._is_martian(packet):
            return
        kind = self._host.address_type(packet.daddr, family)
        if kind in (AddressType.BROADCAST, AddressType.MULTICAST):
            raise NotModelledError(f"routing to {format_address(family, packet.daddr)}")
        # ::1 is on each link another one: not the box's own for what came in by another.
        is_loopback6 = family is Family.IPV6 and packet.daddr == 1 and not came_over_lo
        if keeps_route or (kind is AddressType.LOCAL and not is_loopback6):
            if self._pass(traveller, Hook.LOCAL_IN):
                if traveller.is_same:
                    self._record.arrived = transit.packet
                else:
                    self._record.told.append(transit.packet)
            return
        interface: str | None
        if is_loopback6:
            interface = self._host.strict_route(transit.in_interface or "", packet.daddr, family)
            if interface is None:
                self._send_error(traveller, NO_ROUTE)
                return
        else:
            interface = self._host.route(packet.daddr, family)
        if interface is None:
            return
        if packet.ttl <= 1:
            self._send_error(traveller, TIME_EXCEEDED[family])
            return
        transit.packet = packet._replace(ttl=packet.ttl - 1)
        transit.out_interface = interface
        if self._pass(traveller, Hook.FORWARD):
            self._leave(traveller)

    def _is_martian(self, packet: Packet) -> bool:
        """Whether routing drops what comes in without a route: port of ip_route_input_slow() and
        fib_validate_source(). IPv6 has no such check behind PREROUTING.
        """
        if packet.family is Family.IPV6:
            return False
        if packet.saddr >> 24 == 127 or packet.daddr >> 24 == 127:
            return True
        return self._host.is_local(packet.saddr, packet.family)

    def _send(self, traveller: _Traveller) -> None:
        transit = traveller.transit
        packet = transit.packet
        interface = self._host.route_from(packet.saddr, packet.daddr, packet.family)
        if interface is None:
            return
        transit.in_interface = ""
        transit.out_interface = interface
        traveller.route = interface
        if self._pass(traveller, Hook.LOCAL_OUT):
            # What the rules of OUTPUT see is where the packet was to go before they were asked.
            transit.out_interface = traveller.route
            self._leave(traveller)

    def _leave(self, traveller: _Traveller) -> None:
        if not self._pass(traveller, Hook.POSTROUTING):
            return
        transit = traveller.transit
        interface = transit.out_interface or ""
        if interface == LOOPBACK:
            transit.in_interface = LOOPBACK
            transit.out_interface = ""
            transit.template = None
            transit.is_own = transit.is_kernels = False
            self._receive(traveller)
            return
        self._record.out.append(Emitted(interface, transit.packet, traveller.is_same))

    # ---- hooks

    def _pass(self, traveller: _Traveller, hook: Hook) -> bool:
        """Ask all who are registered at a hook. Tells whether the packet goes on."""
        transit = traveller.transit
        transit.hook = hook
        if traveller.is_same:
            self._record.reached = hook
        out_interface = transit.out_interface
        if hook not in HAS_OUT:
            transit.out_interface = ""
        if traveller.is_same and hook in _SHOWN_AT_ONCE:
            self._record.ctstates.setdefault(hook, transit.ctstate)
        stops = self._stops4 if transit.packet.family is Family.IPV4 else self._stops6
        for table in stops[hook]:
            if table == CONNTRACK:
                goes_on = self._track(traveller, hook)
            elif table == "nat":
                goes_on = self._translate(traveller, hook)
            else:
                goes_on = self._ask(traveller, table, hook)
            if not goes_on:
                return False
        if hook in _CONFIRMING:
            tracked = traveller.tracked
            assert tracked is not None  # conntrack comes before
            entry = tracked.entry
            if entry is not None and entry.helper in _HELPERS:
                self._help(entry, tracked.ctinfo, transit.packet)
            confirmed = self._tracker.nf_conntrack_confirm(tracked, self.box.now)
            if confirmed is CtVerdict.DROP:
                return False
            if tracked.entry is not entry:
                self._show(traveller)
        if hook not in HAS_OUT:
            transit.out_interface = out_interface
        return True

    def _help(self, entry: Entry, ctinfo: CtInfo | None, packet: Packet) -> None:
        """Port of what amanda_help(), sip_help_udp() and sip_help_tcp() do to a packet whose
        payload is not theirs: its entry lives longer. nf_confirm() asks no helper about an error
        that goes the reply way; one that goes the other way is a datagram to those of UDP.
        """
        self._is_steady = False
        if entry.helper == "snmp":
            self._require_no_snmp_nat(entry, ctinfo, packet)
            return
        if entry.helper == "amanda":
            if ctinfo is not CtInfo.ESTABLISHED_REPLY:
                return
            timeout = _AMANDA_TIMEOUT
        else:
            is_tcp = entry.original.protocol == TCP
            if ctinfo is CtInfo.RELATED_REPLY or (is_tcp and ctinfo not in _ESTABLISHED):
                return
            if packet.payload == 0 and packet.quoted is None:
                return
            timeout = _SIP_TIMEOUT
        entry.timeout = timeout
        entry.expires_at = self.box.now + timeout

    @staticmethod
    def _require_no_snmp_nat(entry: Entry, ctinfo: CtInfo | None, packet: Packet) -> None:
        """Port of help() in nf_nat_snmp_basic_main.c as far as to what it would read; the module
        may be there or not. Raises NotModelledError.
        """
        if ctinfo is None or ctinfo is CtInfo.RELATED_REPLY or not entry.status & _NAT_MASK:
            return
        if packet.sport == _SNMP and ctinfo.direction is Dir.ORIGINAL:
            return
        if packet.dport == _SNMP_TRAP and ctinfo.direction is Dir.REPLY:
            return
        raise NotModelledError("what nf_nat_snmp_basic makes of a translated packet")

    def _show(self, traveller: _Traveller) -> None:
        """What conntrack found, as rules see it."""
        tracked, transit = traveller.tracked, traveller.transit
        assert tracked is not None
        transit.ctstate = tracked.ctstate
        ctinfo = tracked.ctinfo
        transit.is_tracked = ctinfo is not None
        if tracked.entry is None or ctinfo is None:
            transit.entry = None
        else:
            transit.entry = EntryView(ctinfo.direction, tracked.entry)

    def _track(self, traveller: _Traveller, hook: Hook) -> bool:
        tracked, transit = traveller.tracked, traveller.transit
        if tracked is None or tracked.ctinfo is None:
            tracked, traveller.early = traveller.early, None
        if tracked is None:
            tracked = self._tracker.nf_conntrack_in(
                transit.packet,
                self.box.now,
                transit.template or NO_TEMPLATE,
                is_received=hook is Hook.PREROUTING,
            )
        if traveller.tracked is not tracked:
            traveller.tracked = tracked
            if traveller.is_same:
                self._record.log += tracked.log
            if tracked.verdict is CtVerdict.DROP:
                return False
            self._show(traveller)
        if traveller.is_same:
            self._record.ctstates.setdefault(hook, transit.ctstate)
        return True

    def _ask(self, traveller: _Traveller, table: str, hook: Hook) -> bool:
        transit = traveller.transit
        before = transit.packet
        result = walk(self._chains[before.family], table, hook.value, transit)
        outcome = self._settled(traveller, result)
        if outcome is None or outcome.verdict is Verdict.ACCEPT:
            return hook is not Hook.LOCAL_OUT or self._reroute(traveller, before)
        if traveller.is_same:
            self._record.cause = outcome
        if outcome.verdict is Verdict.REJECT:
            self._reject(traveller, outcome)
        return False

    def _settled(self, traveller: _Traveller, result: Walk) -> Outcome | None:
        """The one outcome of a walk. Raises _UndecidedError where it may have several."""
        record = self._record
        if not result.is_steady:
            self._is_steady = False
        if result.reads_flags:
            self._reads_flags = True
        (record.matched if traveller.is_same else record.made_matched).extend(result.matched)
        record.unsure += result.unsure
        outcomes = result.outcomes
        if not outcomes:
            return None
        if len(outcomes) > 1:
            verdicts = result.verdicts()
            agree = verdicts <= {Verdict.ACCEPT} or verdicts <= {Verdict.DROP}
            if result.translated or not agree:
                record.open += result.open
                raise _UndecidedError
            record.unsure += result.open
        elif outcomes[0].verdict is Verdict.ELSEWHERE:
            record.open += result.open
            raise _UndecidedError
        else:
            # Whatever they say, it ends in the same way.
            record.unsure += result.open
        return outcomes[-1]

    # ---- NAT

    def _translate(self, traveller: _Traveller, hook: Hook) -> bool:
        """Port of nf_nat_ipv4_fn, its IPv6 twin, and nf_nat_inet_fn."""
        tracked, transit = traveller.tracked, traveller.transit
        if tracked is None or tracked.entry is None or tracked.ctinfo is None:
            return True
        entry, ctinfo = tracked.entry, tracked.ctinfo
        manip, direction = MANIP[hook], ctinfo.direction
        before = transit.packet
        if ctinfo in _RELATED and before.protocol in (ICMP, ICMPV6):
            if before.defect is not None:
                return False
            translated = self._nat.nf_nat_icmp_reply_translation(entry, direction, manip, before)
            if translated is None:
                return False
            transit.packet = translated
        else:
            now = self.box.now
            if ctinfo in _OPENING and not self._nat.is_initialized(entry, manip):
                if not self._bind(traveller, tracked, hook):
                    return False
                if not self._nat.is_initialized(entry, manip):
                    self._nat.nf_nat_alloc_null_binding(entry, manip, now)
            transit.packet = self._nat.nf_nat_packet(entry, direction, manip, before)
        if hook is Hook.PREROUTING and transit.packet.daddr != before.daddr:
            traveller.has_route = False
        return hook is not Hook.LOCAL_OUT or self._reroute(traveller, before)

    def _reroute(self, traveller: _Traveller, before: Packet) -> bool:
        """Port of ip_route_me_harder: a packet of the box's own that was sent elsewhere. Tells
        whether it goes on.
        """
        after = traveller.transit.packet
        if after.daddr == before.daddr:
            return True
        interface = self._host.route_from(after.saddr, after.daddr, after.family)
        if interface is None:
            return False
        traveller.route = interface
        return True

    def _bind(self, traveller: _Traveller, tracked: Tracked, hook: Hook) -> bool:
        """Let the nat table's rules say what a connection is bound to."""
        self._is_steady = False
        transit = traveller.transit
        entry = tracked.entry
        assert entry is not None
        result = walk(self._chains[transit.packet.family], "nat", hook.value, transit)
        outcome = self._settled(traveller, result)
        if outcome is None:
            return True
        if outcome.verdict is not Verdict.ACCEPT:
            if traveller.is_same:
                self._record.cause = outcome
            return False
        if not result.translated:
            return True
        target = result.translated[-1].rule.target
        assert isinstance(target, Target)
        try:
            binding = binding_of(target, transit)
        except UndecidedBindingError as error:
            self._record.open.append(Open(result.translated[-1], None, str(error)))
            raise _UndecidedError from None
        if binding is None:
            if traveller.is_same:
                self._record.cause = outcome
            return False
        self._nat.nf_nat_setup_info(entry, binding, MANIP[hook], self.box.now)
        return True

    # ---- answers

    def _reject(self, traveller: _Traveller, outcome: Outcome) -> None:
        """Port of reject_tg() and reject_tg6(): the packet is dropped, and its sender told."""
        packet = traveller.transit.packet
        target = outcome.target
        given = None if target is None else target.get("reject-with")
        kind = DEFAULT_REJECT[packet.family] if given is None else given.value
        if kind != TCP_RESET:
            if checksum_holds(packet):
                self._send_error(traveller, ICMP_ERRORS[kind])
            return
        reset = reset_for(packet)
        if reset is None or (self._host.route_from(reset.saddr, reset.daddr, reset.family) is None):
            return
        self._set_closing(traveller)
        self._answer(traveller, reset)

    def _send_error(self, traveller: _Traveller, kind: IcmpError) -> None:
        transit = traveller.transit
        error = error_for(transit.packet, kind, self._host, transit.in_interface)
        if error is not None:
            self._answer(traveller, error)

    def _set_closing(self, traveller: _Traveller) -> None:
        """Port of nf_conntrack_tcp_set_closing: an RST on its way closes a confirmed entry."""
        if Feature.REJECT_CLOSES_ENTRY not in self._tracker.kernel:
            return
        entry = None if traveller.tracked is None else traveller.tracked.entry
        if entry is None or not entry.is_confirmed or entry.original.protocol != TCP:
            return
        if entry.tcp.state != TcpCt.CLOSE:
            timeouts = entry.policy.tcp or self._tracker.settings.tcp
            entry.timeout = timeouts[TcpCt.CLOSE]
            entry.expires_at = self.box.now + entry.timeout
        entry.tcp.state = int(TcpCt.CLOSE)

    def _answer(self, traveller: _Traveller, answer: Packet) -> None:
        """Send what the box makes of a packet. It carries that one's entry, the other way round.

        Port of nf_conntrack_attach. An answer to an UNTRACKED packet is tracked, but no rule of
        the raw table can take it out of that any more.
        """
        self._is_steady = False
        is_error = answer.protocol in (ICMP, ICMPV6)
        transit = Transit(answer, CtState.INVALID, box=self.box, is_kernels=is_error)
        tracked = traveller.tracked
        attached: Tracked | None = None
        if tracked is not None and tracked.ctinfo is not None:
            transit.is_tracked = True
            if tracked.entry is not None:
                was_original = tracked.ctinfo.direction is Dir.ORIGINAL
                ctinfo = CtInfo.RELATED_REPLY if was_original else CtInfo.RELATED
                attached = Tracked(tracked.entry, ctinfo, ())
        made = _Traveller(transit, attached, is_same=False)
        if attached is not None:
            self._show(made)
        self._send(made)
