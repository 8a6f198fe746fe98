# SPDX-License-Identifier: GPL-2.0-only
"""Findings about rules that no packet comes to. They are about structure: no packet is lost, so
they have no witness; the rules that take the packets before prove them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ctlint.analysis.reach import Shadowed
from ctlint.analysis.state_matches import STATE_MATCHES, named_states
from ctlint.finding import Confidence, Finding, Location, Severity
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Table
from ctlint.lint.context import Context
from ctlint.model.netfilter.targets import Action, action

MAX_NAMED: Final = 5
"""Rules that are named for one that they shadow."""
_SAME: Final = {Action.REJECT: Action.DROP}
"""Actions that come to the same: the packet is gone."""


def shadowed_rules(ctx: Context, *, of_state: bool) -> Iterator[Finding]:
    """Findings for the shadowed rules that ask for the ctstate, or for all others. Rules of one
    chain that are shadowed by the same rules are one finding, at the first.
    """
    for table in ctx.subject.ruleset.tables.values():
        if table.rule_count < 2 or (of_state and not _asks_for_state(table)):
            continue
        groups: dict[tuple[object, ...], list[Shadowed]] = {}
        for one in ctx.subject.shadows_in(table).rules:
            if (named_states(one.ref.rule) is not None) is of_state:
                key = (one.ref.chain, one.takers, ctx.subject.apart(one.ref))
                groups.setdefault(key, []).append(one)
        for group in groups.values():
            yield _finding(ctx, group)


def _asks_for_state(table: Table) -> bool:
    return bool(table.parts.matches & STATE_MATCHES) and any(
        named_states(rule) is not None for chain in table.chains.values() for rule in chain.rules
    )


def _finding(ctx: Context, group: list[Shadowed]) -> Finding:
    first, more = group[0], len(group) - 1
    takers = first.takers
    others = f" (nor to {more:,} more of this chain)" if more else ""
    return Finding(
        rule=ctx.info.id,
        name=ctx.info.name,
        severity=Severity.NOTE,
        confidence=Confidence.CERTAIN,
        message=f"no packet comes to this rule{others}: {_who_takes(takers)} "
        f"whatever it could match{_to_what_end(group)}",
        remedy="put it before them, if it says what is meant; otherwise leave it out",
        location=ctx.location(first.ref),
        related=tuple(_places(ctx, takers)),
        family=ctx.subject.ruleset.family,
        further=ctx.subject.further([one.ref for one in group]),
    )


def _who_takes(takers: Iterable[object]) -> str:
    count = len(tuple(takers))
    if count == 0:
        return "rules before it take"
    return "a rule before it takes" if count == 1 else f"{count} rules before it take"


def _to_what_end(group: list[Shadowed]) -> str:
    """Whether the packets fare as the rules that they do not come to would have it."""
    wanted = {_effect(one) for one in group}
    done = {_SAME.get(does, does) for does in (action(ref.rule.target) for ref in group[0].takers)}
    if len(wanted) == 1 and wanted == done and done <= {Action.ACCEPT, Action.DROP}:
        return ", and does the same with it" if len(group[0].takers) == 1 else ", to the same end"
    if done and not wanted & done and wanted <= {Action.ACCEPT, Action.DROP}:
        return ", and not to the same end"
    return ""


def _effect(one: Shadowed) -> Action:
    does = action(one.ref.rule.target)
    return _SAME.get(does, does)


def _places(ctx: Context, takers: tuple[RuleRef, ...]) -> Iterator[Location]:
    for taker in takers[:MAX_NAMED]:
        yield ctx.location(taker, "takes its packets")
