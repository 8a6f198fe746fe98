# SPDX-License-Identifier: GPL-2.0-only
"""Plays a witness on the model: what it expects must come."""

from __future__ import annotations

from ctlint.finding import Witness
from ctlint.model.kernel.profiles import profile
from ctlint.scenario.check import check
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.rulesets import rulesets_of


def unmet(witness: Witness) -> list[str]:
    """What of the expected answers does not come; what the model leaves open does not count."""
    expect = [dict(one) for one in witness.expect]
    scenario = scenario_from_json({**witness.scenario, "expect": expect})
    index = RuleIndex(rulesets_of(scenario).values(), scenario.topology.family)
    player = Player(scenario, profile(str(witness.scenario["kernel"])))
    return [
        f"packet {one.expectation.packet}: {miss.expected}, not {miss.got}"
        for one in check(scenario, map(player.step, scenario.steps), index).unmet
        for miss in one.misses
        if not miss.is_open
    ]
