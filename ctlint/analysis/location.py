# SPDX-License-Identifier: GPL-2.0-only
"""Where rules and policies stand in the input."""

from __future__ import annotations

from ctlint.finding import Location
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.model.netfilter.traverse import PolicyRef
from ctlint.parse.places import line_span


def cause_location(ruleset: Ruleset, cause: RuleRef | PolicyRef) -> Location:
    """The place of a rule, or of the line that declares a policy.

    A base chain that the text does not declare has its place at the first line.
    """
    if isinstance(cause, RuleRef):
        rule = cause.rule
        span = line_span(ruleset.file, rule.line, rule.text)
        return Location(
            ruleset.file,
            span.line,
            span.column,
            span.end_column,
            cause.table,
            cause.chain,
            cause.position,
            rule.text,
        )
    chain = ruleset.chain(cause.table, cause.chain)
    place = chain.span if chain is not None else None
    policy = (chain.policy if chain is not None else None) or "ACCEPT"
    text = f":{cause.chain} {policy}"
    if place is None:
        return Location(ruleset.file, 1, table=cause.table, chain=cause.chain, text=text)
    return Location(
        ruleset.file,
        place.line,
        place.column,
        place.column + len(text),
        cause.table,
        cause.chain,
        None,
        text,
    )
