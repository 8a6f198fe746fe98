# SPDX-License-Identifier: GPL-2.0-only
"""Makes a scenario that fails as small as it goes: steps, topology and sysctls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product, takewhile

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

    First runs of steps go, then single ones. The plainest topology follows, then only those
    sysctls stay that are needed: what is a default, as `default_of` tells, goes first. Each
    candidate costs one call; after `most_tries` of them it ends with what it has by then.
    """
    search = _Search(still_fails, most_tries)
    scenario = _with_fewer_steps(scenario, search)
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
