# SPDX-License-Identifier: GPL-2.0-only
"""Rule sets that differ from a given one in little; rules keep their lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ctlint.ir.rule import Rule
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Chain, Ruleset
from ctlint.model.netfilter.traverse import PolicyRef


@dataclass(frozen=True, slots=True)
class Insertion:
    """Rules to insert into a chain. ``position`` counts from 1: the first of them has it then."""

    table: str
    chain: str
    position: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Replacement:
    """Rules that take the place of one: none, to remove it."""

    ref: RuleRef
    rules: tuple[Rule, ...] = ()


Change: TypeAlias = Insertion | Replacement


def altered(ruleset: Ruleset, changes: Iterable[Change]) -> Ruleset:
    """The rule set with changes. Their positions are those of the rule set as it is given."""
    # From the end of a chain on: so positions stay what they are.
    for change in sorted(changes, key=_position, reverse=True):
        if isinstance(change, Insertion):
            table, name = change.table, change.chain
            at = until = change.position - 1
        else:
            table, name = change.ref.table, change.ref.chain
            at, until = change.ref.position - 1, change.ref.position
        chain = ruleset.tables[table].chains[name]
        rules = (*chain.rules[:at], *change.rules, *chain.rules[until:])
        ruleset = _with_chain(ruleset, table, chain._replace(rules=rules))
    return ruleset


def _position(change: Change) -> tuple[int, bool]:
    """What stands before a rule goes behind what takes its place: it is made later."""
    if isinstance(change, Insertion):
        return change.position, False
    return change.ref.position, True


def without(ruleset: Ruleset, ref: RuleRef) -> Ruleset:
    """The rule set without a rule."""
    return altered(ruleset, [Replacement(ref)])


def with_accept(ruleset: Ruleset, ref: PolicyRef) -> Ruleset:
    """The rule set with policy ACCEPT in place of another."""
    chain = ruleset.tables[ref.table].chains[ref.chain]
    return _with_chain(ruleset, ref.table, chain._replace(policy="ACCEPT"))


def _with_chain(ruleset: Ruleset, table_name: str, chain: Chain) -> Ruleset:
    table = ruleset.tables[table_name]
    chains = {**table.chains, chain.name: chain}
    return replace(ruleset, tables={**ruleset.tables, table_name: replace(table, chains=chains)})
