# SPDX-License-Identifier: GPL-2.0-only
"""What NAT makes of one connection: its first packet is sent through the nat tables.

Where a match on the way there is not decided, each of its outcomes is a translation of its own. The
table is taken to hold no other connection, so that ports are free; an address that is not known
(that of an interface) stays unknown to every match that reads it.

Source: net/netfilter/nf_nat_core.c, nf_nat_masquerade.c, nf_nat_redirect.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ctlint.analysis.way import Ends, Way, path_to
from ctlint.ir.rule import AnyMatch, Match, Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.values import AddressRange, NatRange
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState, Dir, EntryStatus
from ctlint.model.conntrack.tuple import Tuple, get_tuple, invert_tuple
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.host import LOOPBACK_ADDRESS
from ctlint.model.netfilter.nat import MANIP, Binding, Manip, Nat
from ctlint.model.netfilter.nat_targets import UndecidedBindingError, bind_to, binding_of
from ctlint.model.netfilter.transit import EntryView, Field, Transit
from ctlint.model.netfilter.traverse import Open as OpenMatch
from ctlint.model.netfilter.traverse import Verdict, Walk, walk
from ctlint.wire.addresses import Net
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags

MOST_TRANSLATIONS: Final = 16
"""Translations of one connection that are followed, where matches leave several."""

_ASKED: Final = frozenset({"raw", "mangle", "nat"})
_NAT: Final = int(EntryStatus.SRC_NAT | EntryStatus.DST_NAT)
_BY_LOT: Final = "the port is drawn by lot"


class Bound(NamedTuple):
    """One end of a connection as a rule rewrites it. ``address`` and ``port`` are None where they
    are not known, and the port where the protocol has none; ``whose`` says what the address is
    then. ``choice`` is the range of which the kernel has taken the address.
    """

    ref: RuleRef
    hook: Hook
    manip: Manip
    own: tuple[int, int | None]
    address: int | None
    port: int | None
    whose: str = ""
    choice: AddressRange | None = None


class Unfollowed(NamedTuple):
    """A rule that rewrites the packet to what is not known."""

    ref: RuleRef
    hook: Hook
    why: str


class Translation:
    """One way in which a connection may be translated: its entry, and by which rules.

    ``path`` is the first packet's, behind its rewritten destination. ``counts`` holds how many ways
    there were at each nat table that it met, ``open`` the matches that left several.
    """

    def __init__(self, first: Packet, path: Path, kernel: KernelProfile) -> None:
        key = get_tuple(first)
        original = Tuple(*key)
        self.entry = Entry(original, invert_tuple(key) or original)
        self.first = first
        self.path = path
        self.bounds: list[Bound] = []
        self.counts: list[int] = []
        self.unfollowed: Unfollowed | None = None
        self.open: list[OpenMatch] = []
        self._stages: dict[Hook, tuple[Tuple, int]] = {}
        self._nat = Nat(Tracker(kernel, read_settings(kernel, {})), self._draw)
        self._was_drawn = False

    def _draw(self, low: int, high: int) -> int:
        del high
        self._was_drawn = True
        return low

    def bind(self, ref: RuleRef, hook: Hook, transit: Transit) -> None:
        """Bind the connection as a rule says; see nf_nat_setup_info."""
        target = ref.rule.target
        assert isinstance(target, Target)
        try:
            binding, whose = _binding(target, transit)
        except UndecidedBindingError as error:
            self.unfollowed = Unfollowed(ref, hook, str(error))
            return
        manip = MANIP[hook]
        packet = transit.packet
        own = (packet.saddr, packet.sport) if manip is Manip.SRC else (packet.daddr, packet.dport)
        self._was_drawn = False
        self._nat.nf_nat_setup_info(self.entry, binding, manip, 0)
        if whose and self.path is Path.FORWARD:
            # A packet that is forwarded has no address of this host.
            self.entry.status |= manip.status
        new = self._nat.nf_nat_packet(self.entry, Dir.ORIGINAL, manip, packet)
        address, port = (new.saddr, new.sport) if manip is Manip.SRC else (new.daddr, new.dport)
        choice = None
        if binding.low is not None and binding.high is not None and binding.low != binding.high:
            choice = AddressRange(packet.family, binding.low, binding.high)
        self.bounds.append(
            Bound(
                ref,
                hook,
                manip,
                own,
                None if whose else address,
                None if self._was_drawn else port,
                whose,
                choice,
            )
        )
        if manip is Manip.DST and (address != packet.daddr or target.name == "REDIRECT"):
            is_redirect = target.name == "REDIRECT"
            self.path = path_to(address, packet.family, self.path, is_redirect=is_redirect)

    @property
    def turn(self) -> Hook | None:
        """The hook where the destination is rewritten; None where it stays."""
        return next((one.hook for one in self.bounds if one.manip is Manip.DST), None)

    def bound(self, direction: Dir, manip: Manip) -> Bound | None:
        """What rewrites that end of a packet of a direction."""
        wanted = manip if direction is Dir.ORIGINAL else Manip(1 - manip)
        return next((one for one in self.bounds if one.manip is wanted), None)

    def view(self, direction: Dir, status: EntryStatus) -> EntryView:
        """What rules see of the entry behind its first packet, as one of that age."""
        return self._view(direction, status, self.entry.reply, self.entry.status)

    def view_at_first(self) -> EntryView:
        """What rules see of the entry before its first packet comes to a nat table."""
        original = self.entry.original
        return self._view(Dir.ORIGINAL, EntryStatus(0), invert_tuple(original) or original, 0)

    def view_behind(self, hook: Hook, before: EntryView) -> EntryView:
        """What rules see of it when the first packet has passed the nat table of a hook."""
        if hook not in self._stages:
            return before
        return self._view(before.direction, before.entry.status, *self._stages[hook])

    def _view(self, direction: Dir, status: int, reply: Tuple, nat: int) -> EntryView:
        entry = Entry(self.entry.original, reply)
        entry.status = int(status) | nat & _NAT
        return EntryView(direction, entry)

    def pass_nat(self, hook: Hook) -> None:
        """Note what the entry is behind the nat table of a hook."""
        self._stages[hook] = (self.entry.reply, self.entry.status)

    def as_sent(self, answer: Packet) -> Packet:
        """A packet of the reply direction as the other end sends it."""
        reply = self.entry.reply
        if answer.sport is None:
            return answer._replace(saddr=reply.saddr, daddr=reply.daddr)
        return answer._replace(
            saddr=reply.saddr, sport=reply.sport, daddr=reply.daddr, dport=reply.dport
        )

    def translate(self, packet: Packet, direction: Dir, manip: Manip, *, is_error: bool) -> Packet:
        """A packet behind the nat table of a hook."""
        if is_error:
            found = self._nat.nf_nat_icmp_reply_translation(self.entry, direction, manip, packet)
            return packet if found is None else found
        return self._nat.nf_nat_packet(self.entry, direction, manip, packet)

    def unknown(self, direction: Dir, done: frozenset[Manip]) -> Mapping[Field, str]:
        """What is not known of a packet that has passed these manips, and why."""
        found: dict[Field, str] = {}
        for manip in Manip:
            is_done = manip in done
            if is_done is not (direction is Dir.ORIGINAL):
                continue
            bound = self.bound(direction, manip)
            if bound is None:
                continue
            is_source = manip is Manip.SRC
            if bound.whose:
                why = f"{bound.whose} is not known"
                found[Field.SADDR if is_source else Field.DADDR] = why
            if bound.port is None and bound.own[1] is not None:
                found[Field.SPORT if is_source else Field.DPORT] = _BY_LOT
            if direction is Dir.REPLY and not is_source:
                found[Field.ADDRESS_TYPE] = "which addresses are this host's is not known"
        return found


def translations(
    chains: ChainStore, first: Packet, ends: Ends, mark: int, kernel: KernelProfile
) -> tuple[list[Translation], bool]:
    """Every way in which the connection of a first packet may be translated, one where all is
    decided; and whether these are all.
    """
    found: list[Translation] = []
    pending: list[tuple[int, ...]] = [()]
    while pending and len(found) < MOST_TRANSLATIONS:
        choices = pending.pop()
        one = _translation(chains, first, ends, mark, kernel, choices)
        found.append(one)
        for at in range(len(choices), len(one.counts)):
            straight = choices + (0,) * (at - len(choices))
            pending += ((*straight, other) for other in range(one.counts[at] - 1, 0, -1))
    return found, not pending


def _translation(
    chains: ChainStore,
    first: Packet,
    ends: Ends,
    mark: int,
    kernel: KernelProfile,
    choices: Sequence[int],
) -> Translation:
    """Send the first packet through the tables that its translation depends on; of ``choices`` each
    says which way to go at a nat table that leaves several.
    """
    made = Translation(first, ends.path, kernel)
    transit = Transit(first, CtState.INVALID, mark=mark)
    way = Way(ends, is_nft=chains.ruleset.is_nft)
    done: frozenset[Manip] = frozenset()
    for stop in way:
        if stop.table not in _ASKED:
            continue
        hook = transit.hook = stop.hook
        way.show(transit, hook)
        if stop.tracked:
            if transit.ctstate is CtState.UNTRACKED:
                return made
            transit.ctstate = CtState.NEW
            transit.entry = made.view(Dir.ORIGINAL, EntryStatus(0))
        result = Walk()
        if chains.ruleset.chain(stop.table, stop.chain) is not None:
            store = chains.blind(made.unknown(Dir.ORIGINAL, done))
            result = walk(store, stop.table, stop.chain, transit)
        if stop.table != "nat":
            continue
        refs = _ways(result)
        made.open += result.open
        made.counts.append(len(refs))
        at = len(made.counts) - 1
        ref = refs[choices[at] if at < len(choices) else 0]
        done |= {MANIP[hook]}
        if ref is None:
            continue
        made.bind(ref, hook, transit)
        if made.unfollowed is not None:
            return made
        made.pass_nat(hook)
        transit.packet = made.translate(transit.packet, Dir.ORIGINAL, MANIP[hook], is_error=False)
        way.turn(made.path, hook)
    return made


def _ways(result: Walk) -> list[RuleRef | None]:
    """What may translate the packet, each once: None for nothing."""
    found: dict[str, RuleRef | None] = {}
    for verdict, cause, _ in result.outcomes:
        if verdict in (Verdict.DROP, Verdict.REJECT):
            continue
        is_rule = isinstance(cause, RuleRef) and cause in result.translated
        found.setdefault(str(cause) if is_rule else "", cause if is_rule else None)  # type: ignore[arg-type]
    return list(found.values()) or [None]


def _binding(target: Target, transit: Transit) -> tuple[Binding, str]:
    """What a target binds to; of an address that is not known, whose it is. The packet's own then
    stands for it.
    """
    if target.name not in ("MASQUERADE", "REDIRECT"):
        found = binding_of(target, transit)
        assert found is not None
        return found, ""
    packet = transit.packet
    if target.name == "MASQUERADE":
        address, interface = packet.saddr, transit.out_interface or "the outgoing interface"
        whose = f"the address of {interface}"
    elif transit.hook is Hook.LOCAL_OUT:
        address, whose = LOOPBACK_ADDRESS[packet.family], ""
    else:
        address, interface = packet.daddr, transit.in_interface or "the incoming interface"
        whose = f"the address of {interface}"
    return bind_to(target, address), whose


def first_packets_behind(
    chains: ChainStore, answer: Packet
) -> Iterator[tuple[RuleRef, Packet | None]]:
    """The DNAT rules that may have led a connection to the end that answers, each with its first
    packet; None where the rule does not say what its destination was.
    """
    nat = chains.ruleset.tables.get("nat")
    for chain in nat.chains.values() if nat is not None else ():
        for position, rule in enumerate(chain.rules, 1):
            target = rule.target
            if not isinstance(target, Target) or target.name != "DNAT":
                continue
            option = target.get("to-destination")
            if option is None or not _leads_to(option.value, answer):
                continue
            daddr, dport = _asked_destination(rule.matches)
            ref = RuleRef("nat", chain.name, position, rule)
            if daddr is None:
                yield ref, None
                continue
            port = answer.sport if dport is None else dport
            flags = None if answer.flags is None else TcpFlags.SYN
            yield (
                ref,
                Packet(
                    *(answer.family, answer.daddr, daddr, answer.protocol, answer.dport, port),
                    flags=flags,
                ),
            )


def _leads_to(mapped: NatRange, answer: Packet) -> bool:
    if mapped.addresses is None or answer.saddr not in mapped.addresses:
        return False
    return mapped.ports is None or answer.sport in mapped.ports


def _asked_destination(matches: Sequence[AnyMatch]) -> tuple[int | None, int | None]:
    """The one destination that a rule asks for: address and port, None where it has no one."""
    daddr = dport = None
    for match in matches:
        if not isinstance(match, Match):
            continue
        for option in match.options:
            value = option.value
            if option.negated:
                continue
            if option.name == "destination" and isinstance(value, Net) and value.is_host:
                daddr = value.address
            elif option.name == "dport" and value.low == value.high:
                dport = value.low
    return daddr, dport
