# SPDX-License-Identifier: GPL-2.0-only
"""Rules and chains made ready for the packets of one question: with the conditions that are still
to be asked, and indexed by the values that those need.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import merge
from typing import Final, NamedTuple

from ctlint.ir.rule import AnyMatch
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.netfilter.hull import Hull, hull
from ctlint.model.netfilter.matches import Predicate
from ctlint.model.netfilter.targets import Action
from ctlint.model.netfilter.transit import Field, Transit

Open = tuple[tuple[Predicate, AnyMatch], ...]
"""Conditions that are still to be asked, each with its match."""


class Question(NamedTuple):
    """What is fixed for all packets of a question, as plain numbers. ``flags`` is None for all but
    TCP; ``ctstate`` is None where it may change on the way (NOTRACK in the raw table).
    """

    protocol: int
    flags: int | None
    ctstate: int | None


class ReadyRule:
    """A rule with the predicates that are still open.

    ``is_steady``: all packets of one direction of a connection, between the same interfaces and
    with the same flags, fare alike with it, and it leaves nothing behind but a mark on the packet.
    ``name`` is its reference in words. ``called`` is the chain that it jumps or goes to for the
    question ``called_for``, the last for which it was looked up; None where there is none.
    """

    __slots__ = ("_is_steady", "_name", "action", "called", "called_for", "open", "ref")

    def __init__(self, ref: RuleRef, conditions: Open, does: Action) -> None:
        self.ref = ref
        self.open = conditions
        self.action = does
        self.called: ReadyChain | None = None
        self.called_for: Question | None = None
        # Of most rules of a large set nobody asks.
        self._is_steady: bool | None = None
        self._name: str | None = None

    @property
    def is_steady(self) -> bool:
        """See above."""
        found = self._is_steady
        if found is None:
            found = self._is_steady = _is_steady(self.open, self.action)
        return found

    @property
    def name(self) -> str:
        """See above."""
        found = self._name
        if found is None:
            found = self._name = str(self.ref)
        return found


_STEADY_FIELDS: Final = frozenset(Field) - {Field.ENTRY, Field.HEADER, Field.BOX}
_STEADY_ACTIONS: Final = frozenset(
    {
        Action.ACCEPT,
        Action.CONTINUE,
        Action.DROP,
        Action.GOTO,
        Action.JUMP,
        Action.MARK,
        Action.RETURN,
    }
)


def _is_steady(conditions: Open, does: Action) -> bool:
    return does in _STEADY_ACTIONS and all(
        predicate.reads <= _STEADY_FIELDS and not predicate.remembers for predicate, _ in conditions
    )


class ReadyChain:
    """The rules of one chain that packets of a question can match, indexed. Questions that decide
    all that its rules ask of them alike share it.

    ``reads_flags``: packets with other flags may match others; None until ChainStore.reads_flags
    is asked.
    """

    __slots__ = (
        "_by_value",
        "_fields",
        "_hull",
        "_rest",
        "_seen",
        "end",
        "name",
        "policy",
        "reads_flags",
        "rules",
        "table",
    )

    def __init__(
        self,
        table: str,
        name: str,
        policy: str | None,
        rules: Sequence[ReadyRule],
    ) -> None:
        self.reads_flags: bool | None = None
        self.end = f"{table}/{name} return"
        self.table = table
        self.name = name
        self.policy = policy
        self.rules = rules
        # Made once a packet is sent through; who asks of all packets at once needs none.
        self._fields: tuple[Field, ...] | None = None
        self._by_value: dict[tuple[Field, object], list[ReadyRule]] = defaultdict(list)
        self._rest: list[ReadyRule] = []
        self._seen: dict[tuple[object, ...], Sequence[ReadyRule]] = {}
        self._hull: Hull | None = None

    @property
    def hull(self) -> Hull:
        """What its rules may be about, at a glance."""
        if self._hull is None:
            self._hull = hull(rule.ref.rule for rule in self.rules)
        return self._hull

    def _index(self) -> tuple[Field, ...]:
        """Puts the rules under the values that they need; tells under which fields."""
        keys_of = [_exact_keys(rule.open) for rule in self.rules]
        values: dict[Field, set[object]] = defaultdict(set)
        for keys in keys_of:
            for field, value in keys.items():
                values[field].add(value)
        # A rule stands under the field that parts the chain's rules best.
        order = sorted(values, key=lambda field: -len(values[field]))
        for rule, keys in zip(self.rules, keys_of, strict=True):
            for field in order:
                if field in keys:
                    self._by_value[field, keys[field]].append(rule)
                    break
            else:
                self._rest.append(rule)
        return tuple(field for field in order if any(key[0] is field for key in self._by_value))

    def candidates(self, transit: Transit) -> Sequence[ReadyRule]:
        """The rules that this packet may match, in their order."""
        fields = self._fields
        if fields is None:
            fields = self._fields = self._index()
        if not fields:
            return self._rest
        values = tuple(_value(field, transit) for field in fields)
        found = self._seen.get(values)
        if found is None:
            lists = [self._rest]
            for field, value in zip(fields, values, strict=True):
                if value is None:
                    # Not known: every rule of that field may match.
                    lists += [rules for key, rules in self._by_value.items() if key[0] is field]
                elif (field, value) in self._by_value:
                    lists.append(self._by_value[field, value])
            found = list(merge(*lists, key=lambda rule: rule.ref.position))
            if len(self._seen) < 4096:
                self._seen[values] = found
        return found


def _exact_keys(conditions: Open) -> dict[Field, object]:
    """Fields with the one value that each must have. What stands behind a condition that remembers
    does not count: that one is asked of every packet.
    """
    keys: dict[Field, object] = {}
    for predicate, _ in conditions:
        if predicate.remembers:
            break
        if predicate.exact is not None:
            keys[predicate.exact[0]] = predicate.exact[1]
    return keys


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
