# SPDX-License-Identifier: GPL-2.0-only
"""What rules share by a name: the lists of ``recent``, the tables of ``hashlimit``."""

from __future__ import annotations

from ctlint.ir.rule import Match
from ctlint.ir.ruleset import Ruleset
from ctlint.model.netfilter.matches.rates import hash_table
from ctlint.model.netfilter.matches.recent import recent_list
from ctlint.model.netfilter.memory import Memory


def make_named(memory: Memory, ruleset: Ruleset) -> None:
    """Make the lists and tables of a rule set when it is loaded: the first rule that names one says
    how it is, and the one that asks most of a list how much it remembers.
    """
    for *_, rule in ruleset.rules():
        for match in rule.matches:
            if not isinstance(match, Match):
                continue
            if match.name == "hashlimit":
                hash_table(memory, match, ruleset.family)
            elif match.name == "recent":
                recent_list(memory, match)
