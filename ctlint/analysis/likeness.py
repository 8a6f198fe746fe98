# SPDX-License-Identifier: GPL-2.0-only
"""Rules in a row that lose the same packets and differ only in addresses or ports: one cause.

A person who reads a list of 200 blocked addresses sees one thing, and mends it in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from ctlint.analysis.losses import ALL_PORTS, Stranding
from ctlint.headerspace.boxes import merged
from ctlint.ir.rule import Match, Rule
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Chain, Ruleset
from ctlint.model.netfilter.targets import Action, action

_ENDS: Final = frozenset(
    {
        *("source", "destination", "src-range", "dst-range", "mac-source"),
        *("sport", "dport", "sports", "dports", "ports"),
    }
)
"""Options whose value says which ends a rule speaks of."""

_GOES_ON: Final = (Action.CONTINUE, Action.REMEMBER)
"""What may stand between two rules of a row: each address is logged, then dropped."""


def _nothing(ref: RuleRef) -> None:
    del ref


def in_rows(
    strandings: Iterable[Stranding],
    ruleset: Ruleset,
    apart: Callable[[RuleRef], object] = _nothing,
) -> list[Stranding]:
    """The strandings of one role, those of a row of rules as one at the first rule.

    It names the other rules in ``alike`` and has the ports of all. Rules for which ``apart`` gives
    different values do not stand in one row.
    """
    found: list[Stranding] = []
    groups: dict[object, list[tuple[RuleRef, Stranding]]] = {}
    for stranding in strandings:
        if isinstance(stranding.cause, RuleRef):
            groups.setdefault(
                (apart(stranding.cause), _likeness(stranding, stranding.cause)), []
            ).append((stranding.cause, stranding))
        else:
            found.append(stranding)
    for group in groups.values():
        group.sort(key=lambda pair: pair[0].position)
        first = group[0][0]
        chain = ruleset.chain(first.table, first.chain)
        found += (_joined(row) for row in _rows(group, chain))
    return found


def _likeness(stranding: Stranding, cause: RuleRef) -> object:
    """Equal for rules of one chain that lose the same packets in the same way."""
    lost = frozenset(
        (
            one.sender,
            one.kind,
            one.ctstate,
            one.hook,
            one.rejected,
            one.nature,
            one.is_sole,
        )
        for one in stranding.lost
    )
    decisive = (stranding.decisive.sender, stranding.decisive.kind)
    return cause.table, cause.chain, _form(cause.rule), lost, decisive, stranding.confidence


def _form(rule: Rule) -> object:
    """The rule without the values of addresses and ports and without comments to people."""
    matches: list[object] = []
    for match in rule.matches:
        if not isinstance(match, Match):
            matches.append(match)
            continue
        options: list[tuple[str, Any, bool]] = []
        for name, value, negated in match.options:
            if name in _ENDS:
                options.append((name, None, negated))
            elif name == "match-set":
                options.append((name, value[1], negated))
            elif name != "comment":
                options.append((name, value, negated))
        if options or match.name != "comment":
            matches.append((match.name, tuple(options)))
    return tuple(matches), rule.target


def _rows(
    group: Sequence[tuple[RuleRef, Stranding]], chain: Chain | None
) -> Iterator[list[Stranding]]:
    """The group, parted where a rule of another form decides between two of its rules."""
    row: list[Stranding] = []
    last = 0
    for cause, stranding in group:
        between = chain.rules[last : cause.position - 1] if chain is not None else ()
        if row and not all(_may_stand_between(rule, cause.rule) for rule in between):
            yield row
            row = []
        row.append(stranding)
        last = cause.position
    yield row


def _may_stand_between(rule: Rule, like: Rule) -> bool:
    return action(rule.target) in _GOES_ON or _form(rule) == _form(like)


def _joined(row: Sequence[Stranding]) -> Stranding:
    first = row[0]
    if len(row) == 1:
        return first
    ports = merged(ports for each in row for ports in each.ports or (ALL_PORTS,))
    return replace(
        first,
        ports=() if ports == (ALL_PORTS,) else ports,
        alike=tuple(each.cause for each in row[1:]),
    )
