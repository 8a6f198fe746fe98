# SPDX-License-Identifier: GPL-2.0-only
"""Sends the packets of many connections through the rules at once.

What the rules do to a set of connections is a partition of it: for each rule or policy that may
end a packet's way, the connections whose packet it ends. Where a match is not decided, each part is
told twice: whose packet it may end, and whose it would if undecided matches let packets go on.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import reduce
from itertools import zip_longest
from operator import or_
from typing import Final, NamedTuple, TypeAlias, cast

from ctlint.analysis.coordinates import (
    CLIENT_INTERFACE,
    LEFT,
    PATHS,
    RIGHT,
    SERVER_INTERFACE,
    Coordinates,
    covers,
)
from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.rewriting import Joint, Rewritten, Translated, rewritten
from ctlint.analysis.sight import Sight
from ctlint.analysis.way import ANSWERING, Ends, Way, path_to
from ctlint.headerspace.space import PacketSet, Space, TooLargeError
from ctlint.ir.rule import AnyMatch, Goto, Jump, Match, Option, Rule, Target
from ctlint.ir.values import Range
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore, Question, ReadyChain, ReadyRule, RuleRef
from ctlint.model.netfilter.hooks import Hook, Path, Stop
from ctlint.model.netfilter.host import LOOPBACK, AddressType
from ctlint.model.netfilter.hull import joined
from ctlint.model.netfilter.matches import Predicate, predicates
from ctlint.model.netfilter.nat import MANIP, Manip
from ctlint.model.netfilter.targets import HARMLESS, Action, set_mark, why_elsewhere
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import EntryView, Field, Transit, confirmed
from ctlint.model.netfilter.traverse import EndlessWalkError, Open, PolicyRef
from ctlint.wire.addresses import Family, Hostname, Net
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

MAX_DEPTH: Final = 64
MAX_RULES: Final = 400_000
"""Rules that all sweeps of a role may ask: a bound on time. One that is asked by itself counts as
four that are asked together.
"""
_ALONE: Final = 4
MAX_NAT_RULES: Final = 3_000
"""Of larger tables nat, chains of more than so many rules are not asked rule by rule."""
MAX_NAT_CHAIN: Final = 200
MAX_TRANSLATED: Final = 256
"""Ways in which NAT translates connections; further ones are not followed."""


class Bounds(NamedTuple):
    """A set of connections that is not known exactly: what would be in it if undecided matches let
    packets go on (those of RETURN match, all others do not), and what may be. Both are one object
    where nothing is undecided.
    """

    nominal: PacketSet
    possible: PacketSet

    @property
    def is_exact(self) -> bool:
        """Whether nothing was undecided."""
        return self.nominal is self.possible

    def __or__(self, other: Bounds) -> Bounds:
        possible = self.possible | other.possible
        if self.is_exact and other.is_exact:
            return exactly(possible)
        return Bounds(self.nominal | other.nominal, possible)

    def split(self, condition: Condition, *, takes_open: bool) -> tuple[Bounds, Bounds]:
        """Those that meet a condition and those that do not. ``takes_open``: nominally those meet
        it of which it is not decided.
        """
        possible = self.possible & condition.possible
        if possible.is_empty():
            return exactly(possible), self
        rest = self.possible - condition.certain
        if self.is_exact and condition.certain is condition.possible:
            return exactly(possible), exactly(rest)
        taken = condition.possible if takes_open else condition.certain
        return Bounds(self.nominal & taken, possible), Bounds(self.nominal - taken, rest)

    def among(self, entering: Bounds) -> Bounds:
        """Those of the connections that came to where this is what becomes of all."""
        possible = entering.possible & self.possible
        if self.is_exact and entering.is_exact:
            return exactly(possible)
        return Bounds(entering.nominal & self.nominal, possible)

    def is_empty(self) -> bool:
        """Whether nothing may be in it."""
        return self.possible.is_empty()


def exactly(packets: PacketSet) -> Bounds:
    """A set that is known."""
    return Bounds(packets, packets)


class Condition(NamedTuple):
    """The connections whose packets match for certain, and those whose packets may."""

    certain: PacketSet
    possible: PacketSet

    def __and__(self, other: Condition) -> Condition:
        possible = self.possible & other.possible
        if self.certain is self.possible and other.certain is other.possible:
            return Condition(possible, possible)
        return Condition(self.certain & other.certain, possible)


class Key(NamedTuple):
    """What packets on their way differ in beside their connection: their mark (None: not known),
    whether NOTRACK took them, and how NAT translates their connection.
    """

    mark: int | None = 0
    is_untracked: bool = False
    translated: Translated | None = None


Flows = dict[Key, Bounds]


class Gathered:
    """Flows that grow by many small pieces, which are joined at last."""

    __slots__ = ("_pieces", "_space")

    def __init__(self, space: Space) -> None:
        self._space = space
        self._pieces: dict[Key, list[Bounds]] = {}

    def add(self, key: Key, more: Bounds) -> None:
        """Adds connections to those of a key."""
        self._pieces.setdefault(key, []).append(more)

    def joined(self) -> Flows:
        """All of them."""
        found: Flows = {}
        for key, pieces in self._pieces.items():
            possible = self._space.union(each.possible for each in pieces)
            if all(each.is_exact for each in pieces):
                found[key] = exactly(possible)
            else:
                nominal = self._space.union(each.nominal for each in pieces)
                found[key] = Bounds(nominal, possible)
        return found


def add(flows: Flows | Gathered, key: Key, more: Bounds) -> None:
    """Adds connections to those of a key."""
    if more.is_empty():
        return
    if isinstance(flows, Gathered):
        flows.add(key, more)
    else:
        flows[key] = flows[key] | more if key in flows else more


def all_of(flows: Flows, nothing: PacketSet) -> Bounds:
    """The connections of all keys."""
    found = exactly(nothing)
    for each in flows.values():
        found = found | each
    return found


@dataclass(slots=True)
class Swept:
    """What became of the packets: those that came through, the ends of the others, and those that
    NAT translates in a way that is not followed. ``undecided`` are those of which something else
    decides; they are among the ends too. Those in ``unsure`` may be lost too: by a rule
    that nobody asked for, or for a zone in which they do not find their entry. ``open`` holds what
    leaves the way of packets open, and of which connections. ``met`` are the effects of the base
    chains, with those that came there: what they leave open is not told apart before it is asked.
    """

    space: Space
    passed: Flows = field(default_factory=dict)
    ends: dict[End, tuple[CtState, Bounds]] = field(default_factory=dict)
    translated: dict[RuleRef, Bounds] = field(default_factory=dict)
    undecided: Flows = field(default_factory=dict)
    open: dict[Open, PacketSet] = field(default_factory=dict)
    unsure: list[PacketSet] = field(default_factory=list)
    met: list[tuple[Effect, Bounds]] = field(default_factory=list)

    def left_open(self, known: Container[Open]) -> Iterator[Open]:
        """What leaves the way of a packet open, but for what is known."""
        for item in self.open:
            if item not in known:
                yield item
        for effect, entering in self.met:
            for item, those in effect.swept.open.items():
                if item not in known and not (those & entering.possible).is_empty():
                    yield item

    def elsewhere(self) -> PacketSet:
        """The connections whose packets may not come through, or not for certain."""
        found: PacketSet = self.space.union(self.losses())
        return found

    def losses(self) -> Iterator[PacketSet]:
        """The same in pieces."""
        yield from self.unsure
        for _, bounds in self.ends.values():
            yield bounds.possible
        for bounds in self.translated.values():
            yield bounds.possible

    def with_two_ends(self) -> PacketSet:
        """The connections whose packet may be lost in several ways."""
        if all(bounds.is_exact for _, bounds in self.ends.values()):
            return self.space.nothing
        policies = [
            (bounds.possible, self.space.nothing)
            for end, (_, bounds) in self.ends.items()
            if end.disposition is Disposition.DROPPED_BY_POLICY
        ]
        of_rules = []
        for effect, entering in self.met:
            once, twice = effect.counted()
            of_rules.append((once & entering.possible, twice & entering.possible))
        _, found = counted([*policies, *of_rules], self.space)
        return found

    def end(self, end: End, ctstate: CtState, bounds: Bounds) -> None:
        """Adds connections to those that end so."""
        known = self.ends.get(end)
        self.ends[end] = ctstate, bounds if known is None else known[1] | bounds

    def translate(self, ref: RuleRef, bounds: Bounds) -> None:
        """Adds connections to those that a rule translates."""
        known = self.translated.get(ref)
        self.translated[ref] = bounds if known is None else known | bounds

    def leave_open(self, item: Open, packets: PacketSet) -> None:
        """Adds connections to those of which something leaves open what becomes of them."""
        known = self.open.get(item)
        self.open[item] = packets if known is None else known | packets


class Effect:
    """What a chain does to the packets of all connections that there could be: what it is to some
    is what it does to those of them. ``swept`` has the ends, behind the calls from here on.
    ``calls`` are those of the chains that it calls.
    """

    __slots__ = ("_counted", "accepted", "back", "calls", "name", "ready", "swept")

    def __init__(self, name: str, ready: ReadyChain, swept: Swept) -> None:
        self.name = name
        self.ready = ready
        self.swept = swept
        self.back: Flows = {}
        self.accepted: Flows = {}
        self.calls: dict[Effect, None] = {}
        self._counted: Counted | None = None

    def is_plain(self, key: Key) -> bool:
        """Whether all is decided in the chain, and what comes back has the key that it had."""
        swept = self.swept
        bounds = [*self.back.values(), *self.accepted.values(), *swept.translated.values()]
        bounds += [each for _, each in swept.ends.values()]
        return not swept.open and self.back.keys() <= {key} and all(b.is_exact for b in bounds)

    def counted(self) -> Counted:
        """How many ends it may have for each packet."""
        if self._counted is None:
            space = self.swept.space
            self._counted = counted(
                ((each.possible, space.nothing) for _, each in self.swept.ends.values()), space
            )
        return self._counted


Counted: TypeAlias = tuple[PacketSet, PacketSet]
"""Connections whose packet may end in one way or more, and in two or more."""


def counted(several: Iterable[Counted], space: Space) -> Counted:
    """The same of all ends together. They are joined two by two, as unions are."""
    none = space.nothing, space.nothing
    level = list(several) or [none]
    while len(level) > 1:
        level = [
            (once | other, twice | more | (once & other))
            for (once, twice), (other, more) in zip_longest(level[::2], level[1::2], fillvalue=none)
        ]
    return level[0]


class Kindred(NamedTuple):
    """The packets of a sweep: who sends them, their flags, what conntrack calls them, and their
    entry as rules see it. ``opener`` is the end whose packet made that. ``tells_ends``: it is asked
    which rule ends the way of each. ``opens``: they open their connections, so that NAT's rules
    say how these are translated. ``is_late``: they find no entry any more.
    """

    sender: Dir
    flags: TcpFlags
    ctstate: CtState
    entry: EntryView | None = None
    opener: Dir = Dir.ORIGINAL
    tells_ends: bool = False
    opens: bool = False
    is_late: bool = False


class Sweeper:
    """Sweeps of one role. Raises TooLargeError and EndlessWalkError, as all its methods do."""

    def __init__(self, chains: ChainStore, coordinates: Coordinates) -> None:
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
        self._joint = Joint(chains.ruleset)
        self._held: dict[tuple[Effect, Question], bool] = {}
        self.used: list[tuple[Effect, Question]] = []
        self.effects: dict[tuple[object, ...], Effect] = {}
        self.alike: dict[tuple[object, ...], list[Effect]] = {}
        self.runs: dict[ReadyChain, Sequence[Sequence[ReadyRule]]] = {}
        self.joined: dict[tuple[object, ...], tuple[PacketSet, bool]] = {}
        self.compiled: dict[tuple[object, ...], PacketSet | None] = {}

    def over(self, chains: ChainStore) -> Sweeper:
        """Sweeps of the same connections through chains that differ from these in few: what the
        others do is known already. The chains are those of ChainStore.altered().
        """
        other = Sweeper(chains, self.coordinates)
        same = self.chains.untouched(chains.ruleset)
        other.effects = {key: each for key, each in self.effects.items() if key[:2] in same}
        other.alike = {
            key: [*effects]
            for key, effects in self.alike.items()
            if all((each.ready.table, each.name) in same for each in effects)
        }
        other.compiled = dict(self.compiled)
        other.runs = dict(self.runs)
        return other

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
            ready = self.chains.specialise(effect.ready.table, effect.name, question)
            found = self._held[key] = ready is effect.ready and all(
                self.holds(each, question) for each in effect.calls
            )
        return found

    def translate(
        self, before: Translated | None, rewritten: Rewritten, path: Path
    ) -> Translated | None:
        """How connections are translated behind another rule; None where they are too many ways."""
        wide = self._joint.widened(rewritten)
        rule = id(rewritten.ref.rule) if wide is None else id(self._joint)
        key = id(before), rule, rewritten.hook, path
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
                at = _Place(stop, way.ends.path, done)
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
        at: _Place,
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
                passed = _TableSweep(self, at, packets, transit, swept, translated).run(some)
            for key, each in passed.items():
                add(left, key, each)
        return left

    def spend(self, rules: int = 1) -> None:
        """Counts rules. Raises TooLargeError where they are too many."""
        self.rules += rules
        if self.rules > MAX_RULES:
            raise TooLargeError


class _Place(NamedTuple):
    """A table on the way of packets: the path that they are on, and what NAT has rewritten."""

    stop: Stop
    path: Path
    done: frozenset[Manip]


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


TOO_MUCH_NAT: Final = "the table nat is too large to tell which connections it translates"
_SENDER_SIDE: Final = "?in"
_OTHER_SIDE: Final = "?out"


def _ends_of(path: Path) -> Ends:
    """The ends of a path, with names that stand for any interface."""
    local, unicast = AddressType.LOCAL, AddressType.UNICAST
    if path is Path.LOOPBACK:
        return Ends(path, LOOPBACK, LOOPBACK, local, local)
    if path is Path.FORWARD:
        return Ends(path, _SENDER_SIDE, _OTHER_SIDE, unicast, unicast)
    if path is Path.OUT:
        return Ends(path, "", _OTHER_SIDE, local, unicast)
    # It leaves by some interface where NAT gives it another destination.
    return Ends(path, _SENDER_SIDE, _OTHER_SIDE, unicast, local)


def _packet(family: Family, packets: Kindred) -> Packet:
    """A packet whose addresses and ports say nothing but that they are those of hosts."""
    return Packet(family, LEFT[family], RIGHT[family], TCP, 0, 0, packets.flags)


class _Untold(Enum):
    """A condition about connections of which it cannot be told which meet it."""

    UNTOLD = auto()


_UNTOLD: Final = _Untold.UNTOLD
_Told: TypeAlias = PacketSet | _Untold | None
"""What an option asks of connections; None: nothing."""


_BATCHED: Final = frozenset({Action.ACCEPT, Action.DROP, Action.REJECT, Action.RETURN})


def runs_of(all_rules: Sequence[ReadyRule]) -> Iterator[Sequence[ReadyRule]]:
    """The rules in their order, those together that do the same; without those that only log."""
    rules = [rule for rule in all_rules if rule.action not in HARMLESS]
    start = 0
    for at in range(1, len(rules) + 1):
        if at == len(rules) or not _is_like(rules[start], rules[at]):
            yield rules[start:at]
            start = at


def _is_like(one: ReadyRule, other: ReadyRule) -> bool:
    if one.action is not other.action:
        return False
    if one.action is Action.JUMP:
        both = one.ref.rule, other.ref.rule
        return both[0].target == both[1].target and all(map(_asks_for_points, both))
    return one.action in _BATCHED


def _asks_for_points(rule: Rule) -> bool:
    """Whether a rule asks for nothing but ends: what is lost behind it is never its own loss."""
    return all(
        isinstance(match, Match) and match.name in _PLAIN and not _names_flags(match)
        for match in rule.matches
    )


def _names_flags(match: Match) -> bool:
    return match.get("tcp-flags") is not None or match.get("syn") is not None


_PLAIN: Final = frozenset({"ip", "iprange", "multiport", "set", "tcp", "comment"})


class _TableSweep:
    """One table at one hook."""

    def __init__(
        self,
        sweeper: Sweeper,
        at: _Place,
        packets: Kindred,
        transit: Transit,
        swept: Swept,
        translated: Translated | None,
    ) -> None:
        self.sweeper = sweeper
        self.chains = sweeper.chains
        self.at = at
        self.stop = stop = at.stop
        self.translated = translated
        self.sight = Sight(sweeper.space, packets.sender, translated, at.done)
        self.packets = packets
        self.transit = transit
        self.swept = swept
        self.header = self.header_seen()
        self.accepted = Gathered(sweeper.space)
        self.calls: dict[Effect, None] = {}
        self.callers: tuple[str, ...] = ()
        ctstate = None if stop.table == "raw" else int(transit.ctstate)
        self.question = Question(TCP, int(packets.flags), ctstate)

    def run(self, flows: Flows) -> Flows:
        """The packets that go on behind the table."""
        base = self.chains.specialise(self.stop.table, self.stop.chain, self.question)
        assert base is not None
        left = self.chain(self.stop.chain, flows, ())
        self.sweeper.used += [(effect, self.question) for effect in self.calls]
        if base.policy == "DROP":
            cause = PolicyRef(self.stop.table, self.stop.chain)
            end = End(Disposition.DROPPED_BY_POLICY, cause, self.stop.hook)
            for each in left.values():
                self.swept.end(end, self.transit.ctstate, each)
        else:
            for key, each in left.items():
                add(self.accepted, key, each)
        return self.accepted.joined()

    def chain(self, name: str, flows: Flows, via: tuple[RuleRef, ...]) -> Flows:
        """The packets that come back from a chain, or to its policy."""
        ready = self.chains.specialise(self.stop.table, name, self.question)
        if ready is None:
            return flows
        back = Gathered(self.sweeper.space)
        for key, each in flows.items():
            self.take(self.effect(name, ready, key), each, via, back)
        return back.joined()

    def take(
        self, effect: Effect, entering: Bounds, via: tuple[RuleRef, ...], back: Gathered
    ) -> None:
        """What an effect does to the packets that enter the chain."""
        done, swept = effect.swept, self.swept
        self.sweeper.spend(1 + len(done.ends) + len(done.open))
        for key, each in effect.back.items():
            add(back, key, each.among(entering))
        for key, each in effect.accepted.items():
            add(self.accepted, key, each.among(entering))
        for end, (ctstate, each) in done.ends.items():
            if not (ended := each.among(entering)).is_empty():
                swept.end(end._replace(via=(*via, *end.via)) if via else end, ctstate, ended)
        for ref, each in done.translated.items():
            if not (translated := each.among(entering)).is_empty():
                swept.translate(ref, translated)
        for key, each in done.undecided.items():
            add(swept.undecided, key, each.among(entering))
        if self.callers:
            for item, those in done.open.items():
                if not (some := those & entering.possible).is_empty():
                    swept.leave_open(item, some)
        else:
            swept.met.append((effect, entering))
        swept.unsure += [each & entering.possible for each in done.unsure]

    def effect(self, name: str, ready: ReadyChain, key: Key) -> Effect:
        """What a chain does to the packets of this key."""
        sweeper = self.sweeper
        packets, at = self.packets, self.at
        kind = packets.tells_ends, packets.opens, packets.is_late
        asked = key, at.stop.hook, at.path, *kind, self.seen_by_points()
        known = sweeper.effects.get((self.stop.table, name, self.question, *asked))
        if known is None:
            # Another question may have decided all alike.
            among = sweeper.alike.setdefault((ready, *asked), [])
            known = next((e for e in among if sweeper.holds(e, self.question)), None)
            if known is None:
                known = self.new_effect(name, ready, key)
                among.append(known)
            sweeper.effects[(self.stop.table, name, self.question, *asked)] = known
        self.calls[known] = None
        return known

    def new_effect(self, name: str, ready: ReadyChain, key: Key) -> Effect:
        """Sends all connections through a chain."""
        if name in self.callers:
            raise EndlessWalkError(name)
        if len(self.callers) >= MAX_DEPTH:
            raise TooLargeError
        inside = copy(self)
        inside.swept = Swept(self.sweeper.space)
        inside.accepted = Gathered(self.sweeper.space)
        back = Gathered(self.sweeper.space)
        inside.calls = {}
        inside.callers = (*self.callers, name)
        effect = Effect(name, ready, inside.swept)
        everything = exactly(self.sweeper.space.everything)
        is_nat = self.sweeper.has_much_nat and self.stop.table == "nat"
        if is_nat and len(ready.rules) > MAX_NAT_CHAIN:
            add(back, key, inside.leave_out(ready, everything))
            effect.back = back.joined()
            return effect
        flows: Flows = {key: everything}
        known = self.sweeper.runs
        if ready not in known:
            known[ready] = list(runs_of(ready.rules))
        for run in known[ready]:
            if not flows:
                break
            if len(run) > 1:
                flows = inside.run_of_rules(run, flows, (), back)
            else:
                flows = inside.rules(run, flows, (), back)
        for other, each in flows.items():
            add(back, other, each)
        inside.swept.unsure = [self.sweeper.space.union(inside.swept.unsure)]
        effect.back = back.joined()
        effect.accepted = inside.accepted.joined()
        effect.calls = inside.calls
        return effect

    def leave_out(self, ready: ReadyChain, entering: Bounds) -> Bounds:
        """Takes the connections that rules may be about for translated: those between the least and
        the greatest address or port of which rules speak. Gives the others.
        """
        some: PacketSet = self.sweeper.space.everything
        ranges = self.ranges_of(ready)
        if ranges is not None:
            told = [self.sight.among(field, [each]) for field, each in ranges.items()]
            if None not in told:
                some = self.sweeper.space.union(told)
        hit, rest = entering.split(Condition(some, some), takes_open=False)
        if not hit.is_empty():
            ref = ready.rules[0].ref
            self.swept.leave_open(Open(ref, None, TOO_MUCH_NAT), hit.possible)
            self.swept.translate(ref, hit)
        return rest

    def ranges_of(self, ready: ReadyChain) -> Mapping[str, Range] | None:
        """Ranges of fields, one of which holds the value of each packet of which the chain or one
        that it calls speaks; None: one speaks of any packet.
        """
        found: dict[str, Range] = {}
        seen = {ready}
        stack = [ready]
        while stack:
            ranges, others = (ready := stack.pop()).hull
            for name, each in ranges.items():
                found[name] = joined(each, found.get(name))
            for rule in (ready.rules[at] for at in others):
                if not self.may_match(rule):
                    continue
                target = rule.ref.rule.target
                if not isinstance(target, Jump | Goto):
                    return None
                called = self.chains.specialise(self.stop.table, target.chain, self.question)
                if called is not None and called not in seen:
                    seen.add(called)
                    stack.append(called)
        return found

    def may_match(self, rule: ReadyRule) -> bool:
        """Whether the path alone does not rule out that a rule matches."""
        return not any(
            predicate.test(self.transit) is Tern.FALSE
            for predicate, match in rule.open
            if not self.is_of_points(predicate, match) and Field.MARK not in predicate.reads
        )

    def run_of_rules(
        self, run: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> Flows:
        """The packets that go on behind rules that all do the same, as in a list of blocked
        networks: one question for all. Only who drops a packet must be asked of each.
        """
        if run[0].action is Action.JUMP:
            return self.run_of_jumps(run, flows, via, back)
        self.sweeper.spend()
        every, is_exact = self.any_of(run)
        on: Flows = {}
        some: Flows = {}
        for key, each in flows.items():
            hit, rest = each.split(Condition(every, every), takes_open=False)
            if hit.is_empty():
                add(on, key, each)
            elif not is_exact:
                some[key] = each
            else:
                add(on, key, rest)
                some[key] = hit
        action = run[0].action
        if is_exact and action in (Action.ACCEPT, Action.RETURN):
            for key, each in some.items():
                add(self.accepted if action is Action.ACCEPT else back, key, each)
        elif not is_exact or self.packets.tells_ends:
            for key, each in self.rules(run, some, via, back).items():
                add(on, key, each)
        else:
            self.swept.unsure += [each.possible for each in some.values()]
        return on

    def run_of_jumps(
        self, run: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> Flows:
        """The same of rules that call one chain: what comes back from it, comes back from it again,
        if the chain decides all and changes nothing.
        """
        target = cast("Jump", run[0].ref.rule.target)
        ready = self.chains.specialise(self.stop.table, target.chain, self.question)
        if ready is None:
            return flows
        every, is_exact = self.any_of(run)
        on: Flows = {}
        for key, each in flows.items():
            hit, rest = each.split(Condition(every, every), takes_open=False)
            effect = None if hit.is_empty() else self.effect(target.chain, ready, key)
            if effect is None:
                add(on, key, each)
            elif is_exact and effect.is_plain(key):
                add(on, key, rest)
                returned = Gathered(self.sweeper.space)
                self.take(effect, hit, (*via, run[0].ref), returned)
                for other, some in returned.joined().items():
                    add(on, other, some)
            else:
                for other, some in self.rules(run, {key: each}, via, back).items():
                    add(on, other, some)
        return on

    def any_of(self, run: Sequence[ReadyRule]) -> tuple[PacketSet, bool]:
        """The connections whose packets may match any of these rules; and whether they do, for all
        is asked of what connections differ in, and decided.
        """
        # Each chain made ready for a question has rules of its own: what they ask is the same.
        asked = tuple(id(match) for rule in run for _, match in rule.open)
        by_entry = any(match.name == "conntrack" for rule in run for _, match in rule.open)
        key = len(run), asked, self.seen_by_points() if by_entry else self.header
        known = self.sweeper.joined
        if key not in known:
            self.sweeper.spend(len(run))
            found: list[PacketSet] = []
            is_exact = True
            for rule in run:
                met: PacketSet = self.sweeper.space.everything
                last: AnyMatch | None = None
                for predicate, match in rule.open:
                    is_of_points = self.is_of_points(predicate, match)
                    if is_of_points and match is last:
                        continue
                    last = match
                    each = self.compiled(match) if is_of_points else None
                    if each is None:
                        is_exact = False
                    else:
                        met = met & each
                found.append(met)
            known[key] = self.sweeper.space.union(found), is_exact
        return known[key]

    def rules(
        self, rules: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Gathered
    ) -> Flows:
        """The packets that go on behind rules; those that return are added to ``back``."""
        for rule in rules:
            if not flows:
                break
            self.sweeper.spend(_ALONE)
            on: Flows = {}
            for key, each in flows.items():
                condition, is_open = self.condition(rule, key)
                hit, rest = each.split(condition, takes_open=rule.action is Action.RETURN)
                if hit.is_empty():
                    add(on, key, each)
                    continue
                for item in is_open:
                    self.swept.leave_open(item, hit.possible)
                add(on, key, rest)
                self.apply(rule, key, hit, via, on, back)
            flows = on
        return flows

    def apply(
        self,
        rule: ReadyRule,
        key: Key,
        hit: Bounds,
        via: tuple[RuleRef, ...],
        on: Flows,
        back: Gathered,
    ) -> None:
        """What a rule does to the packets that match."""
        action, ref = rule.action, rule.ref
        target = ref.rule.target
        if action in (Action.JUMP, Action.GOTO):
            called = self.chain(cast("Jump | Goto", target).chain, {key: hit}, (*via, ref))
            for other, each in called.items():
                add(on if action is Action.JUMP else back, other, each)
        elif action is Action.RETURN:
            add(back, key, hit)
        elif action is Action.MARK:
            add(on, key._replace(mark=set_mark(cast("Target", target), key.mark)), hit)
        elif action is Action.CONNMARK:
            restores = cast("Target", target).get("restore-mark") is not None
            add(on, key._replace(mark=None) if restores else key, hit)
        elif action is Action.UNTRACK:
            takes = self.transit.entry is None and self.stop.table == "raw"
            add(on, key._replace(is_untracked=True) if takes else key, hit)
        elif action is Action.ZONE:
            self.swept.leave_open(Open(ref, None, "zones are not followed"), hit.possible)
            self.swept.unsure.append(hit.possible)
            add(on, key, hit)
        elif action is Action.ACCEPT:
            add(self.accepted, key, hit)
        elif action is Action.TRANSLATE:
            self.translate(ref, key, hit, via)
        elif action in _DISPOSITIONS and not self.packets.tells_ends:
            self.swept.unsure.append(hit.possible)
        else:
            if action not in _DISPOSITIONS:
                add(self.swept.undecided, key, hit)
                self.swept.leave_open(Open(ref, None, why_elsewhere(target)), hit.possible)
            self.swept.end(
                End(_DISPOSITIONS.get(action, Disposition.UNDECIDED), ref, self.stop.hook, via),
                self.transit.ctstate,
                hit,
            )

    def translate(self, ref: RuleRef, key: Key, hit: Bounds, via: tuple[RuleRef, ...]) -> None:
        """A rule binds connections to what its target says; one that has its like goes on."""
        path, family = self.at.path, self.sweeper.coordinates.family
        new = rewritten(ref, self.stop.hook, family)
        if new is None or (new.is_of_host and path is Path.LOOPBACK):
            # What lo gives to MASQUERADE is not known.
            self.leave(ref, hit)
            return
        if path in (Path.IN, Path.OUT):
            new = new.of_own_packet()
        same, others = hit.split(self.unchanged(new), takes_open=False)
        if not same.is_empty():
            add(self.accepted, key, same)
        if others.is_empty():
            return
        if not self.packets.opens:
            if self.packets.tells_ends:
                end = End(Disposition.MISDIRECTED, ref, self.stop.hook, via)
                self.swept.end(end, self.transit.ctstate, others)
            elif self.packets.is_late:
                self.swept.unsure.append(others.possible)
            else:
                self.leave(ref, others)
            return
        turned = path
        if new.manip is Manip.DST and (new.addresses is not None or new.is_of_host):
            low = 0 if new.addresses is None else new.addresses.low
            turned = path_to(low, family, path, is_redirect=new.is_redirect)
        # Over lo a packet cannot be led out again, nor one of the host's own be led there.
        is_followed = turned is not Path.LOOPBACK or (path is turned and not self.leads_off(new))
        behind = self.sweeper.translate(key.translated, new, turned) if is_followed else None
        if behind is None:
            self.leave(ref, others)
        else:
            add(self.accepted, key._replace(translated=behind), others)

    def leads_off(self, new: Rewritten) -> bool:
        """Whether a packet on lo becomes one of another host."""
        loopback = Net(Family.IPV4, 127 << 24, 0xFF << 24)
        if self.sweeper.coordinates.family is Family.IPV6:
            loopback = Net(Family.IPV6, 1, Family.IPV6.full_mask)
        return new.addresses is not None and not all(map(loopback.contains, new.addresses))

    def leave(self, ref: RuleRef, hit: Bounds) -> None:
        """Connections that are translated in a way that is not followed."""
        self.swept.translate(ref, hit)

    def unchanged(self, new: Rewritten) -> Condition:
        """The connections that have what a rule makes of them already."""
        sweeper, sight = self.sweeper, self.sight
        address, port = ("saddr", "sport") if new.manip is Manip.SRC else ("daddr", "dport")
        if new.is_of_host:
            return sweeper.nothing
        found: PacketSet | None = sweeper.space.everything
        if new.addresses is not None:
            full = sweeper.coordinates.family.full_mask
            one = new.addresses.low
            is_one = one == new.addresses.high
            found = sight.masked(address, one, full & ~new.kept) if is_one else None
        if found is not None and new.ports is not None:
            ports = sight.among(port, [new.ports]) if new.keeps_port else None
            found = None if ports is None else found & ports
        # Of a range nobody knows which it will be.
        return sweeper.nothing if found is None else Condition(found, found)

    # Conditions

    def condition(self, rule: ReadyRule, key: Key) -> tuple[Condition, list[Open]]:
        """The connections whose packets match a rule; and the matches that leave that open."""
        found = self.sweeper.everything
        is_open: list[Open] = []
        seen: set[int] = set()
        self.transit.mark = key.mark
        if key.is_untracked and self.stop.table == "raw" and self.transit.entry is None:
            # NOTRACK may stand before it in this table.
            self.transit.ctstate = CtState.UNTRACKED
        elif self.stop.table == "raw" and not self.stop.tracked:
            self.transit.ctstate = CtState.INVALID
        self.transit.rule = rule.ref
        for predicate, match in rule.open:
            if Field.ADDRESS_TYPE in predicate.reads and self.is_led_back():
                found = found & self.sweeper.unknown
                is_open.append(Open(rule.ref, match, _OWN_UNKNOWN))
                continue
            if self.is_of_points(predicate, match):
                if id(match) in seen:
                    continue
                seen.add(id(match))
                told = self.compiled(match)
                if told is None:
                    each = self.sweeper.unknown
                    is_open.append(Open(rule.ref, match, predicate.why or "not followed"))
                else:
                    each = Condition(told, told)
            else:
                truth = predicate.test(self.transit)
                if truth is Tern.TRUE:
                    continue
                if truth is Tern.FALSE:
                    return self.sweeper.nothing, []
                each = self.sweeper.unknown
                is_open.append(Open(rule.ref, match, predicate.why or "not known"))
            found = each if found is self.sweeper.everything else found & each
            if found.possible.is_empty():
                return found, is_open
        return found, is_open

    def is_led_back(self) -> bool:
        """Whether the destination of an answer is still the address that NAT gave its client."""
        translated = self.translated
        is_answer = self.packets.sender is Dir.REPLY and Manip.DST not in self.at.done
        return is_answer and translated is not None and translated.source is not None

    def is_of_points(self, predicate: Predicate, match: AnyMatch) -> bool:
        """Whether a condition is about what connections differ in: it is a set of them."""
        if match.name == "conntrack" and isinstance(match, Match):
            has_entry = self.transit.entry is not None
            return has_entry and any(option.name in _OF_ENTRY for option in match.options)
        return bool(predicate.reads & _POINT) and match.name not in _OF_PATH

    def seen_by_points(self) -> tuple[object, ...]:
        """What the conditions about connections see of a packet beside those."""
        transit, view = self.transit, self.transit.entry
        entry = None if view is None else (view.direction, view.entry.status, self.packets.opener)
        return *self.header, int(transit.ctstate), entry

    def header_seen(self) -> tuple[object, ...]:
        """What those about its header see."""
        return (
            *(self.packets.sender, self.transit.in_interface, self.transit.out_interface),
            *(self.at.path is Path.FORWARD, self.translated, self.translated and self.at.done),
        )

    def compiled(self, match: AnyMatch) -> PacketSet | None:
        """The connections whose packets fulfil a match; None where they cannot be told."""
        if not isinstance(match, Match) or match.name not in _COMPILERS:
            return None
        key = id(match), self.seen_by_points() if match.name == "conntrack" else self.header
        known = self.sweeper.compiled
        if key not in known:
            known[key] = self.all_options(match)
        return known[key]

    def all_options(self, match: Match) -> PacketSet | None:
        everything: PacketSet = self.sweeper.space.everything
        found = everything
        for option in match.options:
            each = _COMPILERS[match.name](self, option)
            if isinstance(each, _Untold):
                return None
            if each is not None:
                found = found & (everything - each if option.negated else each)
        return found

    def among(self, field: str, ranges: Iterable[tuple[int, int]]) -> _Told:
        found = self.sight.among(field, ranges)
        return _UNTOLD if found is None else found

    def address(self, field: str, value: object, sight: Sight | None = None) -> _Told:
        if isinstance(value, Hostname):
            return _UNTOLD
        assert isinstance(value, Net)
        found = (sight or self.sight).masked(field, value.address, value.mask)
        return _UNTOLD if found is None else found

    def interface(self, pattern: str, *, incoming: bool) -> PacketSet:
        name = self.transit.in_interface if incoming else self.transit.out_interface
        if name not in (_SENDER_SIDE, _OTHER_SIDE):
            space = self.sweeper.space
            return space.everything if covers(pattern, name or "") else space.nothing
        part = CLIENT_INTERFACE
        if self.at.path is Path.FORWARD:
            is_client = (name == _SENDER_SIDE) is (self.packets.sender is Dir.ORIGINAL)
            part = CLIENT_INTERFACE if is_client else SERVER_INTERFACE
        return self.sweeper.coordinates.named(part, pattern)


_OWN_UNKNOWN: Final = "which addresses are this host's is not known"
_POINT: Final = frozenset(
    {
        Field.SADDR,
        Field.DADDR,
        Field.SPORT,
        Field.DPORT,
        Field.IN_INTERFACE,
        Field.OUT_INTERFACE,
    }
)
_OF_PATH: Final = frozenset({"addrtype", "pkttype"})
"""Matches that, without a box, look at the kind of path alone."""
_DISPOSITIONS: Final = {
    Action.DROP: Disposition.DROPPED_BY_RULE,
    Action.REJECT: Disposition.REJECTED,
}


def _of_ip(sweep: _TableSweep, option: Option) -> _Told:
    if option.name in _ADDRESS_OF:
        return sweep.address(_ADDRESS_OF[option.name], option.value)
    if option.name in ("in-interface", "out-interface"):
        return sweep.interface(option.value, incoming=option.name == "in-interface")
    return None


def _of_ports(sweep: _TableSweep, option: Option) -> _Told:
    if option.name not in _PORTS:
        return None
    value = option.value
    ranges = [value] if isinstance(value, Range) else value
    either = [sweep.among(field, ranges) for field in _PORTS[option.name]]
    if any(one is _UNTOLD for one in either):
        return _UNTOLD
    return reduce(or_, cast("list[PacketSet]", either))


_ADDRESS_OF: Final = {"source": "saddr", "destination": "daddr"}
_PORTS: Final = {
    "sport": ("sport",),
    "dport": ("dport",),
    "sports": ("sport",),
    "dports": ("dport",),
    "ports": ("sport", "dport"),
}


def _of_iprange(sweep: _TableSweep, option: Option) -> _Told:
    field = "saddr" if option.name == "src-range" else "daddr"
    return sweep.among(field, [(option.value.low, option.value.high)])


def _of_set(sweep: _TableSweep, option: Option) -> _Told:
    if option.name != "match-set":
        # Counters and exceptions are not known.
        return _UNTOLD
    name, sides = option.value
    known = sweep.chains.facts.sets.get(name)
    if known is None or len(sides) != 1:
        return _UNTOLD
    field = "saddr" if sides[0] == "src" else "daddr"
    family, space = sweep.sweeper.coordinates.family, sweep.sweeper.space
    if not sweep.sight.is_plain(field):
        address = sweep.sight.constant(field)
        if address is None:
            return _UNTOLD
        return space.everything if known.contains(address, family) else space.nothing
    found: PacketSet = space.nothing
    # The longest network that holds an address decides.
    nets = [(net, True) for net in known.members] + [(net, False) for net in known.exceptions]
    for net, is_in in sorted(nets, key=lambda each: each[0].mask):
        if net.family is not family:
            continue
        those = sweep.sight.masked(field, net.address, net.mask)
        assert those is not None
        found = found | those if is_in else found - those
    return found


def _of_entry(sweep: _TableSweep, option: Option) -> _Told:
    """Addresses and ports of the entry: those of its opener's packets, and of what answers them."""
    if option.name not in _OF_ENTRY:
        rest = Match("conntrack", (option._replace(negated=False),))
        (predicate,) = predicates(rest, sweep.chains.facts)
        truth, space = predicate.test(sweep.transit), sweep.sweeper.space
        if truth is Tern.UNKNOWN:
            return _UNTOLD
        return space.everything if truth is Tern.TRUE else space.nothing
    is_reply, field = _OF_ENTRY[option.name]
    opener = sweep.packets.opener
    sender = opener.other if is_reply else opener
    # An answer has what NAT made of the first packet; that had its own ends.
    sight = Sight(sweep.sweeper.space, sender, sweep.translated)
    if field in ("sport", "dport"):
        found = sight.among(field, [option.value])
        return _UNTOLD if found is None else found
    return sweep.address(field, option.value, sight)


_OF_ENTRY: Final = {
    "ctorigsrc": (False, "saddr"),
    "ctorigdst": (False, "daddr"),
    "ctreplsrc": (True, "saddr"),
    "ctrepldst": (True, "daddr"),
    "ctorigsrcport": (False, "sport"),
    "ctorigdstport": (False, "dport"),
    "ctreplsrcport": (True, "sport"),
    "ctrepldstport": (True, "dport"),
}
_COMPILERS: Final = {
    "conntrack": _of_entry,
    "set": _of_set,
    "ip": _of_ip,
    "tcp": _of_ports,
    "udp": _of_ports,
    "multiport": _of_ports,
    "iprange": _of_iprange,
}
