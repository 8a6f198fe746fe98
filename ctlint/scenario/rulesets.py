# SPDX-License-Identifier: GPL-2.0-only
"""The rule sets of a scenario, read and made ready."""

from __future__ import annotations

from functools import lru_cache

from ctlint.ir.ruleset import Ruleset
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts, Mac, Owner
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros


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
            (found[family],) = parsed(text, family)
        except ParseError as error:
            raise unreadable(key, error, scenario) from None
        except ValueError:
            raise ScenarioError(f"{key} holds several dumps", name=scenario.name) from None
        if found[family].family is not family:
            other = "IPv4" if family is Family.IPV6 else "IPv6"
            raise ScenarioError(f"{key} holds rules of {other}", name=scenario.name)
    return found


def chains_of(scenario: Scenario, counting_sets: frozenset[str]) -> dict[Family, ChainStore]:
    """The same made ready for walking, once for scenarios that follow one another on one firewall.

    `counting_sets` are its ipsets that count packets. Raises ScenarioError as `rulesets_of` does.
    """
    found: dict[Family, ChainStore] = {}
    facts = scenario.facts
    rest = (facts.clock, facts.owner, facts.mac, counting_sets)
    for family in rulesets_of(scenario):
        text = scenario.ruleset if family is Family.IPV4 else scenario.ruleset6
        found[family] = _ready(text, family, *rest)
    return found


@lru_cache(maxsize=8)
def parsed(text: str, family: Family) -> tuple[Ruleset, ...]:
    """The rule sets of a text, kept for the next scenario with the same.

    They and the ParseError that it raises know no file: the text has any number of them.
    """
    return parse_rulesets(text, "", family)


@lru_cache(maxsize=4)
def _ready(
    text: str,
    family: Family,
    clock: Micros | None,
    owner: Owner | None,
    mac: Mac | None,
    counting_sets: frozenset[str],
) -> ChainStore:
    (ruleset,) = parsed(text, family)
    facts = Facts(clock=clock, owner=owner, mac=mac, counting_sets=counting_sets)
    return ChainStore(ruleset, facts)


def unreadable(key: str, error: ParseError, scenario: Scenario) -> ScenarioError:
    """What is wrong with the first line of a text that cannot be read."""
    problem = error.problems[0]
    where = f"{key}, line {problem.span.line}, column {problem.span.column}"
    return ScenarioError(f"{where}: {problem.message}", name=scenario.name)
