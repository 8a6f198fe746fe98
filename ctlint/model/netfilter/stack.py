# SPDX-License-Identifier: GPL-2.0-only
"""The way of a packet through a box: hooks, tables, conntrack, NAT, routing, what it answers.

Source: net/ipv4/ip_input.c, ip_forward.c and ip_output.c with their IPv6 twins; enum
nf_ip_hook_priorities; net/netfilter/nf_nat_core.c, nf_nat_inet_fn(); Linux 6.18 and 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ctlint.ir.rule import Target
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.core import NO_TEMPLATE, NotModelledError, Tracked, Tracker
from ctlint.model.conntrack.log import LogLine
from ctlint.model.conntrack.status import CtInfo, CtState, Dir, TcpCt
from ctlint.model.conntrack.status import Verdict as CtVerdict
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.host import LOOPBACK, AddressType, Host
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.nat import MANIP, Draw, Nat, lowest
from ctlint.model.netfilter.nat_targets import UndecidedBindingError, binding_of
from ctlint.model.netfilter.reject import (
    DEFAULT_REJECT,
    ICMP_ERRORS,
    TCP_RESET,
    TIME_EXCEEDED,
    error_for,
    reset_for,
)
from ctlint.model.netfilter.transit import EntryView, Facts, Transit
from ctlint.model.netfilter.traverse import Open, Outcome, Verdict, Walk, walk
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP

_TABLES: Final[Mapping[Hook, tuple[str, ...]]] = {
    Hook.PREROUTING: ("raw", "conntrack", "mangle", "nat"),
    Hook.LOCAL_IN: ("mangle", "filter", "security", "nat"),
    Hook.FORWARD: ("mangle", "filter", "security"),
    Hook.LOCAL_OUT: ("raw", "conntrack", "mangle", "nat", "filter", "security"),
    Hook.POSTROUTING: ("mangle", "nat"),
}
"""Who is asked at each hook, in order; conntrack's confirmation is the last of all."""

_CONFIRMING: Final = frozenset({Hook.LOCAL_IN, Hook.POSTROUTING})
_HAS_OUT: Final = frozenset({Hook.FORWARD, Hook.LOCAL_OUT, Hook.POSTROUTING})
_OPENING: Final = frozenset({CtInfo.NEW, CtInfo.RELATED, CtInfo.RELATED_REPLY})
_RELATED: Final = frozenset({CtInfo.RELATED, CtInfo.RELATED_REPLY})


class Emitted(NamedTuple):
    """A packet that came out of the box. ``is_same``: it is the one that went in."""

    interface: str
    packet: Packet
    is_same: bool


@dataclass(slots=True)
class Passage:
    """What became of a packet.

    ``ctstates`` holds what the first table behind conntrack sees at each hook. ``matched`` names
    the rules as in docs/scenario.md, ``made_matched`` those that the box's answers met.
    ``arrived`` is the packet as a socket of the box would get it. ``cause`` is what stopped it,
    None where no rule did. ``open`` are matches that leave its fate undecided, ``unsure`` those
    that leave only ``matched`` so.
    """

    ctstates: dict[Hook, CtState] = field(default_factory=dict)
    matched: list[str] = field(default_factory=list)
    made_matched: list[str] = field(default_factory=list)
    arrived: Packet | None = None
    out: list[Emitted] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list)
    cause: Outcome | None = None
    open: list[Open] = field(default_factory=list)
    unsure: list[Open] = field(default_factory=list)

    @property
    def is_delivered(self) -> bool:
        """Whether it came out, or reached a socket of the box."""
        return self.arrived is not None or any(emitted.is_same for emitted in self.out)


class _UndecidedError(Exception):
    """The packet's way is open from here on."""


class _Traveller:
    """A packet under way (`struct sk_buff`). ``tracked`` is what conntrack made of it."""

    __slots__ = ("is_same", "tracked", "transit")

    def __init__(self, transit: Transit, tracked: Tracked | None, *, is_same: bool) -> None:
        self.transit = transit
        self.tracked = tracked
        self.is_same = is_same


class Stack:
    """A box with its rules, connections and addresses. ``draw`` chooses ports where the kernel
    would by lot.

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
    ) -> None:
        self.box = Box(host, tracker, memory)
        self._tracker = tracker
        self._host = host
        self._nat = Nat(tracker, draw)
        self._chains = {family: ChainStore(ruleset, facts) for family, ruleset in rulesets.items()}
        self._stops: dict[tuple[int, Hook], tuple[str, ...]] = {}
        for family in Family:
            tables = rulesets[family].tables if family in rulesets else {}
            for hook, names in _TABLES.items():
                self._stops[family, hook] = tuple(
                    name for name in names if name == "conntrack" or name in tables
                )
        self._passage = Passage()

    # ---- ways

    def receive(self, packet: Packet, interface: str, now: Micros) -> Passage:
        """A packet comes in by an interface."""
        transit = Transit(packet, CtState.INVALID, interface, box=self.box)
        return self._travel(_Traveller(transit, None, is_same=True), now)

    def send(self, packet: Packet, now: Micros) -> Passage:
        """A socket of the box sends a packet."""
        transit = Transit(packet, CtState.INVALID, box=self.box, is_own=True)
        return self._travel(_Traveller(transit, None, is_same=True), now)

    def _travel(self, traveller: _Traveller, now: Micros) -> Passage:
        self.box.now = now
        passage = self._passage = Passage()
        try:
            if traveller.transit.is_own:
                self._send(traveller)
            else:
                self._receive(traveller)
        except _UndecidedError:
            pass
        tracked = traveller.tracked
        if tracked is not None and tracked.entry is not None and not tracked.entry.is_confirmed:
            self._nat.forget(tracked.entry)
        return passage

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
            error = error_for(packet, TIME_EXCEEDED[family], self._host)
            if error is not None:
                self._answer(traveller, error)
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
        interface = self._host.route(packet.daddr, packet.family)
        if interface is None:
            return
        transit.in_interface = ""
        transit.out_interface = interface
        if self._pass(traveller, Hook.LOCAL_OUT):
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
            transit.is_own = False
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
            if traveller.is_same and hook is not Hook.POSTROUTING:
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
            tracked = self._tracker.nf_conntrack_in(
                transit.packet,
                self.box.now,
                transit.template or NO_TEMPLATE,
                is_received=hook is Hook.PREROUTING,
            )
            traveller.tracked = tracked
            if traveller.is_same:
                self._passage.log += tracked.log
            if tracked.verdict is CtVerdict.DROP:
                return False
            self._show(traveller)
            if traveller.is_same:
                self._passage.ctstates[hook] = transit.ctstate
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
        (passage.matched if traveller.is_same else passage.made_matched).extend(result.matched)
        passage.unsure += result.unsure
        outcomes = result.outcomes
        if not outcomes:
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
            interface = self._host.route(transit.packet.daddr, before.family)
            if interface is None:
                return False
            transit.out_interface = interface
        return True

    def _bind(self, traveller: _Traveller, tracked: Tracked, hook: Hook) -> bool:
        """Let the nat table's rules say what a connection is bound to."""
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
            error = error_for(packet, ICMP_ERRORS[kind], self._host)
            if error is not None:
                self._answer(traveller, error)
            return
        reset = reset_for(packet)
        if reset is None or self._host.route(reset.daddr, reset.family) is None:
            return
        self._set_closing(traveller)
        self._answer(traveller, reset)

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
        transit = Transit(answer, CtState.INVALID, box=self.box)
        tracked = traveller.tracked
        attached: Tracked | None = None
        if tracked is not None and tracked.ctinfo is not None:
            transit.is_tracked = True
            if tracked.entry is not None:
                was_original = tracked.ctinfo.direction is Dir.ORIGINAL
                ctinfo = CtInfo.RELATED_REPLY if was_original else CtInfo.RELATED
                attached = Tracked(tracked.entry, ctinfo, ())
        self._send(_Traveller(transit, attached, is_same=False))
