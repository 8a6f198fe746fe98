# SPDX-License-Identifier: GPL-2.0-only
"""A rule and where it stands."""

from __future__ import annotations

from typing import NamedTuple

from ctlint.ir.rule import Rule
from ctlint.ir.ruleset import Ruleset


class RuleRef(NamedTuple):
    """A rule and where it stands; ``position`` counts from 1."""

    table: str
    chain: str
    position: int
    rule: Rule

    def __str__(self) -> str:
        return f"{self.table}/{self.chain}#{self.position}"


def ref_named(ruleset: Ruleset, words: str) -> RuleRef:
    """The rule that a reference in words, as RuleRef has it, stands for."""
    place, _, position = words.rpartition("#")
    table, _, chain = place.partition("/")
    number = int(position)
    return RuleRef(table, chain, number, ruleset.tables[table].chains[chain].rules[number - 1])
