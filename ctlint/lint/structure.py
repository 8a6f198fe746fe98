# SPDX-License-Identifier: GPL-2.0-only
"""Findings about rules as they stand in the file, and the rules to look at."""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.finding import Confidence, Finding, Severity
from ctlint.ir.rule import Match, Rule
from ctlint.ir.rule_ref import RuleRef
from ctlint.lint.context import Context


def rules_from(ctx: Context, table: str, *bases: str) -> Iterator[RuleRef]:
    """The rules of the chains to which calls lead from these base chains, each once."""
    found = ctx.subject.ruleset.tables.get(table)
    if found is None:
        return
    called = set().union(*(found.called_from(base) for base in bases))
    for chain in found.chains.values():
        if chain.name in called:
            for position, rule in enumerate(chain.rules, 1):
                yield RuleRef(table, chain.name, position, rule)


def matches(rule: Rule, *names: str) -> Iterator[Match]:
    """The matches of a rule that have one of these names."""
    for match in rule.matches:
        if isinstance(match, Match) and match.name in names:
            yield match


def protocol(rule: Rule) -> int | None:
    """The protocol that a rule asks for; None where it is any, or all but one."""
    for match in matches(rule, "ip", "ip6"):
        option = match.get("protocol")
        if option is not None and not option.negated:
            number: int = option.value
            return number
    return None


def rule_finding(
    ctx: Context, ref: RuleRef, severity: Severity, message: str, remedy: str
) -> Finding:
    """A finding at a rule that is about no packet."""
    return Finding(
        rule=ctx.info.id,
        name=ctx.info.name,
        severity=severity,
        confidence=Confidence.CERTAIN,
        message=message,
        remedy=remedy,
        location=ctx.location(ref),
        family=ctx.subject.ruleset.family,
    )
