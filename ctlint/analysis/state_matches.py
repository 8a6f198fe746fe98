# SPDX-License-Identifier: GPL-2.0-only
"""Which ctstates a rule asks for."""

from __future__ import annotations

from typing import Final

from ctlint.ir.rule import Match, Rule

ALL_STATES: Final = frozenset({"INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED"})
"""What a packet can be; SNAT and DNAT come on top of it."""

STATE_MATCHES: Final = frozenset({"conntrack", "state"})


def named_states(rule: Rule) -> frozenset[str] | None:
    """The ctstates that a rule lets through; None where it does not ask."""
    found: frozenset[str] | None = None
    for match in rule.matches:
        if match.name in STATE_MATCHES and isinstance(match, Match):
            for option in match.options:
                if option.name in ("ctstate", "state"):
                    named = frozenset(option.value)
                    let = ALL_STATES - named if option.negated else named
                    found = let if found is None else found & let
    return found
