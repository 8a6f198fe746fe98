# SPDX-License-Identifier: GPL-2.0-only
"""Chains made ready for walking: rules as predicates, decided once where a question allows it.

A question ("what becomes of a FIN without an entry?") fixes protocol, flags and ctstate for
thousands of packets that differ in addresses and ports. :meth:`ChainStore.specialise` drops the
rules that no such packet can match and indexes the rest by the one value that each needs, so that
a packet meets few rules even in a list of 100,000.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import merge
from typing import Final, NamedTuple

from ctlint.ir.rule import AnyMatch, Rule
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.matches import Predicate, predicates
from ctlint.model.netfilter.targets import Action, action
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags

FALSE: Final = Tern.FALSE
TRUE: Final = Tern.TRUE


class RuleRef(NamedTuple):
    """A rule and where it stands; ``position`` counts from 1."""

    table: str
    chain: str
    position: int
    rule: Rule

    def __str__(self) -> str:
        return f"{self.table}/{self.chain}#{self.position}"


class ReadyRule(NamedTuple):
    """A rule with the predicates that are still open."""

    ref: RuleRef
    open: tuple[tuple[Predicate, AnyMatch], ...]
    action: Action


class Question(NamedTuple):
    """What is fixed for all packets of a question. ``flags`` is None for all but TCP; ``ctstate``
    is None where it may change on the way (NOTRACK in the raw table).
    """

    protocol: int
    flags: TcpFlags | None
    ctstate: CtState | None


_FIXED: Final = frozenset({Field.PROTOCOL, Field.FLAGS, Field.CTSTATE})

_INDEX_ORDER: Final = (
    Field.DPORT,
    Field.SPORT,
    Field.DADDR,
    Field.SADDR,
    Field.IN_INTERFACE,
    Field.OUT_INTERFACE,
)


class ReadyChain:
    """The rules of one chain that packets of a question can match, indexed."""

    __slots__ = ("_by_value", "_fields", "_rest", "_seen", "name", "policy", "rules", "table")

    def __init__(
        self, table: str, name: str, policy: str | None, rules: Sequence[ReadyRule]
    ) -> None:
        self.table = table
        self.name = name
        self.policy = policy
        self.rules = rules
        self._by_value: dict[tuple[Field, object], list[ReadyRule]] = defaultdict(list)
        self._rest: list[ReadyRule] = []
        for rule in rules:
            keys = {p.exact[0]: p.exact[1] for p, _ in rule.open if p.exact is not None}
            for field in _INDEX_ORDER:
                if field in keys:
                    self._by_value[field, keys[field]].append(rule)
                    break
            else:
                self._rest.append(rule)
        self._fields = tuple(
            field for field in _INDEX_ORDER if any(key[0] is field for key in self._by_value)
        )
        self._seen: dict[tuple[object, ...], Sequence[ReadyRule]] = {}

    def candidates(self, transit: Transit) -> Sequence[ReadyRule]:
        """The rules that this packet may match, in their order."""
        if not self._fields:
            return self._rest
        values = tuple(_value(field, transit) for field in self._fields)
        found = self._seen.get(values)
        if found is None:
            lists = [self._rest]
            for field, value in zip(self._fields, values, strict=True):
                if value is None:
                    # Not known: every rule of that field may match.
                    lists += [rules for key, rules in self._by_value.items() if key[0] is field]
                elif (field, value) in self._by_value:
                    lists.append(self._by_value[field, value])
            found = list(merge(*lists, key=lambda rule: rule.ref.position))
            if len(self._seen) < 4096:
                self._seen[values] = found
        return found


def _value(field: Field, transit: Transit) -> object:
    packet = transit.packet
    if field is Field.DPORT:
        return packet.dport or 0
    if field is Field.SPORT:
        return packet.sport or 0
    if field is Field.DADDR:
        return packet.daddr
    if field is Field.SADDR:
        return packet.saddr
    return transit.in_interface if field is Field.IN_INTERFACE else transit.out_interface


class ChainStore:
    """The chains of a rule set for one set of facts."""

    def __init__(self, ruleset: Ruleset, facts: Facts) -> None:
        self.ruleset = ruleset
        self.steps = 0
        """Rules that walks have been given so far: a measure of work for budgets."""
        self.facts = facts
        self._predicates: dict[int, tuple[Predicate, ...]] = {}
        self._ready: dict[tuple[str, str, Question], ReadyChain | None] = {}
        self._decided: dict[tuple[int, Question], tuple[bool, tuple[Predicate, ...]]] = {}

    def predicates(self, match: AnyMatch) -> tuple[Predicate, ...]:
        """The predicates of a match. Matches are shared, so their identity is the key."""
        found = self._predicates.get(id(match))
        if found is None:
            found = self._predicates[id(match)] = predicates(match, self.facts)
        return found

    def specialise(self, table: str, chain: str, question: Question) -> ReadyChain | None:
        """The chain for a question, or None where the rule set has no such chain."""
        key = (table, chain, question)
        if key in self._ready:
            return self._ready[key]
        found = self.ruleset.chain(table, chain)
        ready: ReadyChain | None = None
        if found is not None:
            rules = []
            for position, rule in enumerate(found.rules, 1):
                left = self._left_open(rule, question)
                if left is not None:
                    ref = RuleRef(table, chain, position, rule)
                    rules.append(ReadyRule(ref, left, action(rule.target)))
            ready = ReadyChain(table, chain, found.policy, rules)
        self._ready[key] = ready
        return ready

    def _left_open(
        self, rule: Rule, question: Question
    ) -> tuple[tuple[Predicate, AnyMatch], ...] | None:
        """What is still to be asked, or None where the rule cannot match."""
        left: list[tuple[Predicate, AnyMatch]] = []
        for match in rule.matches:
            possible, still = self._decide(match, question)
            if not possible:
                return None
            left += [(predicate, match) for predicate in still]
        return tuple(left)

    def _decide(self, match: AnyMatch, question: Question) -> tuple[bool, tuple[Predicate, ...]]:
        key = (id(match), question)
        found = self._decided.get(key)
        if found is None:
            transit = _fixed_transit(question)
            fixed = _FIXED if question.ctstate is not None else _FIXED - {Field.CTSTATE}
            still: list[Predicate] = []
            possible = True
            for predicate in self.predicates(match):
                if predicate.reads <= fixed:
                    truth = predicate.test(transit)
                    if truth is FALSE:
                        possible = False
                        break
                    if truth is TRUE:
                        continue
                still.append(predicate)
            found = self._decided[key] = (possible, tuple(still))
        return found


def _fixed_transit(question: Question) -> Transit:
    packet = Packet(Family.IPV4, 0, 0, question.protocol, flags=question.flags)
    return Transit(packet, question.ctstate or CtState.INVALID)
