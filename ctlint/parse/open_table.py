# SPDX-License-Identifier: GPL-2.0-only
"""A table while its lines are read: chains, policies, rules so far, and known line shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.ir.rule import Counters, Goto, Jump, Rule
from ctlint.ir.ruleset import BUILTIN_CHAINS, Chain, Table
from ctlint.ir.span import Span
from ctlint.parse.errors import Problem
from ctlint.parse.options import VERDICTS, Reading, RuleReader
from ctlint.parse.reach import Limits, find_faults
from ctlint.parse.registry import target_modules
from ctlint.parse.shapes import RuleShapes
from ctlint.wire.addresses import Family

_NO_PACKETS: Final = Counters(0, 0)

# There may be as many chains as rules; the call of their constructor would take as long again.
_new: Final = tuple.__new__


class OpenTable:
    """A table between its ``*`` line and COMMIT."""

    def __init__(self, name: str, family: Family, span: Span) -> None:
        self.name = name
        self.family = family
        self.span = span
        self.rules: dict[str, list[Rule]] = {chain: [] for chain in BUILTIN_CHAINS[name]}
        self.counters: dict[str, Counters] = {}
        # User chains, with the node that all jumps there share.
        self.jumps: dict[str, Jump] = {}
        self.reader = RuleReader(family, name, self.jumps)
        self.shapes = RuleShapes(BUILTIN_CHAINS[name], self.rules, self.jumps)
        self._policies = dict.fromkeys(BUILTIN_CHAINS[name], "ACCEPT")
        self._spans: dict[str, Span] = {}
        # What may be more than the name of a chain.
        self._special_names = target_modules() | {verdict.lower() for verdict in VERDICTS}
        self._longest_special = max(map(len, self._special_names))
        self._limits = Limits()
        self._deleted: dict[str, Span] = {}

    def is_base_chain(self, chain: str) -> bool:
        """Whether the kernel calls the chain."""
        return chain in self._policies

    def add_usual_chain(self, chain: str, span: Span) -> bool:
        """Add a new user chain with counters of zero, as nearly all are; False: it is another."""
        if chain in self.rules or (
            len(chain) <= self._longest_special
            and chain.lower().replace("-", "_") in self._special_names
        ):
            return False
        self.rules[chain] = []
        self.jumps[chain] = _new(Jump, (chain,))
        self.counters[chain] = _NO_PACKETS
        self._spans[chain] = span
        return True

    def declare(self, chain: str, policy: str | None, span: Span) -> None:
        """Add a user chain (``policy`` None), or set the policy of a base chain."""
        self._spans[chain] = span
        if policy is not None:
            self._policies[chain] = policy
        elif chain in self.rules:
            # The nft restore empties a chain that is declared again; the legacy one refuses that.
            self.rules[chain].clear()
        else:
            self.rules[chain] = []
            self.jumps[chain] = Jump(chain)
            # From here on -j means the chain, where it meant the target of that name before.
            self.shapes.forget_targets()

    def note(self, reading: Reading) -> None:
        """Take note of the extensions that a rule uses. Rules of known shapes use no others."""
        for group in (*reading.matches, reading.target):
            if group is not None and group.extension is not None:
                self._limits.add(group.extension)

    def flush(self, chain: str) -> None:
        """Delete the rules of a chain; of all chains, where ``chain`` is empty."""
        for name in [chain] if chain else self.rules:
            self.rules[name].clear()

    def delete(self, chain: str, span: Span) -> str | None:
        """Delete a user chain, or all, where ``chain`` is empty; returns why it cannot be done."""
        if chain and self.is_base_chain(chain):
            return f"{chain!r} is a base chain"
        for name in [chain] if chain else [c for c in self.rules if not self.is_base_chain(c)]:
            if self.rules[name]:
                return f"the chain {name!r} is not empty"
            del self.rules[name], self._spans[name]
            del self.jumps[name]
            self.counters.pop(name, None)
            self._deleted[name] = span
        return None

    def faults(self) -> Iterator[Problem]:
        """What is wrong with the table as a whole."""
        yield from self._dangling()
        yield from find_faults(self.span.file, BUILTIN_CHAINS[self.name], self.rules, self._limits)

    def _dangling(self) -> Iterator[Problem]:
        """Chains that were deleted while rules named them. A rule that was deleted later counts as
        none, though the real restore has stopped by then.
        """
        if not self._deleted:
            return
        used: dict[str, int] = {}
        for rules in self.rules.values():
            for rule in rules:
                if isinstance(rule.target, Jump | Goto):
                    chain = rule.target.chain
                    used[chain] = min(rule.line, used.get(chain, rule.line))
        for chain, span in self._deleted.items():
            if chain in used and (chain not in self.rules or used[chain] < span.line):
                yield Problem(span, f"rules still name the chain {chain!r}")

    def close(self) -> Table:
        """The table, base chains first."""
        declared = [*self._spans, *(chain for chain in self.rules if chain not in self._spans)]
        policies, counters, spans, rules = self._policies, self.counters, self._spans, self.rules
        base_chains = [name for name in declared if name in policies]
        user_chains = [name for name in declared if name not in policies]
        return Table(
            self.name,
            {
                name: _new(
                    Chain,
                    (
                        name,
                        policies.get(name),
                        tuple(rules[name]),
                        counters.get(name),
                        spans.get(name),
                    ),
                )
                for name in (*base_chains, *user_chains)
            },
            self.span,
        )
