# SPDX-License-Identifier: GPL-2.0-only
"""Chains made ready for walking: rules as predicates, decided once where a question allows it.

A question ("what becomes of a FIN without an entry?") fixes protocol, flags and ctstate for
thousands of packets that differ in addresses and ports. :meth:`ChainStore.specialise` drops the
rules that no such packet can match and indexes the rest by the one value that each needs, so that
a packet meets few rules even in a list of 100,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from ctlint.ir.rule import AnyMatch, Goto, Jump, Match, Rule
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Chain, Ruleset, Table
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.matches import Predicate, constant, predicates, undecided
from ctlint.model.netfilter.matches.head import interfaces_of
from ctlint.model.netfilter.matches.named import named_matches
from ctlint.model.netfilter.ready import Open, Question, ReadyChain, ReadyRule
from ctlint.model.netfilter.targets import Action, action
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags

FALSE: Final = Tern.FALSE
TRUE: Final = Tern.TRUE

_Split: TypeAlias = tuple[Open, Open, bool]
"""The conditions of a match that a question may decide, and those that need the packet; and whether
one of these remembers.
"""

_FIXED: Final = frozenset({Field.PROTOCOL, Field.FLAGS, Field.CTSTATE})

Decision: TypeAlias = tuple[Tern | None, ...]
"""What a question makes of conditions; None where it cannot decide one."""


class _Asked(NamedTuple):
    """A rule and what it asks: ``fixed`` numbers the conditions that a question may decide among
    those of its chain, ``open`` are the others; None where their order counts.
    """

    rule: Rule
    does: Action
    fixed: int
    open: Open | None


class _Plan:
    """What the rules of a chain ask of a question, and the chains made ready by what that decides.
    ``fixed`` holds the different conjunctions of conditions that it may decide, which ``numbers``
    finds by the identity of these.
    """

    __slots__ = ("fixed", "numbers", "ready", "rules")

    def __init__(
        self,
        rules: Sequence[_Asked] = (),
        fixed: Sequence[tuple[Predicate, ...]] = (),
        numbers: Mapping[tuple[int, ...], int] = MappingProxyType({}),
    ) -> None:
        self.rules = list(rules)
        self.fixed = list(fixed)
        self.numbers = dict(numbers)
        self.ready: dict[tuple[Decision, ...], ReadyChain] = {}

    def add(self, rule: Rule, fixed: Open, rest: Open | None) -> None:
        """Adds a rule with the conditions that a question may decide, and the others."""
        # Predicates are shared between options that say the same.
        ids = tuple([id(predicate) for predicate, _ in fixed])
        number = self.numbers.get(ids)
        if number is None:
            number = self.numbers[ids] = len(self.fixed)
            self.fixed.append(tuple([predicate for predicate, _ in fixed]))
        self.rules.append(_Asked(rule, action(rule.target), number, rest))


_ALL_KNOWN: Final[Mapping[Field, str]] = MappingProxyType({})


class ChainStore:
    """The chains of a rule set for one set of facts. ``unknown`` is what is not known of packets,
    and why: what reads that is not decided.
    """

    def __init__(
        self, ruleset: Ruleset, facts: Facts, unknown: Mapping[Field, str] = _ALL_KNOWN
    ) -> None:
        self.ruleset = ruleset
        self.unknown = unknown
        self.steps = 0
        """Rules that walks have been given so far: a measure of work for budgets."""
        self.facts = facts
        self._ready: dict[tuple[str, str, Question], ReadyChain | None] = {}
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._truths: dict[Question, dict[int, Tern | None]] = {}
        self._calls: dict[str, Counter[str]] = {}
        self._flag_readers: dict[tuple[str, str], bool] = {}
        self._splits: dict[int, _Split] = {}
        self._decided: dict[Question, dict[int, Open | None]] = {}
        self._blind: dict[tuple[tuple[Field, str], ...], ChainStore] = {}
        self.assumed = Tern.UNKNOWN
        """What is said of conditions that are not decided: this, for want of better knowledge."""
        self._whole: ChainStore | None = None
        self._original: ChainStore | None = None

    def blind(self, unknown: Mapping[Field, str]) -> ChainStore:
        """The same chains for packets of which this is not known either."""
        if not unknown:
            return self
        # The first reason is given, so their order counts.
        key = tuple(unknown.items())
        found = self._blind.get(key)
        if found is None:
            both = {**self.unknown, **unknown}
            found = self._blind[key] = ChainStore(self.ruleset, self.facts, both)
        return found

    def altered(self, ruleset: Ruleset) -> ChainStore:
        """The chains of a rule set that has most rules of this one, and what is known of these.

        Both must live as long as the new store: matches are known by their identity.
        """
        other = ChainStore(ruleset, self.facts, self.unknown)
        other._splits = dict(self._splits)
        other._decided = {question: dict(known) for question, known in self._decided.items()}
        other._truths = {question: dict(known) for question, known in self._truths.items()}
        other._original = self
        same = self.untouched(ruleset)
        other._plans = {key: plan for key, plan in self._plans.items() if key in same}
        other._ready = {key: ready for key, ready in self._ready.items() if key[:2] in same}
        return other

    def untouched(self, ruleset: Ruleset) -> set[tuple[str, str]]:
        """The chains, with their tables, that are the same in another rule set, and call none that
        is not.
        """
        return {
            (table, name)
            for table, those in ruleset.tables.items()
            for name in _untouched(self.ruleset.tables.get(table), those)
        }

    def of_part(self, part: Ruleset, assumed: Tern = Tern.UNKNOWN) -> ChainStore:
        """The same for a part of the rule set, whose chains are these: what is known of them is
        shared. A chain that is another there (an empty one) must call none that is not.

        ``assumed`` is what is then said of every condition that is not decided.
        """
        store = ChainStore(part, self.facts, self.unknown)
        store.assumed = assumed
        store._whole = self
        store._splits = self._splits
        return store

    @cached_property
    def named(self) -> tuple[Match, ...]:
        """The matches that share something by a name; see make_named."""
        return named_matches(self.ruleset)

    @cached_property
    def interfaces(self) -> tuple[str, ...]:
        """The interfaces, or patterns of their names, that rules ask for."""
        return interfaces_of(self.ruleset)

    def calls(self, table: str, chain: str) -> int:
        """How many rules call a chain."""
        if table not in self._calls:
            self._calls[table] = Counter(
                rule.target.chain
                for each in self.ruleset.tables[table].chains.values()
                for rule in each.rules
                if isinstance(rule.target, Jump | Goto)
            )
        return self._calls[table][chain]

    @cached_property
    def counts_traffic(self) -> bool:
        """Whether a rule asks for what a connection has carried."""
        return any("connbytes" in table.parts.matches for table in self.ruleset.tables.values())

    @cached_property
    def ranges(self) -> frozenset[Range]:
        """The ranges that rules ask for, of ports or of anything else."""
        found: set[Range] = set()
        for *_, rule in self.ruleset.rules():
            for match in rule.matches:
                for option in match.options if isinstance(match, Match) else ():
                    value = option.value
                    if isinstance(value, Range):
                        found.add(value)
                    elif isinstance(value, tuple | list):
                        found.update(each for each in value if isinstance(each, Range))
        return frozenset(found)

    def specialise(self, table: str, chain: str, question: Question) -> ReadyChain | None:
        """The chain for a question, or None where the rule set has no such chain."""
        key = (table, chain, question)
        if key in self._ready:
            return self._ready[key]
        found = self.ruleset.chain(table, chain)
        ready: ReadyChain | None = None
        if found is not None and (keeper := self._keeper(table, found)) is not self:
            ready = keeper.specialise(table, chain, question)
        elif found is not None:
            plan = self._plan(table, found)
            decided = self._decisions(plan, question)
            ready = plan.ready.get(decided)
            if ready is None:
                rules = self._possible(plan, decided, found, table, question)
                ready = plan.ready[decided] = ReadyChain(table, chain, found.policy, rules)
        self._ready[key] = ready
        return ready

    def _keeper(self, table: str, chain: Chain) -> ChainStore:
        """Who knows a chain: of one that is all there in the whole rule set, the store of that."""
        whole = self._whole
        other = None if whole is None else whole.ruleset.chain(table, chain.name)
        if whole is None or other is None:
            return self
        is_same = other.rules is chain.rules and other.policy == chain.policy
        return whole if is_same else self

    def _plan(self, table: str, chain: Chain) -> _Plan:
        """What the rules of a chain ask, whatever the question."""
        key = table, chain.name
        if key in self._plans:
            return self._plans[key]
        plan = self._plans[key] = _Plan()
        rules, end = chain.rules, 0
        known = None if self._original is None else self._original._plans.get(key)
        if known is not None:
            # Most rules are the same objects: those before a change, and those behind it.
            old = [asked.rule for asked in known.rules]
            least = min(len(old), len(rules))
            start = next((n for n in range(least) if old[n] is not rules[n]), least)
            behind = range(1, least - start + 1)
            end = next((n for n in behind if old[-n] is not rules[-n]), least - start + 1) - 1
            plan = self._plans[key] = _Plan(known.rules[:start], known.fixed, known.numbers)
            rules = rules[start : len(rules) - end]
        splits = self._splits
        for rule in rules:
            fixed: Open = ()
            rest: Open = ()
            remembers = False
            for match in rule.matches:
                some, still, this_remembers = splits.get(id(match)) or self._split(match)
                fixed += some
                rest += still
                remembers |= this_remembers
            plan.add(rule, fixed, None if remembers else rest)
        if known is not None:
            plan.rules += known.rules[len(known.rules) - end :]
        return plan

    def _decided_of(self, table: str, chain: Chain) -> Sequence[tuple[Predicate, ...]]:
        """What rules of a chain ask that a question may decide."""
        return self._keeper(table, chain)._plan(table, chain).fixed

    def _decisions(self, plan: _Plan, question: Question) -> tuple[Decision, ...]:
        """What a question makes of the conditions that it may decide."""
        truths = self._truths.setdefault(question, {})
        for conditions in plan.fixed:
            for predicate in conditions:
                if id(predicate) not in truths:
                    truths[id(predicate)] = _truth(predicate, question)
        return tuple([tuple([truths[id(each)] for each in some]) for some in plan.fixed])

    def reads_flags(self, ready: ReadyChain) -> bool:
        """Whether a rule of the chain asks for TCP flags."""
        if ready.reads_flags is None:
            key = ready.table, ready.name
            chain = self.ruleset.chain(*key)
            if key not in self._flag_readers:
                self._flag_readers[key] = chain is not None and any(
                    Field.FLAGS in predicate.reads
                    for conditions in self._decided_of(ready.table, chain)
                    for predicate in conditions
                )
            ready.reads_flags = self._flag_readers[key]
        return ready.reads_flags

    def _possible(
        self,
        plan: _Plan,
        decided: tuple[Decision, ...],
        chain: Chain,
        table: str,
        question: Question,
    ) -> list[ReadyRule]:
        """The rules that a packet of the question can match."""
        rules: list[ReadyRule] = []
        name = chain.name
        holds = [all(truth is TRUE for truth in each) for each in decided]
        fails = [FALSE in each for each in decided]
        for position, (rule, does, fixed, conditions) in enumerate(plan.rules, 1):
            left: Open | None = conditions
            if conditions is None or not holds[fixed]:
                if conditions is not None and fails[fixed]:
                    continue
                left = self._left(rule, question)
                if left is None:
                    continue
            assert left is not None
            rules.append(ReadyRule(RuleRef(table, name, position, rule), left, does))
        return rules

    def _left(self, rule: Rule, question: Question) -> Open | None:
        """What of a rule is still to be asked, or None where no packet can match it."""
        decided = self._decided.setdefault(question, {})
        left: Open = ()
        for match in rule.matches:
            still = decided.get(id(match), _NOT_ASKED)
            if still is _NOT_ASKED:
                still = decided[id(match)] = self._decide(match, question)
            if still is not None:
                left += still
                continue
            if not any(predicate.remembers for predicate, _ in left):
                return None
            # It cannot match, but what it asks before that is remembered.
            left += ((constant(False), match),)
        return left

    def _decide(self, match: AnyMatch, question: Question) -> Open | None:
        """What of a match is still to be asked, or None where no packet can match it."""
        fixed, still, _ = self._split(match)
        for pair in fixed:
            truth = _truth(pair[0], question)
            if truth is FALSE:
                return None
            if truth is not TRUE:
                still = (pair, *still)
        return still

    def _split(self, match: AnyMatch) -> _Split:
        """What a match asks. Matches are shared between rules, so their identity is the key."""
        found = self._splits.get(id(match))
        if found is None:
            fixed: list[tuple[Predicate, AnyMatch]] = []
            rest: list[tuple[Predicate, AnyMatch]] = []
            remembers = False
            for predicate in predicates(match, self.facts):
                if self.unknown:
                    predicate = _blinded(predicate, self.unknown)
                if predicate.reads <= _FIXED:
                    fixed.append((predicate, match))
                else:
                    rest.append((predicate, match))
                    remembers |= predicate.remembers
            found = self._splits[id(match)] = tuple(fixed), tuple(rest), remembers
        return found


def _untouched(old: Table | None, new: Table) -> set[str]:
    """The chains that are the same objects in both, and call no other."""
    if old is None:
        return set()
    touched = {name for name, chain in new.chains.items() if old.chains.get(name) is not chain}
    for name in touched | (old.chains.keys() - new.chains.keys()):
        touched |= new.reaching(name)
    return new.chains.keys() - touched


def why_unknown(reads: frozenset[Field], unknown: Mapping[Field, str]) -> str | None:
    """Why a condition that reads these cannot be decided; None where it can. What asks for the type
    of an address needs to know that alone.
    """
    if Field.ADDRESS_TYPE in reads:
        return unknown.get(Field.ADDRESS_TYPE)
    return next((why for field, why in unknown.items() if field in reads), None)


def _blinded(predicate: Predicate, unknown: Mapping[Field, str]) -> Predicate:
    why = why_unknown(predicate.reads, unknown)
    return predicate if why is None else undecided(why, predicate.reads)


_NOT_ASKED: Final[Open] = ((Predicate(lambda _: FALSE, frozenset()), Match("")),)


def _truth(predicate: Predicate, question: Question) -> Tern | None:
    """What a question makes of a condition; None where it leaves that open."""
    if question.ctstate is None and Field.CTSTATE in predicate.reads:
        return None
    truth = predicate.test(_fixed_transit(question))
    return None if truth is Tern.UNKNOWN else truth


@cache
def _fixed_transit(question: Question) -> Transit:
    flags = None if question.flags is None else TcpFlags(question.flags)
    packet = Packet(Family.IPV4, 0, 0, question.protocol, flags=flags)
    return Transit(packet, CtState(question.ctstate or CtState.INVALID))
