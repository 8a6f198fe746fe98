# SPDX-License-Identifier: GPL-2.0-only
"""Makes a scenario that fails as small as it goes: rules, steps, topology and sysctls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product, takewhile
from typing import Literal

from ctlint.scenario.scenario import Scenario, Send
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import ICMP, ICMPV6
from tests.conformance.random_scenarios import topology_of

_KINDS = ("forward", "orig", "reply", "lo")
"""Of topologies, the plainest first."""


class _Search:
    """Asks whether candidates still fail, as often as it may."""

    def __init__(self, still_fails: Callable[[Scenario], bool], most_tries: int) -> None:
        self._still_fails = still_fails
        self._left = most_tries

    def fails(self, candidate: Scenario) -> bool:
        """Whether it does; no, when there are no tries left."""
        self._left -= 1
        return self._left >= 0 and self._still_fails(candidate)


def shrink(
    scenario: Scenario,
    still_fails: Callable[[Scenario], bool],
    default_of: Callable[[str], int | None],
    most_tries: int = 500,
) -> Scenario:
    """A smaller scenario that still fails, found greedily.

    First runs of steps go, then single ones; so do lines of rule sets, then single matches. The
    plainest topology follows, then only those sysctls stay that are needed: what is a default, as
    `default_of` tells, goes first. Each candidate costs one call; after `most_tries` of them it
    ends with what it has by then.
    """
    search = _Search(still_fails, most_tries)
    scenario = _with_fewer_steps(scenario, search)
    for key in _RULESETS:
        scenario = _with_fewer_rules(scenario, key, search)
    if scenario.ipsets and search.fails(replace(scenario, ipsets="")):
        scenario = replace(scenario, ipsets="")
    scenario = next(filter(search.fails, _in_plainer_topologies(scenario)), scenario)
    scenario = _with_fewer_sysctls(scenario, default_of, search)
    return _with_fewer_steps(scenario, search)


def _with_fewer_steps(scenario: Scenario, search: _Search) -> Scenario:
    size = max(len(scenario.steps) // 2, 1)
    while size:
        start = 0
        while start < len(scenario.steps):
            steps = scenario.steps[:start] + scenario.steps[start + size :]
            candidate = replace(scenario, steps=steps)
            if steps and search.fails(candidate):
                scenario = candidate
            else:
                start += size
        size //= 2
    return scenario


_RuleSet = Literal["ruleset", "ruleset6"]
_RULESETS: tuple[_RuleSet, ...] = ("ruleset", "ruleset6")
_MATCH = re.compile(
    r" (?:! )?-(?:m|s|d|i|o) (?:\"(?:[^\"\\]|\\.)*\"|(?! -[mjg] )[^\"])*?(?= (?:! )?-[msdiojg] |$)"
)


def _with_fewer_rules(scenario: Scenario, key: _RuleSet, search: _Search) -> Scenario:
    """Without the rule set, then without its tables, lines, and matches, where it still fails."""

    def put(tables: Sequence[Sequence[str]]) -> Scenario:
        text = "".join(f"{line}\n" for table in tables for line in table)
        if key == "ruleset":
            return replace(scenario, ruleset=text)
        return replace(scenario, ruleset6=text)

    text: str = getattr(scenario, key)
    if not text:
        return scenario
    tables = [part.split("\n") for part in re.findall(r"^\*.*?^COMMIT", text, re.M | re.S)]
    for number in range(len(tables) - 1, -1, -1):
        fewer = tables[:number] + tables[number + 1 :]
        if search.fails(put(fewer)):
            tables = fewer
    for number, table in enumerate(tables):
        before, behind = tables[:number], tables[number + 1 :]
        for lines in _with_fewer_lines(table):
            if search.fails(put([*before, lines, *behind])):
                table[:] = lines
    return put(tables) if search.fails(put(tables)) else scenario


def _with_fewer_lines(table: list[str]) -> Iterator[list[str]]:
    """The table without some lines, then with fewer matches; it may change in between."""
    size = len(table) // 2
    while size:
        start = 1
        while start < len(table) - 1:
            before = list(table)
            end = min(start + size, len(table) - 1)
            # A base chain that is not named may not be there at all.
            kept = [line for line in table[start:end] if re.match(r":[A-Z]+ [A-Z]", line)]
            if len(kept) < end - start:
                yield [*table[:start], *kept, *table[end:]]
            start = end if table == before else start
        size //= 2
    for index in range(len(table)):
        found = list(_MATCH.finditer(table[index])) if table[index].startswith("-A ") else []
        for match in reversed(found):
            line = table[index]
            yield [*table[:index], line[: match.start()] + line[match.end() :], *table[index + 1 :]]


def _in_plainer_topologies(scenario: Scenario) -> Iterator[Scenario]:
    """The same steps elsewhere; steps that name addresses stay with their family."""
    if scenario.ruleset or scenario.ruleset6:
        return
    before = scenario.topology.family
    sends = [step for step in scenario.steps if isinstance(step, Send)]
    stays = any(
        not (send.saddr is send.daddr is None) or send.protocol in (ICMP, ICMPV6) for send in sends
    )
    places = (topology_of(kind, family) for family, kind in product(Family, _KINDS))
    for topology, flow in takewhile(lambda place: place[0] != scenario.topology, places):
        if topology.family is before or not stays:
            yield replace(scenario, topology=topology, flow=flow)


def _with_fewer_sysctls(
    scenario: Scenario, default_of: Callable[[str], int | None], search: _Search
) -> Scenario:
    own = {name: value for name, value in scenario.sysctls.items() if value != default_of(name)}
    for fewer in ({}, own):
        candidate = replace(scenario, sysctls=fewer)
        if len(fewer) < len(scenario.sysctls) and search.fails(candidate):
            scenario = candidate
    for name in tuple(scenario.sysctls):
        rest = {other: value for other, value in scenario.sysctls.items() if other != name}
        candidate = replace(scenario, sysctls=rest)
        if search.fails(candidate):
            scenario = candidate
    return scenario
