# SPDX-License-Identifier: GPL-2.0-only
"""The rule sets and ipsets of a scenario, read and made ready.

What was read is kept for the scenarios that follow on the same firewall. It and its errors know no
file: the same text may stand in several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from ctlint.ir.ipset import Ipset
from ctlint.ir.ruleset import Ruleset
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.errors import ParseError
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.wire.addresses import Family


@lru_cache(maxsize=8)
def ruleset_of(text: str, family: Family) -> Ruleset:
    """The one rule set of a text. Raises ParseError, and ScenarioError where it is another one's or
    there are several.
    """
    found, *others = parse_rulesets(text, "", family)
    if others:
        raise ScenarioError("holds several dumps")
    if found.family is not family:
        other = "IPv4" if family is Family.IPV6 else "IPv6"
        raise ScenarioError(f"holds rules of {other}")
    return found


@lru_cache(maxsize=4)
def ipsets_of(text: str) -> Mapping[str, Ipset]:
    """The ipsets of a text, by name. Raises ParseError."""
    return parse_ipset_save(text, "")


def rulesets_of(scenario: Scenario) -> dict[Family, Ruleset]:
    """The rule sets of a scenario. Raises ScenarioError at the first line that cannot be read."""
    found: dict[Family, Ruleset] = {}
    for key, text, family in (
        ("ruleset", scenario.ruleset, Family.IPV4),
        ("ruleset6", scenario.ruleset6, Family.IPV6),
    ):
        if not text:
            continue
        try:
            found[family] = ruleset_of(text, family)
        except ParseError as error:
            raise unreadable(key, error, scenario) from None
        except ScenarioError as error:
            raise ScenarioError(f"{key} {error.message}", name=scenario.name) from None
    return found


def chains_of(scenario: Scenario, counting_sets: frozenset[str]) -> dict[Family, ChainStore]:
    """The same made ready for walking. `counting_sets` are its ipsets that count packets.

    Raises ScenarioError as `rulesets_of` does.
    """
    facts = replace(scenario.facts, counting_sets=counting_sets)
    texts = {Family.IPV4: scenario.ruleset, Family.IPV6: scenario.ruleset6}
    return {family: _ready(texts[family], family, facts) for family in rulesets_of(scenario)}


@lru_cache(maxsize=4)
def _ready(text: str, family: Family, facts: Facts) -> ChainStore:
    return ChainStore(ruleset_of(text, family), facts)


def unreadable(key: str, error: ParseError, scenario: Scenario) -> ScenarioError:
    """What is wrong with the first line of a text that cannot be read."""
    problem = error.problems[0]
    where = f"{key}, line {problem.span.line}, column {problem.span.column}"
    return ScenarioError(f"{where}: {problem.message}", name=scenario.name)
