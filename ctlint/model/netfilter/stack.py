# SPDX-License-Identifier: GPL-2.0-only
"""The way of a packet through a box: hooks, tables, conntrack, NAT, routing, what it answers.

Source: net/ipv4/ip_input.c, ip_forward.c and ip_output.c with their IPv6 twins; enum
nf_ip_hook_priorities; net/netfilter/nf_nat_core.c, nf_nat_inet_fn(); Linux 6.18 and 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple, cast

from ctlint.ir.rule import Match, Target
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.core import NO_TEMPLATE, NotModelledError, Tracked, Tracker
from ctlint.model.conntrack.log import LogLine
from ctlint.model.conntrack.status import CtInfo, CtState, Dir, TcpCt
from ctlint.model.conntrack.status import Verdict as CtVerdict
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.host import LOOPBACK, AddressType, Host
from ctlint.model.netfilter.matches.named import make_named
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.nat import MANIP, Draw, Nat, lowest
from ctlint.model.netfilter.nat_targets import UndecidedBindingError, binding_of
from ctlint.model.netfilter.reject import (
    DEFAULT_REJECT,
    ICMP_ERRORS,
    TCP_RESET,
    TIME_EXCEEDED,
    IcmpError,
    checksum_holds,
    error_for,
    reset_for,
)
from ctlint.model.netfilter.transit import EntryView, Facts, Transit
from ctlint.model.netfilter.traverse import Open, Outcome, Verdict, Walk, walk
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

_TABLES: Final[Mapping[Hook, tuple[str, ...]]] = {
    Hook.PREROUTING: ("raw", "conntrack", "mangle", "nat"),
    Hook.LOCAL_IN: ("mangle", "filter", "security", "nat"),
    Hook.FORWARD: ("mangle", "filter", "security"),
    Hook.LOCAL_OUT: ("raw", "conntrack", "mangle", "nat", "filter", "security"),
    Hook.POSTROUTING: ("mangle", "nat"),
}
"""Who is asked at each hook, in order; conntrack's confirmation is the last of all."""

_CONFIRMING: Final = frozenset({Hook.LOCAL_IN, Hook.POSTROUTING})
_NFT_LOCAL_IN: Final = ("mangle", "filter", "nat", "security")
"""iptables-nft gives the table security the priority 150, behind nat (nft.c of iptables 1.8.11)."""

_SHOWN_AT_ONCE: Final = frozenset({Hook.LOCAL_IN, Hook.FORWARD})
_HAS_OUT: Final = frozenset({Hook.FORWARD, Hook.LOCAL_OUT, Hook.POSTROUTING})
_OPENING: Final = frozenset({CtInfo.NEW, CtInfo.RELATED, CtInfo.RELATED_REPLY})
_ESTABLISHED: Final = frozenset({CtInfo.ESTABLISHED, CtInfo.ESTABLISHED_REPLY})
_RELATED: Final = frozenset({CtInfo.RELATED, CtInfo.RELATED_REPLY})


class Emitted(NamedTuple):
    """A packet that came out of the box. ``is_same``: it is the one that went in."""

    interface: str
    packet: Packet
    is_same: bool


class Passage:
    """What became of a packet.

    ``ctstates`` holds what the first table behind conntrack sees at each hook. ``matched`` names
    the rules as in docs/scenario.md, ``made_matched`` those that the box's answers met.
    ``arrived`` is the packet as a socket of the box would get it. ``cause`` is what stopped it,
    None where no rule did. ``open`` are matches that leave its fate undecided, ``unsure`` those
    that leave only ``matched`` so.
    """

    __slots__ = (
        "arrived",
        "cause",
        "ctstates",
        "log",
        "made_matched",
        "matched",
        "open",
        "out",
        "unsure",
    )

    def __init__(self, ctstates: dict[Hook, CtState], matched: list[str]) -> None:
        self.ctstates = ctstates
        self.matched = matched
        self.made_matched: list[str] = []
        self.arrived: Packet | None = None
        self.out: list[Emitted] = []
        self.log: list[LogLine] = []
        self.cause: Outcome | None = None
        self.open: list[Open] = []
        self.unsure: list[Open] = []

    @property
    def is_delivered(self) -> bool:
        """Whether it came out, or reached a socket of the box."""
        return self.arrived is not None or any(emitted.is_same for emitted in self.out)


class _Course(NamedTuple):
    """The way that packets of one direction of a connection take while they fare alike.

    ``ends`` are their addresses and ports as they leave, ``interface`` is where; empty where the
    box itself gets them, None where ``cause`` stops them.
    """

    ctstates: dict[Hook, CtState]
    matched: list[str]
    ends: tuple[int, int, int, int | None, int | None]
    hops: int
    interface: str | None
    cause: Outcome | None


_CourseKey = tuple[bool, str, int | None]
"""Whether it is the reply direction, the interface, and the flags where rules ask for them."""


def _follow(course: _Course, packet: Packet, tracked: Tracked) -> Passage:
    """Take a way that is known."""
    passage = Passage(course.ctstates, course.matched)
    if tracked.log:
        passage.log += tracked.log
    interface = course.interface
    if interface is None:
        passage.cause = course.cause
        return passage
    after = _make(
        Packet,
        packet[:1]
        + course.ends
        + packet[_FLAGS:_TTL]
        + (packet.ttl - course.hops,)
        + packet[_TTL + 1 :],
    )
    if interface:
        passage.out.append(Emitted(interface, after, True))
    else:
        passage.arrived = after
    return passage


_make = tuple.__new__
_FLAGS: Final = Packet._fields.index("flags")
_TTL: Final = Packet._fields.index("ttl")
_BEHIND_TTL: Final = _TTL + 1


def _counts_traffic(ruleset: Ruleset) -> bool:
    """Whether a rule asks for what a connection has carried."""
    return any(
        isinstance(match, Match) and match.name == "connbytes"
        for *_, rule in ruleset.rules()
        for match in rule.matches
    )


class _UndecidedError(Exception):
    """The packet's way is open from here on."""


class _Traveller:
    """A packet under way (`struct sk_buff`). ``tracked`` is what conntrack made of it, ``early``
    what it made of it before anybody was asked: where no rule comes before conntrack. ``route`` is
    the interface by which the box's own packet leaves.
    """

    __slots__ = ("early", "is_same", "route", "tracked", "transit")

    def __init__(self, transit: Transit, tracked: Tracked | None, *, is_same: bool) -> None:
        self.transit = transit
        self.tracked = tracked
        self.is_same = is_same
        self.early: Tracked | None = None
        self.route = ""


class Stack:
    """A box with its rules, connections and addresses. ``draw`` chooses ports where the kernel
    would by lot; ``lots`` does for rules, whose decision is open without it.

    Raises NotModelledError, EndlessWalkError.
    """

    def __init__(
        self,
        tracker: Tracker,
        rulesets: Mapping[Family, Ruleset],
        host: Host,
        *,
        facts: Facts,
        memory: Memory,
        draw: Draw = lowest,
        lots: Draw | None = None,
    ) -> None:
        self.box = Box(host, tracker, memory, lots=lots)
        self._tracker = tracker
        self._host = host
        self._nat = Nat(tracker, draw)
        self._chains = {family: ChainStore(ruleset, facts) for family, ruleset in rulesets.items()}
        self._stops: dict[tuple[int, Hook], tuple[str, ...]] = {}
        for family in Family:
            tables = rulesets[family].tables if family in rulesets else {}
            is_nft = family in rulesets and rulesets[family].is_nft
            for hook, order in _TABLES.items():
                names = _NFT_LOCAL_IN if is_nft and hook is Hook.LOCAL_IN else order
                self._stops[family, hook] = tuple(
                    name for name in names if name == "conntrack" or name in tables
                )
        self._without_raw = frozenset(
            family for family in Family if "raw" not in self._stops[family, Hook.PREROUTING]
        )
        for ruleset in rulesets.values():
            make_named(memory, ruleset)
            if _counts_traffic(ruleset):
                tracker.account()
        self._passage = Passage({}, [])
        self._is_steady = False
        self._reads_flags = False

    # ---- ways

    def receive(self, packet: Packet, interface: str, now: Micros) -> Passage:
        """A packet comes in by an interface."""
        self.box.now = now
        early: Tracked | None = None
        if packet.family in self._without_raw:
            # Nobody is asked before conntrack.
            early = self._tracker.nf_conntrack_in(packet, now)
            entry = early.entry
            if entry is not None and entry.extension is not None and packet.ttl > 1:
                is_reply = early.ctinfo is CtInfo.ESTABLISHED_REPLY
                if is_reply or early.ctinfo is CtInfo.ESTABLISHED:
                    courses = cast("dict[_CourseKey, _Course]", entry.extension)
                    course = courses.get((is_reply, interface, None))
                    if course is None and packet.flags is not None:
                        course = courses.get((is_reply, interface, int(packet.flags)))
                    if course is not None:
                        return _follow(course, packet, early)
        traveller = _Traveller(
            Transit(packet, CtState.INVALID, interface, box=self.box), None, is_same=True
        )
        traveller.early = early
        passage = self._passage = Passage({}, [])
        self._is_steady = True
        self._reads_flags = False
        try:
            self._receive(traveller)
        except _UndecidedError:
            self._is_steady = False
        if self._is_steady:
            self._keep_course(traveller, packet, interface)
        return passage

    def send(self, packet: Packet, now: Micros) -> Passage:
        """A socket of the box sends a packet."""
        self.box.now = now
        transit = Transit(packet, CtState.INVALID, box=self.box, is_own=True)
        traveller = _Traveller(transit, None, is_same=True)
        passage = self._passage = Passage({}, [])
        with suppress(_UndecidedError):
            self._send(traveller)
        return passage

    def _keep_course(self, traveller: _Traveller, before: Packet, interface: str) -> None:
        """Remember the way of a packet whose like will fare alike: of an open connection, asked
        for nothing but what stands in its headers.
        """
        tracked, passage = traveller.tracked, self._passage
        if tracked is None or tracked.entry is None or tracked.ctinfo not in _ESTABLISHED:
            return
        if before.protocol not in (TCP, UDP) or passage.unsure:
            return
        if passage.arrived is not None:
            out: str | None = ""
        elif passage.out:
            out = passage.out[0].interface
        elif passage.cause is not None:
            out = None
        else:
            return
        after = traveller.transit.packet
        course = _Course(
            passage.ctstates,
            passage.matched,
            (after.saddr, after.daddr, after.protocol, after.sport, after.dport),
            before.ttl - after.ttl,
            out,
            passage.cause,
        )
        entry = tracked.entry
        courses = cast("dict[_CourseKey, _Course] | None", entry.extension)
        if courses is None:
            entry.extension = courses = {}
        is_reply = tracked.ctinfo is CtInfo.ESTABLISHED_REPLY
        flags = None if before.flags is None or not self._reads_flags else int(before.flags)
        courses[is_reply, interface, flags] = course

    def _receive(self, traveller: _Traveller) -> None:
        transit = traveller.transit
        daddr = transit.packet.daddr
        if not self._pass(traveller, Hook.PREROUTING):
            return
        packet = transit.packet
        family = packet.family
        came_over_lo = transit.in_interface == LOOPBACK
        if not came_over_lo and self._is_martian(packet):
            return
        kind = self._host.address_type(packet.daddr, family)
        if kind in (AddressType.BROADCAST, AddressType.MULTICAST):
            raise NotModelledError(f"routing to {format_address(family, packet.daddr)}")
        # Over lo a packet keeps its route, unless its destination was rewritten.
        if (came_over_lo and daddr == packet.daddr) or kind is AddressType.LOCAL:
            if self._pass(traveller, Hook.LOCAL_IN) and traveller.is_same:
                self._passage.arrived = transit.packet
            return
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
        """Whether routing drops what comes in from outside: port of ip_route_input_slow() and
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
        self._passage.out.append(Emitted(interface, transit.packet, traveller.is_same))

    # ---- hooks

    def _pass(self, traveller: _Traveller, hook: Hook) -> bool:
        """Ask all who are registered at a hook. Tells whether the packet goes on."""
        transit = traveller.transit
        transit.hook = hook
        out_interface = transit.out_interface
        if hook not in _HAS_OUT:
            transit.out_interface = ""
        if traveller.tracked is not None:
            self._show(traveller)
            if traveller.is_same and hook in _SHOWN_AT_ONCE:
                self._passage.ctstates.setdefault(hook, transit.ctstate)
        for table in self._stops[transit.packet.family, hook]:
            if table == "conntrack":
                goes_on = self._track(traveller, hook)
            elif table == "nat":
                goes_on = self._translate(traveller, hook)
            else:
                goes_on = self._ask(traveller, table, hook)
            if not goes_on:
                return False
        if hook in _CONFIRMING:
            tracked = traveller.tracked
            if tracked is not None and (
                self._tracker.nf_conntrack_confirm(tracked, self.box.now) is CtVerdict.DROP
            ):
                return False
        if hook not in _HAS_OUT:
            transit.out_interface = out_interface
        return True

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
                self._passage.log += tracked.log
            if tracked.verdict is CtVerdict.DROP:
                return False
            self._show(traveller)
        if traveller.is_same:
            self._passage.ctstates.setdefault(hook, transit.ctstate)
        return True

    def _ask(self, traveller: _Traveller, table: str, hook: Hook) -> bool:
        transit = traveller.transit
        result = walk(self._chains[transit.packet.family], table, hook.value, transit)
        outcome = self._settled(traveller, result)
        if outcome is None or outcome.verdict is Verdict.ACCEPT:
            return True
        if traveller.is_same:
            self._passage.cause = outcome
        if outcome.verdict is Verdict.REJECT:
            self._reject(traveller, outcome)
        return False

    def _settled(self, traveller: _Traveller, result: Walk) -> Outcome | None:
        """The one outcome of a walk. Raises _UndecidedError where it may have several."""
        passage = self._passage
        if not result.is_steady:
            self._is_steady = False
        if result.reads_flags:
            self._reads_flags = True
        (passage.matched if traveller.is_same else passage.made_matched).extend(result.matched)
        passage.unsure += result.unsure
        outcomes = result.outcomes
        if not outcomes:
            passage.unsure += result.open
            return None
        if len(outcomes) > 1:
            verdicts = result.verdicts()
            agree = verdicts <= {Verdict.ACCEPT} or verdicts <= {Verdict.DROP}
            if result.translated or not agree:
                passage.open += result.open
                raise _UndecidedError
            passage.unsure += result.open
        elif outcomes[0].verdict is Verdict.ELSEWHERE:
            passage.open += result.open
            raise _UndecidedError
        else:
            # Whatever they say, it ends in the same way.
            passage.unsure += result.open
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
        if hook is Hook.LOCAL_OUT and transit.packet.daddr != before.daddr:
            after = transit.packet
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
                self._passage.cause = outcome
            return False
        if not result.translated:
            return True
        target = result.translated[-1].rule.target
        assert isinstance(target, Target)
        try:
            binding = binding_of(target, transit)
        except UndecidedBindingError as error:
            self._passage.open.append(Open(result.translated[-1], None, str(error)))
            raise _UndecidedError from None
        if binding is None:
            if traveller.is_same:
                self._passage.cause = outcome
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
        self._send(_Traveller(transit, attached, is_same=False))
