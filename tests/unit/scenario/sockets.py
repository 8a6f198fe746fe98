# SPDX-License-Identifier: GPL-2.0-only
"""Socket scripts played in tests."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.world.bounds import USUAL_BOUNDS, Bounds
from ctlint.parse.errors import ParseError, Problem
from ctlint.scenario.rule_index import RuleIndex, index_rules
from ctlint.scenario.script_settings import Reference
from ctlint.scenario.socket_check import check_story
from ctlint.scenario.socket_plan import Plan
from ctlint.scenario.socket_play import SocketPlayer
from ctlint.scenario.socket_script import read_socket_script, socket_plans
from ctlint.scenario.socket_story import Story
from ctlint.wire.addresses import Family


def filter_rules(*rules: str, policy: str = "ACCEPT") -> str:
    """A dump of the table filter."""
    chains = [f":{chain} {policy} [0:0]" for chain in ("INPUT", "FORWARD", "OUTPUT")]
    return "\n".join(["*filter", *chains, *(f"-A {rule}" for rule in rules), "COMMIT", ""])


def plans_of(text: str, files: Mapping[str, str] | None = None) -> tuple[Plan, ...]:
    """The tests of a script, with the texts of the files that it names."""
    script = read_socket_script(text, "f.ctw")
    contents = {each: (files or {})[each.path] for each in script.references}

    def index(reference: Reference | None, family: Family) -> RuleIndex:
        return index_rules("" if reference is None else contents[reference], "rules", family)

    return socket_plans(script, contents, index)


def problems_of(text: str, files: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """What is wrong with a script."""
    with pytest.raises(ParseError) as caught:
        plans_of(text, files)
    return caught.value.problems


def play(
    text: str,
    files: Mapping[str, str] | None = None,
    kernel: KernelProfile | None = None,
    bounds: Bounds = USUAL_BOUNDS,
) -> Story:
    """A script of one test, played."""
    (plan,) = plans_of(text, files)
    return SocketPlayer(plan, kernel, bounds).play()


def misses(text: str, files: Mapping[str, str] | None = None) -> list[tuple[int, str]]:
    """What came instead of what a script of one test expects, with the line of each claim."""
    return [
        (miss.claim.span.line, miss.got)
        for unmet in check_story(play(text, files))
        for miss in unmet.misses
    ]
