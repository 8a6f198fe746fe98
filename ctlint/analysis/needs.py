# SPDX-License-Identifier: GPL-2.0-only
"""What a packet needs to reach a rule: candidates for concrete connections.

This finds packets worth trying, it proves nothing: every candidate is then walked through the
rules. Exotic matches are left to that walk; so are negated conditions, but for the way past a rule
that drops: what ``! -s NET -j DROP`` lets by is NET.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ctlint.ir.rule import AnyMatch, Goto, Jump, Match, Rule
from ctlint.ir.values import Range
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.ready import Question, ReadyRule
from ctlint.model.netfilter.targets import Action
from ctlint.model.netfilter.transit import Facts
from ctlint.wire.addresses import Family, Net

MAX_DEPTH: Final = 64
MAX_VISITS: Final = 50_000
"""Rules looked at for one question: chains that many others call are visited again and again."""


class TooManyRulesError(Exception):
    """The rules of a question are more than MAX_VISITS; the rest of them was not looked at."""


class Interval(NamedTuple):
    """Addresses from ``low`` to ``high``."""

    low: int
    high: int


class Need(NamedTuple):
    """Conditions on one packet; None: no condition. Ports are alternatives."""

    source: Interval | None = None
    destination: Interval | None = None
    sports: tuple[Range, ...] | None = None
    dports: tuple[Range, ...] | None = None
    in_interface: str | None = None
    out_interface: str | None = None

    def reversed(self) -> Need:
        """The same for a packet that goes the other way."""
        return Need(
            self.destination,
            self.source,
            self.dports,
            self.sports,
            self.out_interface,
            self.in_interface,
        )

    def both(self, other: Need) -> Need | None:
        """Both conditions, or None where they exclude each other."""
        source = _both_intervals(self.source, other.source)
        destination = _both_intervals(self.destination, other.destination)
        sports = _both_ports(self.sports, other.sports)
        dports = _both_ports(self.dports, other.dports)
        incoming = _both_names(self.in_interface, other.in_interface)
        outgoing = _both_names(self.out_interface, other.out_interface)
        parts = (source, destination, sports, dports, incoming, outgoing)
        if any(part == () or part == "" for part in parts):
            return None
        return Need(*parts)  # type: ignore[arg-type]


def _both_intervals(one: Interval | None, other: Interval | None) -> Interval | tuple[()] | None:
    if one is None or other is None:
        return one or other
    low, high = max(one.low, other.low), min(one.high, other.high)
    return Interval(low, high) if low <= high else ()


def _both_ports(
    one: tuple[Range, ...] | None, other: tuple[Range, ...] | None
) -> tuple[Range, ...] | None:
    if one is None or other is None:
        return one if other is None else other
    return tuple(
        Range(max(a.low, b.low), min(a.high, b.high))
        for a in one
        for b in other
        if max(a.low, b.low) <= min(a.high, b.high)
    )


def _both_names(one: str | None, other: str | None) -> str | None:
    """The narrower of two interface patterns; empty where they exclude each other."""
    if one is None or other is None:
        return one or other
    for wide, narrow in ((one, other), (other, one)):
        if wide.endswith("+") and narrow.startswith(wide[:-1]):
            return narrow
    return one if one == other else ""


NOTHING: Final = Need()


def need_of(match: AnyMatch, facts: Facts, family: Family) -> Need:
    """What a match asks for, as far as a need can say it; of a known set, its first member."""
    if not isinstance(match, Match):
        return NOTHING
    source = destination = None
    sports = dports = None
    incoming = outgoing = None
    for option in match.options:
        if option.negated:
            continue
        name, value = option.name, option.value
        if name == "source":
            source = _interval(value)
        elif name == "destination":
            destination = _interval(value)
        elif name == "src-range":
            source = Interval(value.low, value.high)
        elif name == "dst-range":
            destination = Interval(value.low, value.high)
        elif name == "in-interface":
            incoming = value
        elif name == "out-interface":
            outgoing = value
        elif name == "sport":
            sports = (value,)
        elif name == "dport":
            dports = (value,)
        elif name == "sports":
            sports = tuple(value)
        elif name in ("dports", "ports"):
            dports = tuple(value)
        elif name == "match-set":
            member = _first_member(value[0], facts, family)
            if value[1] == ("src",):
                source = member
            elif value[1] == ("dst",):
                destination = member
    return Need(source, destination, sports, dports, incoming, outgoing)


def needs_past(rule: Rule, facts: Facts, family: Family) -> Iterator[Need]:
    """What lets a packet by a rule: each of its negated conditions, the other way round."""
    for match in rule.matches:
        for option in match.options if isinstance(match, Match) else ():
            if option.negated:
                positive = Match(match.name, (option._replace(negated=False),))
                need = need_of(positive, facts, family)
                if need != NOTHING:
                    yield need


def has_negated(rule: Rule) -> bool:
    """Whether a condition of the rule is negated."""
    return any(
        option.negated
        for match in rule.matches
        if isinstance(match, Match)
        for option in match.options
    )


def _first_member(name: str, facts: Facts, family: Family) -> Interval | None:
    known = facts.sets.get(name)
    members = known.members if known is not None else ()
    return next((_interval(net) for net in members if net.family is family), None)


def _interval(value: object) -> Interval | None:
    if not isinstance(value, Net) or value.prefix_length is None:
        return None
    return Interval(value.address, value.address | (value.mask ^ value.family.full_mask))


class Reached(NamedTuple):
    """A rule that ends a walk, and what a packet needs to get to it; None: the policy."""

    need: Need
    rule: ReadyRule | None


Wanted = Callable[[Action, Rule | None], bool]
"""Which actions are looked for; the rule is None for a policy."""


def reach(
    chains: ChainStore,
    table: str,
    base_chain: str,
    question: Question,
    wanted: Wanted,
) -> Iterator[Reached]:
    """Rules with a wanted action that packets of a question may reach; the policy comes last.

    A chain that the rule set does not have accepts. Raises TooManyRulesError behind all others.
    """
    base = chains.specialise(table, base_chain, question)
    cut: TooManyRulesError | None = None
    if base is not None:
        try:
            yield from _Finder(chains, table, question, wanted).chain(base_chain, NOTHING, 0)
        except TooManyRulesError as error:
            cut = error
    policy = Action.DROP if base is not None and base.policy == "DROP" else Action.ACCEPT
    if wanted(policy, None):
        yield Reached(NOTHING, None)
    if cut is not None:
        raise cut


class _Finder:
    def __init__(
        self,
        chains: ChainStore,
        table: str,
        question: Question,
        wanted: Wanted,
    ) -> None:
        self.chains = chains
        self.table = table
        self.question = question
        self.wanted = wanted
        self.visits = 0

    def chain(self, name: str, need: Need, depth: int) -> Iterator[Reached]:
        ready = self.chains.specialise(self.table, name, self.question)
        if ready is None or depth > MAX_DEPTH:
            return
        for rule in ready.rules:
            self.visits += 1
            if self.visits > MAX_VISITS:
                raise TooManyRulesError
            is_jump = rule.action in (Action.JUMP, Action.GOTO)
            if not is_jump and not self.wanted(rule.action, rule.ref.rule):
                continue
            here = self.rule_need(rule.ref.rule, need)
            if here is None:
                continue
            if is_jump:
                target = rule.ref.rule.target
                assert isinstance(target, Jump | Goto)
                yield from self.chain(target.chain, here, depth + 1)
            else:
                yield Reached(here, rule)

    def rule_need(self, rule: Rule, need: Need) -> Need | None:
        for match in rule.matches:
            both = need.both(need_of(match, self.chains.facts, self.chains.ruleset.family))
            if both is None:
                return None
            need = both
        return need
