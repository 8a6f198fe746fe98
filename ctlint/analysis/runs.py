# SPDX-License-Identifier: GPL-2.0-only
"""Rules in a row that do the same, which are asked at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ctlint.ir.rule import Match, Rule
from ctlint.model.netfilter.ready import ReadyRule
from ctlint.model.netfilter.targets import HARMLESS, Action

_BATCHED: Final = frozenset({Action.ACCEPT, Action.DROP, Action.REJECT, Action.RETURN})


def runs_of(all_rules: Sequence[ReadyRule]) -> Iterator[Sequence[ReadyRule]]:
    """The rules in their order, those together that do the same; without those that only log."""
    rules = [rule for rule in all_rules if not _is_harmless(rule)]
    start = 0
    for at in range(1, len(rules) + 1):
        if at == len(rules) or not _is_like(rules[start], rules[at]):
            yield rules[start:at]
            start = at


def _is_harmless(rule: ReadyRule) -> bool:
    """Whether a rule lets packets go on as they are: in the raw table CT does not."""
    is_template = rule.action is Action.INSTRUCT and rule.ref.table == "raw"
    return rule.action in HARMLESS and not is_template


def _is_like(one: ReadyRule, other: ReadyRule) -> bool:
    if one.action is not other.action:
        return False
    if one.action is Action.JUMP:
        both = one.ref.rule, other.ref.rule
        return both[0].target == both[1].target and all(map(_asks_for_points, both))
    return one.action in _BATCHED


def _asks_for_points(rule: Rule) -> bool:
    """Whether a rule asks for nothing but ends: what is lost behind it is never its own loss."""
    return all(
        isinstance(match, Match) and match.name in _PLAIN and not _names_flags(match)
        for match in rule.matches
    )


def _names_flags(match: Match) -> bool:
    return match.get("tcp-flags") is not None or match.get("syn") is not None


_PLAIN: Final = frozenset({"ip", "iprange", "multiport", "set", "tcp", "comment"})
