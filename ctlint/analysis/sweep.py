# SPDX-License-Identifier: GPL-2.0-only
"""Sends the packets of many connections through the rules at once.

What the rules do to a set of connections is a partition of it: for each rule or policy that may
end a packet's way, the connections whose packet it ends. Where a match is not decided, each part is
told twice: whose packet it may end, and whose it would if undecided matches let packets go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import reduce
from operator import or_
from typing import Final, NamedTuple, TypeAlias, cast

from ctlint.analysis.coordinates import ENDS, LEFT, PATHS, RIGHT, Coordinates, covers
from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.way import Ends, Way
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule import AnyMatch, Goto, Jump, Match, Option, Target
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore, Question, ReadyChain, ReadyRule, RuleRef
from ctlint.model.netfilter.hooks import Hook, Path, Stop
from ctlint.model.netfilter.host import LOOPBACK, AddressType
from ctlint.model.netfilter.matches import Predicate, predicates
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
"""Rules that all sweeps of a role may ask: a bound on time."""
MAX_RULE_SET: Final = 30_000
MAX_NAT_RULES: Final = 3_000
"""Larger rule sets, and larger tables nat, are not swept at all: it would take too long."""


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
    and whether NOTRACK took them.
    """

    mark: int | None = 0
    is_untracked: bool = False


Flows = dict[Key, Bounds]


def add(flows: Flows, key: Key, more: Bounds) -> None:
    """Adds connections to those of a key."""
    if not more.is_empty():
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
    NAT translates, which are followed no further. Those in ``unsure`` may be lost too: by a rule
    that nobody asked for, or for a zone in which they do not find their entry.
    """

    unsure: PacketSet
    passed: Flows = field(default_factory=dict)
    ends: dict[End, tuple[CtState, Bounds]] = field(default_factory=dict)
    translated: dict[RuleRef, Bounds] = field(default_factory=dict)
    open: dict[Open, None] = field(default_factory=dict)

    def elsewhere(self) -> PacketSet:
        """The connections whose packets may not come through, or not for certain."""
        found = self.unsure
        for _, bounds in self.ends.values():
            found = found | bounds.possible
        for bounds in self.translated.values():
            found = found | bounds.possible
        return found

    def end(self, end: End, ctstate: CtState, bounds: Bounds) -> None:
        """Adds connections to those that end so."""
        known = self.ends.get(end)
        self.ends[end] = ctstate, bounds if known is None else known[1] | bounds


class Kindred(NamedTuple):
    """The packets of a sweep: who sends them, their flags, what conntrack calls them, and their
    entry as rules see it. ``opener`` is the end whose packet made that. ``tells_ends``: it is asked
    which rule ends the way of each.
    """

    sender: Dir
    flags: TcpFlags
    ctstate: CtState
    entry: EntryView | None = None
    opener: Dir = Dir.ORIGINAL
    tells_ends: bool = False


class Sweeper:
    """Sweeps of one role. Raises TooLargeError and EndlessWalkError, as all its methods do."""

    def __init__(self, chains: ChainStore, coordinates: Coordinates) -> None:
        nat = chains.ruleset.tables.get("nat")
        translating = 0 if nat is None else sum(len(each.rules) for each in nat.chains.values())
        if chains.ruleset.rule_count > MAX_RULE_SET or translating > MAX_NAT_RULES:
            raise TooLargeError
        space = coordinates.space
        self.chains = chains
        self.coordinates = coordinates
        self.space = space
        self.nothing = Condition(space.nothing, space.nothing)
        self.everything = Condition(space.everything, space.everything)
        self.unknown = Condition(space.nothing, space.everything)
        self.rules = 0
        self._questions: dict[tuple[int, int], tuple[object, ...]] = {}
        self._known: dict[tuple[object, ...], list[tuple[Kindred, Bounds, Swept]]] = {}
        self.runs: dict[ReadyChain, Sequence[Sequence[ReadyRule]]] = {}
        self.joined: dict[tuple[object, ...], tuple[PacketSet, bool]] = {}
        self.compiled: dict[tuple[object, ...], PacketSet | None] = {}

    def send(self, packets: Kindred, start: Bounds) -> Swept:
        """Send the packets of connections along their path."""
        kind = packets.sender, packets.ctstate, packets.opener, packets.tells_ends
        known = self._known.setdefault(kind, [])
        for other, begun, swept in known:
            if begun == start and self._fare_alike(packets, other):
                return swept
        swept = self._send(packets, {Key(): start})
        known.append((packets, start, swept))
        return swept

    def _fare_alike(self, one: Kindred, other: Kindred) -> bool:
        """Whether no rule tells packets with these flags apart."""
        if one.entry is not None and other.entry is not None:
            if one.entry.entry.status != other.entry.entry.status:
                return False
        elif one.entry is not other.entry:
            return False
        return self._asked(one) == self._asked(other)

    def _asked(self, packets: Kindred) -> tuple[object, ...]:
        """What rules ask of these packets beside what all such packets have in common."""
        key = int(packets.flags), int(packets.ctstate)
        if key not in self._questions:
            states = (None, key[1], int(CtState.UNTRACKED))
            found = []
            for table in self.chains.ruleset.tables.values():
                for state in states[:1] if table.name == "raw" else states[1:]:
                    question = Question(TCP, key[0], state)
                    for name in table.chains:
                        ready = self.chains.specialise(table.name, name, question)
                        assert ready is not None
                        found.append([(id(rule.ref.rule), rule.open) for rule in ready.rules])
            self._questions[key] = (found,)
        return self._questions[key]

    def _send(self, packets: Kindred, start: Flows) -> Swept:
        swept = Swept(self.space.nothing)
        flows = start
        role, sender = self.coordinates.role, packets.sender
        path = PATHS[role][sender]
        way = Way(_ends_of(path), is_nft=self.chains.ruleset.is_nft)
        entry = packets.entry
        for stop in way:
            hook = stop.hook
            transit = Transit(_packet(self.coordinates.family, packets), CtState.INVALID)
            way.show(transit, hook)
            is_late = path is Path.LOOPBACK and hook is Hook.POSTROUTING
            if is_late and entry is not None:
                # Whoever sees the packet after this hook sees a confirmed entry.
                entry = confirmed(entry)
            chain = self.chains.ruleset.chain(stop.table, stop.chain)
            if chain is None:
                continue
            flows = self._ask(stop, packets, entry, transit, flows, swept)
            if not flows:
                break
        swept.passed = flows
        return swept

    def _ask(
        self,
        stop: Stop,
        packets: Kindred,
        entry: EntryView | None,
        transit: Transit,
        flows: Flows,
        swept: Swept,
    ) -> Flows:
        """One table. The packets that conntrack tracks and those that it does not go one by one:
        rules see another ctstate.
        """
        left: Flows = {}
        for is_untracked in (False, True):
            some = {key: each for key, each in flows.items() if key.is_untracked is is_untracked}
            if not some:
                continue
            transit.ctstate = CtState.INVALID
            transit.entry = None
            if stop.tracked:
                transit.ctstate = CtState.UNTRACKED if is_untracked else packets.ctstate
                transit.entry = None if is_untracked else entry
            if stop.table == "nat" and transit.ctstate is not CtState.NEW:
                passed = some
            else:
                passed = _TableSweep(self, stop, packets, transit, swept).run(some)
            for key, each in passed.items():
                add(left, key, each)
        return left

    def spend(self) -> None:
        """Counts a rule. Raises TooLargeError where they are too many."""
        self.rules += 1
        if self.rules > MAX_RULES:
            raise TooLargeError


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
    return Ends(path, _SENDER_SIDE, "", unicast, local)


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
        first = rules[start]
        is_like = at < len(rules) and rules[at].action is first.action
        if not is_like or first.action not in _BATCHED:
            yield rules[start:at]
            start = at


class _TableSweep:
    """One table at one hook."""

    def __init__(
        self, sweeper: Sweeper, stop: Stop, packets: Kindred, transit: Transit, swept: Swept
    ) -> None:
        self.sweeper = sweeper
        self.chains = sweeper.chains
        self.stop = stop
        self.packets = packets
        self.transit = transit
        self.swept = swept
        self.accepted: Flows = {}
        ctstate = None if stop.table == "raw" else int(transit.ctstate)
        self.question = Question(TCP, int(packets.flags), ctstate)

    def run(self, flows: Flows) -> Flows:
        """The packets that go on behind the table."""
        base = self.chains.specialise(self.stop.table, self.stop.chain, self.question)
        assert base is not None
        left = self.chain(self.stop.chain, flows, ())
        if base.policy == "DROP":
            cause = PolicyRef(self.stop.table, self.stop.chain)
            end = End(Disposition.DROPPED_BY_POLICY, cause, self.stop.hook)
            for each in left.values():
                self.swept.end(end, self.transit.ctstate, each)
        else:
            for key, each in left.items():
                add(self.accepted, key, each)
        return self.accepted

    def chain(self, name: str, flows: Flows, via: tuple[RuleRef, ...]) -> Flows:
        """The packets that come back from a chain, or to its policy."""
        if len(via) >= MAX_DEPTH:
            raise EndlessWalkError(name)
        ready = self.chains.specialise(self.stop.table, name, self.question)
        if ready is None:
            return flows
        back: Flows = {}
        known = self.sweeper.runs
        if ready not in known:
            known[ready] = list(runs_of(ready.rules))
        for run in known[ready]:
            if not flows:
                break
            if len(run) > 1:
                flows = self.run_of_rules(run, flows, via, back)
            else:
                flows = self.rules(run, flows, via, back)
        for key, each in flows.items():
            add(back, key, each)
        return back

    def run_of_rules(
        self, run: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Flows
    ) -> Flows:
        """The packets that go on behind rules that all do the same, as in a list of blocked
        networks: one question for all. Only who drops a packet must be asked of each.
        """
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
            for each in some.values():
                self.swept.unsure = self.swept.unsure | each.possible
        return on

    def any_of(self, run: Sequence[ReadyRule]) -> tuple[PacketSet, bool]:
        """The connections whose packets may match any of these rules; and whether they do, for all
        is asked of what connections differ in, and decided.
        """
        # Each chain made ready for a question has rules of its own.
        key = id(run[0]), self.seen_by_points()
        known = self.sweeper.joined
        if key not in known:
            found: PacketSet = self.sweeper.space.nothing
            is_exact = True
            for rule in run:
                met: PacketSet = self.sweeper.space.everything
                for predicate, match in rule.open:
                    each = self.compiled(match) if self.is_of_points(predicate, match) else None
                    if each is None:
                        is_exact = False
                    else:
                        met = met & each
                found = found | met
            known[key] = found, is_exact
        return known[key]

    def rules(
        self, rules: Sequence[ReadyRule], flows: Flows, via: tuple[RuleRef, ...], back: Flows
    ) -> Flows:
        """The packets that go on behind rules; those that return are added to ``back``."""
        for rule in rules:
            if not flows:
                break
            self.sweeper.spend()
            on: Flows = {}
            for key, each in flows.items():
                condition, is_open = self.condition(rule, key)
                hit, rest = each.split(condition, takes_open=rule.action is Action.RETURN)
                if hit.is_empty():
                    add(on, key, each)
                    continue
                if is_open:
                    self.swept.open.update(dict.fromkeys(is_open))
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
        back: Flows,
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
            self.swept.open[Open(ref, None, "zones are not followed")] = None
            self.swept.unsure = self.swept.unsure | hit.possible
            add(on, key, hit)
        elif action is Action.ACCEPT:
            add(self.accepted, key, hit)
        elif action is Action.TRANSLATE:
            if self.is_identity(cast("Target", target)):
                add(self.accepted, key, hit)
            else:
                known = self.swept.translated.get(ref)
                self.swept.translated[ref] = hit if known is None else known | hit
        else:
            if action not in _DISPOSITIONS:
                self.swept.open[Open(ref, None, why_elsewhere(target))] = None
            self.swept.end(
                End(_DISPOSITIONS.get(action, Disposition.UNDECIDED), ref, self.stop.hook, via),
                self.transit.ctstate,
                hit,
            )

    def is_identity(self, target: Target) -> bool:
        """MASQUERADE of the host's own packets: the source is the interface's address already."""
        path = PATHS[self.sweeper.coordinates.role][self.packets.sender]
        return path is Path.OUT and target.name == "MASQUERADE"

    # Conditions

    def condition(self, rule: ReadyRule, key: Key) -> tuple[Condition, list[Open]]:
        """The connections whose packets match a rule; and the matches that leave that open."""
        found = self.sweeper.everything
        is_open: list[Open] = []
        seen: set[int] = set()
        self.transit.mark = key.mark
        self.transit.rule = rule.ref
        for predicate, match in rule.open:
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

    def is_of_points(self, predicate: Predicate, match: AnyMatch) -> bool:
        """Whether a condition is about what connections differ in: it is a set of them."""
        if match.name == "conntrack" and isinstance(match, Match):
            has_entry = self.transit.entry is not None
            return has_entry and any(option.name in _OF_ENTRY for option in match.options)
        return bool(predicate.reads & _POINT) and match.name not in _OF_PATH

    def seen_by_points(self) -> tuple[object, ...]:
        """What the conditions about connections see of a packet beside those."""
        transit, packets = self.transit, self.packets
        view = transit.entry
        entry = None if view is None else (view.direction, view.entry.status, packets.opener)
        return (
            *(packets.sender, transit.in_interface, transit.out_interface),
            *(int(transit.ctstate), entry),
        )

    def compiled(self, match: AnyMatch) -> PacketSet | None:
        """The connections whose packets fulfil a match; None where they cannot be told."""
        if not isinstance(match, Match) or match.name not in _COMPILERS:
            return None
        key = id(match), self.seen_by_points()
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

    def ranges(self, part: str, ranges: Iterable[tuple[int, int]]) -> PacketSet:
        space = self.sweeper.space
        found: PacketSet = space.nothing
        for low, high in ranges:
            found = found | space.between(part, low, high)
        return found

    def address(self, part: str, value: object) -> _Told:
        if isinstance(value, Hostname):
            return _UNTOLD
        assert isinstance(value, Net)
        return self.sweeper.space.masked(part, value.address, value.mask)

    def interface(self, pattern: str, *, incoming: bool) -> PacketSet:
        name = self.transit.in_interface if incoming else self.transit.out_interface
        if name not in (_SENDER_SIDE, _OTHER_SIDE):
            space = self.sweeper.space
            return space.everything if covers(pattern, name or "") else space.nothing
        coordinates = self.sweeper.coordinates
        part = coordinates.interface_part(self.packets.sender, incoming=name == _SENDER_SIDE)
        return coordinates.named(part, pattern)


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
    ends = ENDS[sweep.packets.sender]
    if option.name == "source":
        return sweep.address(ends.saddr, option.value)
    if option.name == "destination":
        return sweep.address(ends.daddr, option.value)
    if option.name in ("in-interface", "out-interface"):
        return sweep.interface(option.value, incoming=option.name == "in-interface")
    return None


def _of_ports(sweep: _TableSweep, option: Option) -> _Told:
    if option.name not in _PORTS:
        return None
    ends, value = ENDS[sweep.packets.sender], option.value
    ranges = [value] if isinstance(value, Range) else value
    either = (sweep.ranges(getattr(ends, part), ranges) for part in _PORTS[option.name])
    return reduce(or_, either)


_PORTS: Final = {
    "sport": ("sport",),
    "dport": ("dport",),
    "sports": ("sport",),
    "dports": ("dport",),
    "ports": ("sport", "dport"),
}


def _of_iprange(sweep: _TableSweep, option: Option) -> _Told:
    ends = ENDS[sweep.packets.sender]
    part = ends.saddr if option.name == "src-range" else ends.daddr
    return sweep.ranges(part, [(option.value.low, option.value.high)])


def _of_set(sweep: _TableSweep, option: Option) -> _Told:
    if option.name != "match-set":
        # Counters and exceptions are not known.
        return _UNTOLD
    name, sides = option.value
    known = sweep.chains.facts.sets.get(name)
    if known is None or len(sides) != 1:
        return _UNTOLD
    ends = ENDS[sweep.packets.sender]
    part = ends.saddr if sides[0] == "src" else ends.daddr
    space = sweep.sweeper.space
    found: PacketSet = space.nothing
    # The longest network that holds an address decides.
    nets = [(net, True) for net in known.members] + [(net, False) for net in known.exceptions]
    for net, is_in in sorted(nets, key=lambda each: each[0].mask):
        if net.family is not sweep.sweeper.coordinates.family:
            continue
        those = space.masked(part, net.address, net.mask)
        found = found | those if is_in else found - those
    return found


def _of_entry(sweep: _TableSweep, option: Option) -> _Told:
    """Addresses and ports of the entry: those of its opener's packets, and the other way round."""
    if option.name not in _OF_ENTRY:
        rest = Match("conntrack", (option._replace(negated=False),))
        (predicate,) = predicates(rest, sweep.chains.facts)
        truth, space = predicate.test(sweep.transit), sweep.sweeper.space
        if truth is Tern.UNKNOWN:
            return _UNTOLD
        return space.everything if truth is Tern.TRUE else space.nothing
    opener = sweep.packets.opener
    is_reply, part = _OF_ENTRY[option.name]
    ends = ENDS[opener.other if is_reply else opener]
    if part in ("sport", "dport"):
        return sweep.ranges(getattr(ends, part), [option.value])
    return sweep.address(getattr(ends, part), option.value)


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
