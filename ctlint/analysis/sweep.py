# SPDX-License-Identifier: GPL-2.0-only
"""Sends the packets of many connections through the rules at once.

What the rules do to a set of connections is a partition of it: for each rule or policy that may
end a packet's way, the connections whose packet it ends. Where a match is not decided, each part is
told twice: whose packet it may end, and whose it would if undecided matches let packets go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from copy import copy
from typing import Final, NamedTuple

from ctlint.analysis.common import Common
from ctlint.analysis.conditions import OTHER_SIDE, SENDER_SIDE, Asked, Place
from ctlint.analysis.coordinates import (
    LEFT,
    PATHS,
    RIGHT,
    Coordinates,
)
from ctlint.analysis.flows import Condition, Flows, Kindred, add, all_of
from ctlint.analysis.nat_sweep import NatSweep
from ctlint.analysis.outline import Outline
from ctlint.analysis.rewriting import Rewritten, Translated
from ctlint.analysis.swept import AnyOf, Effect, Swept
from ctlint.analysis.table_sweep import TableSweep
from ctlint.analysis.way import ANSWERING, Ends, Way
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.host import LOOPBACK, AddressType
from ctlint.model.netfilter.nat import MANIP, Manip
from ctlint.model.netfilter.ready import Question, ReadyChain, ReadyRule
from ctlint.model.netfilter.transit import EntryView, Transit, confirmed
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP

MAX_RULES: Final = 400_000
"""Rules that all sweeps of a role may ask: a bound on time. One that is asked by itself counts as
four that are asked together.
"""
MAX_NAT_RULES: Final = 3_000
"""A table nat with more is large."""
MAX_TRANSLATED: Final = 256
"""Ways in which NAT translates connections; further ones are not followed."""


class Sweeper:
    """Sweeps of one role. Raises TooLargeError and EndlessWalkError, as all its methods do."""

    def __init__(
        self, chains: ChainStore, coordinates: Coordinates, common: Common | None = None
    ) -> None:
        space = coordinates.space
        self.chains = chains
        self.coordinates = coordinates
        self.space = space
        self.nothing = Condition(space.nothing, space.nothing)
        self.everything = Condition(space.everything, space.everything)
        self.unknown = Condition(space.nothing, space.everything)
        nat = chains.ruleset.tables.get("nat")
        self.has_much_nat = nat is not None and nat.rule_count > MAX_NAT_RULES
        self.rules = 0
        self._known: dict[tuple[object, ...], list[_Sent]] = {}
        self._translated: dict[tuple[object, ...], Translated] = {}
        self.common = common or Common(chains)
        self.taken_for_another: dict[int, RuleRef] = {}
        """DNAT rules whose address is taken for another host's, though it may be this one's."""
        self._held: dict[tuple[Effect, Question], bool] = {}
        self.used: list[tuple[Effect, Question]] = []
        self.effects: dict[tuple[object, ...], Effect] = {}
        self.alike: dict[tuple[object, ...], list[Effect]] = {}
        self.runs: dict[ReadyChain, Sequence[Sequence[ReadyRule]]] = {}
        self.joined: dict[tuple[object, ...], list[AnyOf]] = {}
        self.compiled: dict[tuple[object, ...], dict[int, PacketSet | None]] = self.common.compiled
        self.asked: dict[tuple[object, ...], dict[int, Asked]] = self.common.asked
        self._original: Sweeper | None = None
        self._same: Collection[tuple[str, str]] = ()
        self._within: dict[tuple[PacketSet, PacketSet], bool] = {}
        self._outlines: dict[PacketSet, Outline] = {}
        self._among: PacketSet = space.nothing
        """The connections of which it is asked now."""

    def over(self, chains: ChainStore) -> Sweeper:
        """Sweeps of the same connections through chains that differ from these in few: what the
        others do is known already. The chains are those of ChainStore.altered().
        """
        other = Sweeper(chains, self.coordinates)
        other._original = self
        other._same = self.chains.untouched(chains.ruleset)
        other.compiled = {key: dict(sets) for key, sets in self.compiled.items()}
        other.runs = dict(self.runs)
        other.joined = {key: list(known) for key, known in self.joined.items()}
        return other

    def keeper(self, table: str, chain: str) -> Sweeper:
        """Who keeps what a chain does: of one that did not change, the sweeper of the others."""
        original = self._original
        return original if original is not None and (table, chain) in self._same else self

    def send(self, packets: Kindred, start: Flows) -> Swept:
        """Send the packets of connections along their paths."""
        kind = packets[:1] + packets[2:3] + packets[4:]
        known = self._known.setdefault(kind, [])
        for sent in known:
            if sent.start == start and self._fare_alike(packets, sent):
                return sent.swept
        self.used = []
        swept = self._send(packets, start)
        known.append(_Sent(packets, start, self.used, swept))
        return swept

    def send_anew(self, packets: Kindred, start: Flows) -> Swept:
        """The same without a look at what is known of others."""
        self.used = []
        return self._send(packets, start)

    def _fare_alike(self, packets: Kindred, sent: _Sent) -> bool:
        """Whether no rule tells packets with these flags from those that were sent."""
        one, other = packets.entry, sent.packets.entry
        if one is not None and other is not None:
            if one.entry.status != other.entry.status:
                return False
        elif one is not other:
            return False
        flags = int(packets.flags)
        return all(self.holds(each, asked._replace(flags=flags)) for each, asked in sent.used)

    def holds(self, effect: Effect, question: Question) -> bool:
        """Whether the chain and those that it calls do the same where this is asked."""
        key = effect, question
        found = self._held.get(key)
        if found is None:
            specialise = self.chains.specialise
            found = self._held[key] = all(
                specialise(each.table, each.name, question) is each for each in effect.entered
            ) and all(self.holds(each, question) for each in effect.calls)
        return found

    def is_within(self, some: PacketSet, others: PacketSet) -> bool:
        """Whether all of some are among others."""
        if some is others or others is self.space.everything:
            return True
        key = some, others
        found = self._within.get(key)
        if found is None:
            found = self._within[key] = (some - others).is_empty()
        return found

    def outline(self, packets: PacketSet) -> Outline:
        """What packets have in each part."""
        if packets not in self._outlines:
            self._outlines[packets] = Outline(packets)
        return self._outlines[packets]

    def translate(
        self, before: Translated | None, rewritten: Rewritten, path: Path
    ) -> Translated | None:
        """How connections are translated behind another rule; None where they are too many ways."""
        wide = self.common.joint.widened(rewritten)
        rule = id(rewritten.ref.rule) if wide is None else id(self.common.joint)
        stays = rewritten.addresses is None
        key = id(before), rule, rewritten.hook, path, stays
        if key not in self._translated:
            if len(self._translated) >= MAX_TRANSLATED:
                return None
            source = None if before is None else before.source
            destination = None if before is None else before.destination
            if rewritten.manip is Manip.DST:
                destination = wide or rewritten
            else:
                source = wide or rewritten
            self._translated[key] = Translated(source, destination, path)
        found = self._translated[key]
        if wide is not None and rewritten.ref not in found.rules:
            found.alike[id(rewritten.ref.rule)] = rewritten.ref
        return found

    def _send(self, packets: Kindred, start: Flows) -> Swept:
        swept = Swept(self.space)
        self._among = all_of(start, self.space.nothing).possible
        for way, flows in self._begin(packets, start):
            self._follow(way, packets, packets.entry, frozenset(), flows, swept)
        return swept

    def _begin(self, packets: Kindred, start: Flows) -> Iterator[tuple[Way, Flows]]:
        """Flows by the path that they are on at first: the server answers along another where the
        client's packets were led to another.
        """
        usual = PATHS[self.coordinates.role]
        by_path: dict[Path, Flows] = {}
        for key, each in start.items():
            path = usual[packets.sender]
            if key.translated is not None and packets.sender is Dir.REPLY:
                path = ANSWERING[key.translated.path]
            by_path.setdefault(path, {})[key] = each
        for path, flows in by_path.items():
            yield Way(_ends_of(path), is_nft=self.chains.ruleset.is_nft), flows

    def _follow(
        self,
        way: Way,
        packets: Kindred,
        entry: EntryView | None,
        done: frozenset[Manip],
        flows: Flows,
        swept: Swept,
    ) -> None:
        """Send packets along the rest of a way. What NAT has rewritten in them is ``done``."""
        for stop in way:
            hook = stop.hook
            transit = Transit(_packet(self.coordinates.family, packets), CtState.INVALID)
            way.show(transit, hook)
            is_late = way.ends.path is Path.LOOPBACK and hook is Hook.POSTROUTING
            if is_late and entry is not None:
                # Whoever sees the packet after this hook sees a confirmed entry.
                entry = confirmed(entry)
            if self.chains.ruleset.chain(stop.table, stop.chain) is not None:
                at = Place(stop, way.ends.path, done)
                flows = self._ask(at, packets, entry, transit, flows, swept)
            if not flows:
                return
            if stop.table == "nat":
                done |= {MANIP[hook]}
                if packets.sender is Dir.ORIGINAL and MANIP[hook] is Manip.DST:
                    for path, turned in self._turned(way.ends.path, flows).items():
                        other = copy(way)
                        other.turn(path, hook)
                        self._follow(other, packets, entry, done, turned, swept)
                        flows = {key: each for key, each in flows.items() if key not in turned}
        for key, each in flows.items():
            add(swept.passed, key, each)

    def _turned(self, path: Path, flows: Flows) -> dict[Path, Flows]:
        """The flows whose new destination leads them to another path."""
        found: dict[Path, Flows] = {}
        for key, each in flows.items():
            if key.translated is not None and key.translated.path is not path:
                found.setdefault(key.translated.path, {})[key] = each
        return found

    def _ask(
        self,
        at: Place,
        packets: Kindred,
        entry: EntryView | None,
        transit: Transit,
        flows: Flows,
        swept: Swept,
    ) -> Flows:
        """One table. Packets whose header or ctstate rules see otherwise go one by one."""
        left: Flows = {}
        stop = at.stop
        groups: dict[tuple[bool, Translated | None], Flows] = {}
        for key, each in flows.items():
            groups.setdefault((key.is_untracked, key.translated), {})[key] = each
        for (is_untracked, translated), some in groups.items():
            transit.ctstate = CtState.INVALID
            transit.entry = None
            if stop.tracked:
                transit.ctstate = CtState.UNTRACKED if is_untracked else packets.ctstate
                transit.entry = None if is_untracked else _with_nat(entry, translated)
            if stop.table == "nat" and transit.ctstate is not CtState.NEW:
                passed = some
            else:
                kind = NatSweep if stop.table == "nat" else TableSweep
                passed = kind(self, at, packets, transit, swept, translated, self._among).run(some)
            for key, each in passed.items():
                # A template is conntrack's: what it makes of it is known from its entry.
                add(left, key._replace(has_template=False), each)
        return left

    def spend(self, rules: int = 1) -> None:
        """Counts rules. Raises TooLargeError where they are too many."""
        self.rules += rules
        if self.rules > MAX_RULES:
            raise TooLargeError


def _with_nat(view: EntryView | None, translated: Translated | None) -> EntryView | None:
    """The entry with what NAT has noted in it so far."""
    if view is None or translated is None:
        return view
    entry = Entry(view.entry.original, view.entry.reply)
    entry.status = view.entry.status
    for one in (translated.source, translated.destination):
        if one is not None:
            entry.status |= one.manip.status
    return EntryView(view.direction, entry)


class _Sent(NamedTuple):
    """What became of packets, and the chains that they met."""

    packets: Kindred
    start: Flows
    used: Sequence[tuple[Effect, Question]]
    swept: Swept


def _ends_of(path: Path) -> Ends:
    """The ends of a path, with names that stand for any interface."""
    local, unicast = AddressType.LOCAL, AddressType.UNICAST
    if path is Path.LOOPBACK:
        return Ends(path, LOOPBACK, LOOPBACK, local, local)
    if path is Path.FORWARD:
        return Ends(path, SENDER_SIDE, OTHER_SIDE, unicast, unicast)
    if path is Path.OUT:
        return Ends(path, "", OTHER_SIDE, local, unicast)
    # It leaves by some interface where NAT gives it another destination.
    return Ends(path, SENDER_SIDE, OTHER_SIDE, unicast, local)


def _packet(family: Family, packets: Kindred) -> Packet:
    """A packet whose addresses and ports say nothing but that they are those of hosts."""
    return Packet(family, LEFT[family], RIGHT[family], TCP, 0, 0, packets.flags)
