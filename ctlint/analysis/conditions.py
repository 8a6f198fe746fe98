# SPDX-License-Identifier: GPL-2.0-only
"""What rules ask of packets, as sets of connections: matches about addresses, ports, interfaces and
the tuples of an entry. All others are asked of a packet that stands for all of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from ctlint.analysis.coordinates import (
    CLIENT_INTERFACE,
    SERVER_INTERFACE,
    covers,
)
from ctlint.analysis.flows import Condition, Key, Kindred
from ctlint.analysis.outline import Outline
from ctlint.analysis.rewriting import Translated
from ctlint.analysis.sight import Sight
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule import AnyMatch, Match, Option
from ctlint.ir.ruleset import INTERFACE_OPTIONS
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.hooks import Hook, Path, Stop
from ctlint.model.netfilter.matches import Predicate, predicates
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.ready import ReadyRule
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Field, Transit
from ctlint.model.netfilter.traverse import Open
from ctlint.wire.addresses import Family, Hostname, Net

if TYPE_CHECKING:
    from ctlint.analysis.sweep import Sweeper

SENDER_SIDE: Final = "?in"
OTHER_SIDE: Final = "?out"


class Place(NamedTuple):
    """A table on the way of packets: the path that they are on, and what NAT has rewritten."""

    stop: Stop
    path: Path
    done: frozenset[Manip]


class _Untold(Enum):
    """A condition about connections of which it cannot be told which meet it."""

    UNTOLD = auto()


_UNTOLD: Final = _Untold.UNTOLD
_Told: TypeAlias = PacketSet | _Untold | None
"""What an option asks of connections; None: nothing."""


class Asked(NamedTuple):
    """What a rule asks: of connections, with the matches that leave that open, and of anything
    else.
    """

    rule: ReadyRule
    condition: Condition
    is_open: Sequence[Open]
    others: Sequence[tuple[Predicate, AnyMatch]]

    @property
    def is_exact(self) -> bool:
        """Whether it is decided which connections' packets match."""
        return not self.is_open and not self.others


def _may_ask_entry(match: AnyMatch) -> bool:
    return (
        match.name == "conntrack"
        and isinstance(match, Match)
        and any(option.name in _OF_ENTRY for option in match.options)
    )


class Conditions:
    """What rules ask of packets of one kind at one table, as sets of their connections."""

    def __init__(
        self,
        sweeper: Sweeper,
        at: Place,
        packets: Kindred,
        transit: Transit,
        translated: Translated | None,
    ) -> None:
        self.sweeper = sweeper
        self.facts = sweeper.chains.facts
        self.at = at
        self.packets = packets
        self.transit = transit
        self.translated = translated
        self.sight = Sight(sweeper.space, packets.sender, translated, at.done)
        self._header = self._seen_of_header()
        # Roles name interfaces of their own, and have all else in common.
        header = *self._header, sweeper.coordinates.interfaces
        self._known = sweeper.asked.setdefault(header, {})
        self._sets = sweeper.compiled.setdefault(header, {})
        ends = packets.sender, translated, translated and at.done
        self._known_of_ends = sweeper.asked.setdefault(ends, {})
        self._sets_of_ends = sweeper.compiled.setdefault(ends, {})
        self._interfaces: dict[tuple[str, bool], _Told] = {}

    def of(self, rule: ReadyRule, key: Key) -> tuple[Condition, Sequence[Open]]:
        """The connections whose packets match a rule; and the matches that leave that open."""
        asked = self.asked(rule)
        if not asked.others or asked.condition.possible.is_empty():
            return asked.condition, asked.is_open
        self.transit.mark = key.mark
        is_raw = self.at.stop.table == "raw" and self.transit.entry is None
        if is_raw and (key.is_untracked or key.has_template):
            # NOTRACK or CT may stand before it in this table.
            self.transit.ctstate = CtState.UNTRACKED if key.is_untracked else CtState.NEW
        elif self.at.stop.table == "raw" and not self.at.stop.tracked:
            self.transit.ctstate = CtState.INVALID
        return self._with_others(asked)

    def _with_others(self, asked: Asked) -> tuple[Condition, Sequence[Open]]:
        """The same with what a rule asks of anything else."""
        rule, found = asked.rule, asked.condition
        is_open = [*asked.is_open]
        self.transit.rule = rule.ref
        for predicate, match in asked.others:
            if _ADDRESS_TYPE in predicate.reads and self._is_led_back():
                why = _OWN_UNKNOWN
            else:
                truth = predicate.test(self.transit)
                if truth is Tern.TRUE:
                    continue
                if truth is Tern.FALSE:
                    return self.sweeper.nothing, []
                why = predicate.why or "not known"
            found = found & self.sweeper.unknown
            is_open.append(Open(rule.ref, match, why))
        return found, is_open

    def asked(self, rule: ReadyRule) -> Asked:
        """What a rule asks."""
        found = self._known_of_ends.get(id(rule)) or self._known.get(id(rule))
        if found is None:
            found = self._asked_anew(rule)
            if not any(_may_ask_entry(match) for _, match in rule.open):
                # The entry is another one for each kind of packets.
                is_of_ends = not any(predicate.reads & _INTERFACES for predicate, _ in rule.open)
                known = self._known_of_ends if is_of_ends else self._known
                known[id(rule)] = found
        return found

    def may_match(self, rule: ReadyRule, outline: Outline) -> bool:
        """Whether a rule may match a packet of some connections, by its addresses and ports."""
        last: AnyMatch | None = None
        for _, match in rule.open:
            if match is last or not isinstance(match, Match):
                continue
            last = match
            parts = self._outlined.get(match.name)
            if parts is None:
                continue
            for name, value, negated in match.options:
                part = parts.get(name)
                if part is None or negated:
                    continue
                low, high = value if isinstance(value, Range) else _ends_of(value)
                if not outline.meets(part, low, high):
                    return False
        return True

    @cached_property
    def _outlined(self) -> Mapping[str, Mapping[str, str]]:
        """The options, by their matches, that ask for a range of a part, each with that part."""
        # One address leaves out nearly all that are not opened, and the ranges of each take time.
        fields = _BY_OUTLINE if self.packets.opens else _BY_LATE_OUTLINE
        sight = self.sight
        return {
            match: {
                name: sight.part(field) for name, field in options.items() if sight.is_plain(field)
            }
            for match, options in fields.items()
        }

    def _asked_anew(self, rule: ReadyRule) -> Asked:
        found: PacketSet | None = None
        others: list[tuple[Predicate, AnyMatch]] = []
        is_open: list[Open] = []
        last: AnyMatch | None = None
        for predicate, match in rule.open:
            if _ADDRESS_TYPE in predicate.reads or not self.is_of_points(predicate, match):
                others.append((predicate, match))
            elif match is not last:
                last = match
                told = self.compiled(match)
                if told is None:
                    is_open.append(Open(rule.ref, match, predicate.why or "not followed"))
                else:
                    found = told if found is None else found & told
        condition = self.sweeper.everything if found is None else Condition(found, found)
        if is_open:
            condition = condition & self.sweeper.unknown
        asked = Asked(rule, condition, tuple(is_open), tuple(others))
        if others and all(predicate.reads <= _BOX for predicate, _ in others):
            # Of a box nothing is known of any packet.
            return Asked(rule, *self._with_others(asked), ())
        return asked

    def _is_led_back(self) -> bool:
        """Whether the destination of an answer is still the address that NAT gave its client."""
        translated = self.translated
        is_answer = self.packets.sender is Dir.REPLY and Manip.DST not in self.at.done
        return is_answer and translated is not None and translated.source is not None

    def is_of_points(self, predicate: Predicate, match: AnyMatch) -> bool:
        """Whether a condition is about what connections differ in: it is a set of them."""
        if match.name == "conntrack" and isinstance(match, Match):
            return self.transit.entry is not None and _may_ask_entry(match)
        return not _POINT.isdisjoint(predicate.reads) and match.name not in _OF_PATH

    def seen_by_points(self) -> tuple[object, ...]:
        """What the conditions about connections see of a packet beside those."""
        transit, view = self.transit, self.transit.entry
        entry = None if view is None else (view.direction, view.entry.status, self.packets.opener)
        return *self._header, int(transit.ctstate), entry

    def _seen_of_header(self) -> tuple[object, ...]:
        """What those about its header see."""
        return (
            *(self.packets.sender, self.transit.in_interface, self.transit.out_interface),
            *(self.at.path is Path.FORWARD, self.translated, self.translated and self.at.done),
        )

    def key(self, *, with_entry: bool) -> tuple[object, ...]:
        """Equal where matches about points are the same sets: those about the entry, if asked."""
        return self.seen_by_points() if with_entry else self._header

    def compiled(self, match: AnyMatch) -> PacketSet | None:
        """The connections whose packets fulfil a match; None where they cannot be told."""
        if not isinstance(match, Match) or match.name not in _COMPILERS:
            return None
        known = self._sets_of_ends
        if match.name == "conntrack":
            known = self.sweeper.compiled.setdefault(self.seen_by_points(), {})
        elif match.name == "ip" and any(
            option.name in INTERFACE_OPTIONS for option in match.options
        ):
            known = self._sets
        key = id(match)
        if key not in known:
            known[key] = self._all_options(match)
        return known[key]

    def _all_options(self, match: Match) -> PacketSet | None:
        everything: PacketSet = self.sweeper.space.everything
        found = everything
        compiler = _COMPILERS[match.name]
        for option in match.options:
            each = compiler(self, option)
            if each is _UNTOLD:
                return None
            if each is not None:
                those = everything - each if option.negated else each
                found = those if found is everything else found & those
        return found

    def among(self, field: str, ranges: Sequence[tuple[int, int]]) -> _Told:
        found = self.sight.among(field, ranges)
        return _UNTOLD if found is None else found

    def address(self, field: str, value: object, sight: Sight | None = None) -> _Told:
        if isinstance(value, Hostname):
            return _UNTOLD
        assert isinstance(value, Net)
        found = (sight or self.sight).masked(field, value.address, value.mask)
        return _UNTOLD if found is None else found

    def _is_routed_anew(self) -> bool:
        """Whether NAT in INPUT has given the client an address to which the host's answers have
        another route: all of OUTPUT sees that one (struct nf_hook_state).
        """
        translated, is_answer = self.translated, self.packets.sender is Dir.REPLY
        source = None if translated is None else translated.source
        is_led = source is not None and source.hook is Hook.LOCAL_IN
        return is_led and is_answer and self.at.stop.hook is Hook.LOCAL_OUT

    def interface(self, pattern: str, *, incoming: bool) -> _Told:
        key = pattern, incoming
        if key not in self._interfaces:
            self._interfaces[key] = self._interface(pattern, incoming=incoming)
        return self._interfaces[key]

    def _interface(self, pattern: str, *, incoming: bool) -> _Told:
        if not incoming and self._is_routed_anew():
            return _UNTOLD
        name = self.transit.in_interface if incoming else self.transit.out_interface
        if name not in (SENDER_SIDE, OTHER_SIDE):
            space = self.sweeper.space
            return space.everything if covers(pattern, name or "") else space.nothing
        part = CLIENT_INTERFACE
        if self.at.path is Path.FORWARD:
            is_client = (name == SENDER_SIDE) is (self.packets.sender is Dir.ORIGINAL)
            part = CLIENT_INTERFACE if is_client else SERVER_INTERFACE
        return self.sweeper.coordinates.named(part, pattern)


def _ends_of(address: Net | Hostname) -> tuple[int, int]:
    """The least and the greatest address that a network may hold."""
    if isinstance(address, Hostname):
        return 0, Family.IPV6.full_mask
    return address.address, address.address | (address.mask ^ address.family.full_mask)


_BY_LATE_OUTLINE: Final = {
    "ip": {"destination": "daddr"},
    "tcp": {"sport": "sport", "dport": "dport"},
}
_BY_OUTLINE: Final = {**_BY_LATE_OUTLINE, "ip": {"destination": "daddr", "source": "saddr"}}
"""Options of matches that ask one field to be in a range, if they are not negated."""
_OWN_UNKNOWN: Final = "which addresses are this host's is not known"
_ADDRESS_TYPE: Final = Field.ADDRESS_TYPE
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
_BOX: Final = frozenset({Field.BOX})
_INTERFACES: Final = frozenset({Field.IN_INTERFACE, Field.OUT_INTERFACE})
_OF_PATH: Final = frozenset({"addrtype", "pkttype"})
"""Matches that, without a box, look at the kind of path alone."""


def _of_ip(asked: Conditions, option: Option) -> _Told:
    field = _ADDRESS_OF.get(option.name)
    if field is not None:
        return asked.address(field, option.value)
    if option.name in INTERFACE_OPTIONS:
        return asked.interface(option.value, incoming=option.name == "in-interface")
    return None


def _of_ports(asked: Conditions, option: Option) -> _Told:
    if option.name not in _PORTS:
        return None
    value = option.value
    ranges = [value] if isinstance(value, Range) else value
    fields = _PORTS[option.name]
    if len(fields) == 1:
        return asked.among(fields[0], ranges)
    either = [asked.among(field, ranges) for field in fields]
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


def _of_iprange(asked: Conditions, option: Option) -> _Told:
    field = "saddr" if option.name == "src-range" else "daddr"
    return asked.among(field, [(option.value.low, option.value.high)])


def _of_set(asked: Conditions, option: Option) -> _Told:
    if option.name != "match-set":
        # Counters and exceptions are not known.
        return _UNTOLD
    name, sides = option.value
    known = asked.facts.sets.get(name)
    if known is None or len(sides) != 1:
        return _UNTOLD
    field = "saddr" if sides[0] == "src" else "daddr"
    family, space = asked.sweeper.coordinates.family, asked.sweeper.space
    if not asked.sight.is_plain(field):
        address = asked.sight.constant(field)
        if address is None:
            return _UNTOLD
        return space.everything if known.contains(address, family) else space.nothing
    found: PacketSet = space.nothing
    # The longest network that holds an address decides.
    nets = [(net, True) for net in known.members] + [(net, False) for net in known.exceptions]
    for net, is_in in sorted(nets, key=lambda each: each[0].mask):
        if net.family is not family:
            continue
        those = asked.sight.masked(field, net.address, net.mask)
        assert those is not None
        found = found | those if is_in else found - those
    return found


def _of_entry(asked: Conditions, option: Option) -> _Told:
    """Addresses and ports of the entry: those of its opener's packets, and of what answers them."""
    if option.name not in _OF_ENTRY:
        rest = Match("conntrack", (option._replace(negated=False),))
        (predicate,) = predicates(rest, asked.facts)
        truth, space = predicate.test(asked.transit), asked.sweeper.space
        if truth is Tern.UNKNOWN:
            return _UNTOLD
        return space.everything if truth is Tern.TRUE else space.nothing
    is_reply, field = _OF_ENTRY[option.name]
    opener = asked.packets.opener
    sender = opener.other if is_reply else opener
    # An answer has what NAT made of the first packet; that had its own ends.
    sight = Sight(asked.sweeper.space, sender, asked.translated)
    if field in ("sport", "dport"):
        found = sight.among(field, [option.value])
        return _UNTOLD if found is None else found
    return asked.address(field, option.value, sight)


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
