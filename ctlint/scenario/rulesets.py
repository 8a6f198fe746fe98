# SPDX-License-Identifier: GPL-2.0-only
"""The rule sets of a scenario, read."""

from __future__ import annotations

from functools import lru_cache

from ctlint.ir.ruleset import Ruleset
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.wire.addresses import Family


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
            (found[family],) = _parsed(text, key, family)
        except ParseError as error:
            raise unreadable(key, error, scenario) from None
        except ValueError:
            raise ScenarioError(f"{key} holds several dumps", name=scenario.name) from None
    return found


@lru_cache(maxsize=4)
def _parsed(text: str, key: str, family: Family) -> tuple[Ruleset, ...]:
    # The scenarios of one firewall follow one another.
    return parse_rulesets(text, key, family)


def unreadable(key: str, error: ParseError, scenario: Scenario) -> ScenarioError:
    """What is wrong with the first line of a text that cannot be read."""
    problem = error.problems[0]
    where = f"{key}, line {problem.span.line}, column {problem.span.column}"
    return ScenarioError(f"{where}: {problem.message}", name=scenario.name)
