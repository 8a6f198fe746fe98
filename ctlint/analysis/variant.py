# SPDX-License-Identifier: GPL-2.0-only
"""Rule sets that differ from a given one in one thing; rules keep their lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ctlint.ir.rule import AnyMatch, Match, Option, Rule
from ctlint.ir.ruleset import Chain, Ruleset
from ctlint.model.netfilter.chains import RuleRef
from ctlint.model.netfilter.traverse import PolicyRef

_NEVER: Final = Match("ip", (Option("fragment"),))
"""False for every packet: conntrack puts fragments together before any rule."""


def off_loopback(ruleset: Ruleset, names: frozenset[str]) -> Ruleset:
    """The rules as a packet meets them whose interfaces ``names`` are not known, but are not lo."""

    def changed(rule: Rule) -> Rule:
        matches: list[AnyMatch] = []
        for match in rule.matches:
            if not isinstance(match, Match) or match.name != "ip":
                matches.append(match)
                continue
            on_lo = [o for o in match.options if o.name in names and o.value == "lo"]
            if not on_lo:
                matches.append(match)
            elif all(option.negated for option in on_lo):
                rest = tuple(option for option in match.options if option not in on_lo)
                if rest:
                    matches.append(Match("ip", rest, match.implicit))
            else:
                matches.append(_NEVER)
        return rule._replace(matches=tuple(matches))

    def names_lo(rule: Rule) -> bool:
        return any(
            isinstance(match, Match)
            and any(o.name in names and o.value == "lo" for o in match.options)
            for match in rule.matches
        )

    tables = {}
    for table in ruleset.tables.values():
        chains = {}
        for chain in table.chains.values():
            if any(names_lo(rule) for rule in chain.rules):
                rules = tuple(changed(rule) if names_lo(rule) else rule for rule in chain.rules)
                chain = replace(chain, rules=rules)
            chains[chain.name] = chain
        tables[table.name] = replace(table, chains=chains)
    return replace(ruleset, tables=tables)


def without(ruleset: Ruleset, ref: RuleRef) -> Ruleset:
    """The rule set without a rule."""
    chain = ruleset.tables[ref.table].chains[ref.chain]
    rules = chain.rules[: ref.position - 1] + chain.rules[ref.position :]
    return _with_chain(ruleset, ref.table, replace(chain, rules=rules))


def with_accept(ruleset: Ruleset, ref: PolicyRef) -> Ruleset:
    """The rule set with policy ACCEPT in place of another."""
    chain = ruleset.tables[ref.table].chains[ref.chain]
    return _with_chain(ruleset, ref.table, replace(chain, policy="ACCEPT"))


def _with_chain(ruleset: Ruleset, table_name: str, chain: Chain) -> Ruleset:
    table = ruleset.tables[table_name]
    chains = {**table.chains, chain.name: chain}
    return replace(ruleset, tables={**ruleset.tables, table_name: replace(table, chains=chains)})
