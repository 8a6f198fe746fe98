# SPDX-License-Identifier: GPL-2.0-only
"""What rules share by a name: the lists of ``recent``, the tables of ``hashlimit``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ctlint.ir.rule import Match
from ctlint.ir.ruleset import Ruleset
from ctlint.model.netfilter.matches.rates import hash_table
from ctlint.model.netfilter.matches.recent import recent_list
from ctlint.model.netfilter.memory import Memory
from ctlint.wire.addresses import Family

_NAMED: Final = frozenset({"hashlimit", "recent"})


def named_matches(ruleset: Ruleset) -> tuple[Match, ...]:
    """The matches of a rule set that share something by a name, in the order of the rules."""
    return tuple(
        match
        for *_, rule in ruleset.rules()
        for match in rule.matches
        if isinstance(match, Match) and match.name in _NAMED
    )


def make_named(memory: Memory, matches: Iterable[Match], family: Family) -> None:
    """Make the lists and tables of a rule set when it is loaded: the first rule that names one says
    how it is, and the one that asks most of a list how much it remembers.
    """
    for match in matches:
        if match.name == "hashlimit":
            hash_table(memory, match, family)
        else:
            recent_list(memory, match)
