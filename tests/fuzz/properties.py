# SPDX-License-Identifier: GPL-2.0-only
"""What holds for every text that the reader of dumps gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctlint.ir.ruleset import Ruleset
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.wire.addresses import Family

Outcome = tuple[Ruleset, ...] | tuple[Problem, ...]


def outcome(text: str, family: Family | None, *, learn_shapes: bool = True) -> Outcome:
    """The rule sets of a text, or its problems; nothing else may come."""
    try:
        return parse_rulesets(text, "f", family, learn_shapes=learn_shapes)
    except ParseError as error:
        return error.problems


def assert_same(text: str, family: Family | None) -> Outcome:
    """Line shapes read what the grammar alone reads: the same rules, or the same problems."""
    found = outcome(text, family)
    assert found == outcome(text, family, learn_shapes=False)
    return found


def check_text(text: str) -> None:
    """All properties of one text."""
    found = assert_same(text, None)
    assert found, "neither rules nor problems"
    for part in found:
        if isinstance(part, Problem):
            assert_inside(part, text)
        else:
            assert_prints_back(part)
    assert sum(isinstance(part, Problem) for part in found) <= MAX_PROBLEMS + 1


def assert_inside(problem: Problem, text: str) -> None:
    """A problem stands on a line of the text, within its columns."""
    lines = text.split("\n")
    _, line, column, end_column = problem.span
    assert 1 <= line <= len(lines), problem
    assert 1 <= column <= end_column <= len(lines[line - 1]) + 1, problem
    assert problem.message


def assert_prints_back(ruleset: Ruleset) -> None:
    """The printed form reads back to the same tables, chains and rules."""
    text = print_ruleset(ruleset)
    (again,) = parse_rulesets(text, "f", ruleset.family)
    assert list(meaning(again)) == list(meaning(ruleset))


def meaning(ruleset: Ruleset) -> Iterator[tuple[Any, ...]]:
    """What a rule set says, without places and texts. Chains count in any order."""
    for table in ruleset.tables.values():
        for name, chain in sorted(table.chains.items()):
            rules = [(rule.matches, rule.target, rule.counters) for rule in chain.rules]
            yield table.name, name, chain.policy, without_implicit(rules)


def without_implicit(rules: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rules with ``implicit`` forgotten: what ``-p`` loaded is printed with its ``-m``."""
    return [
        (
            tuple(
                match._replace(implicit=False) if hasattr(match, "implicit") else match
                for match in matches
            ),
            target,
            counters,
        )
        for matches, target, counters in rules
    ]
