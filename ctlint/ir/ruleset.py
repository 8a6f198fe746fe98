# SPDX-License-Identifier: GPL-2.0-only
"""Tables, chains, rules: one rule set of one address family."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from ctlint.ir.rule import Counters, Goto, Jump, Match, Rule, Target, UnknownTarget
from ctlint.ir.span import Span
from ctlint.wire.addresses import Family

BUILTIN_CHAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
"""The five tables and their base chains. Source: iptables(8), TABLES."""

TABLES: Final = tuple(BUILTIN_CHAINS)


class Chain(NamedTuple):
    """A chain and its rules in order. ``policy`` is None for a user chain.

    A base chain that the text does not declare has policy ACCEPT and no ``span``.
    """

    name: str
    policy: str | None
    rules: tuple[Rule, ...]
    counters: Counters | None = None
    span: Span | None = None

    @property
    def is_base(self) -> bool:
        """Whether a hook calls this chain."""
        return self.policy is not None


class Parts(NamedTuple):
    """What the rules of a table are made of, together: the names of matches and of targets that
    table rows describe, and the interfaces, or patterns of their names, that heads ask for, in
    their order. ``has_unknown``: there are others.
    """

    matches: frozenset[str]
    targets: frozenset[str]
    interfaces: tuple[str, ...]
    has_unknown: bool


@dataclass(frozen=True)
class Table:
    """A table and its chains, base chains first as declared."""

    name: str
    chains: Mapping[str, Chain]
    span: Span

    @cached_property
    def rule_count(self) -> int:
        """Number of rules in all chains."""
        return sum(len(chain.rules) for chain in self.chains.values())

    @cached_property
    def parts(self) -> Parts:
        """What the rules are made of: to tell at once that none is of some kind."""
        return _parts(self.chains.values())

    @property
    def callers(self) -> Mapping[str, frozenset[str]]:
        """The chains that jump or go to each chain that is called."""
        found: dict[str, set[str]] = {}
        for chain in self.chains.values():
            for rule in chain.rules:
                if isinstance(rule.target, Jump | Goto):
                    found.setdefault(rule.target.chain, set()).add(chain.name)
        return {name: frozenset(names) for name, names in found.items()}

    def called_from(self, base: str) -> frozenset[str]:
        """The chains to which calls lead from one, with itself, whatever their conditions."""
        found: set[str] = set()
        waiting = [base]
        while waiting:
            chain = self.chains.get(waiting.pop())
            if chain is None or chain.name in found:
                continue
            found.add(chain.name)
            waiting += [
                rule.target.chain for rule in chain.rules if isinstance(rule.target, Jump | Goto)
            ]
        return frozenset(found)

    def reaching(self, chain: str) -> frozenset[str]:
        """The chains from which calls lead to one, with itself."""
        callers = self.callers
        found = {chain}
        waiting = [chain]
        while waiting:
            more = callers.get(waiting.pop(), frozenset()) - found
            found |= more
            waiting += more
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All tables of one family that one input holds. ``replaced`` are the places of tables that a
    later one of the same name took the place of. ``is_nft``: iptables-nft has saved it, whose table
    security is asked behind nat, not before.
    """

    file: str
    family: Family
    tables: Mapping[str, Table]
    replaced: tuple[Span, ...] = ()
    is_nft: bool = False

    @property
    def rule_count(self) -> int:
        """Number of rules in all tables."""
        return sum(table.rule_count for table in self.tables.values())

    def chain(self, table: str, name: str) -> Chain | None:
        """The chain, or None where the input has no such table or chain."""
        found = self.tables.get(table)
        return None if found is None else found.chains.get(name)

    def rules(self) -> Iterator[tuple[str, Chain, int, Rule]]:
        """Every rule with its table, its chain and its position (from 1)."""
        for table in self.tables.values():
            for chain in table.chains.values():
                for position, rule in enumerate(chain.rules, 1):
                    yield table.name, chain, position, rule


INTERFACE_OPTIONS: Final = frozenset({"in-interface", "out-interface"})
"""The options of a head that name an interface, or a pattern of such names."""


def _parts(chains: Iterable[Chain]) -> Parts:
    matches: set[str] = set()
    targets: set[str] = set()
    interfaces: dict[str, None] = {}
    has_unknown = False
    for chain in chains:
        for _, asked, target, _, _, _ in chain.rules:
            for match in asked:
                if not isinstance(match, Match):
                    has_unknown = True
                    continue
                matches.add(match.name)
                if match.name == "ip":
                    for option in match.options:
                        if option.name in INTERFACE_OPTIONS:
                            interfaces[option.value] = None
            if isinstance(target, Target):
                targets.add(target.name)
            elif isinstance(target, UnknownTarget):
                has_unknown = True
    return Parts(frozenset(matches), frozenset(targets), tuple(interfaces), has_unknown)
