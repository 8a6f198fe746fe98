# SPDX-License-Identifier: GPL-2.0-only
"""Rule sets that differ from a given one in one thing; rules keep their lines."""

from __future__ import annotations

from dataclasses import replace

from ctlint.ir.ruleset import Chain, Ruleset
from ctlint.model.netfilter.chains import RuleRef
from ctlint.model.netfilter.traverse import PolicyRef


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
