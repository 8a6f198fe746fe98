# SPDX-License-Identifier: GPL-2.0-only
"""The table of docs/evidence.md, played again on the kernel of this machine."""

from __future__ import annotations

import platform

import pytest

from ctlint.lab.lab import Lab
from ctlint.lint.registry import shipped_rules
from ctlint.model.kernel.profiles import profile
from tools.rule_evidence import PAGE, exact_release, page, played, recordings, scenarios_of

RELEASE = exact_release()
RECORDED = recordings()


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "python -m tools.rule_evidence"


PLAYED = sorted({rule for one in RECORDED.values() for rule in one})
RULES = {info.id: info for info in shipped_rules()}


def test_of_all_others_there_is_nothing_to_play() -> None:
    assert [rule for rule in RULES if scenarios_of(RULES[rule])] == PLAYED


@pytest.mark.netns
@pytest.mark.parametrize("rule", PLAYED)
def test_this_kernel_shows_it(rule: str, lab: Lab) -> None:
    shown = played(lab, RULES[rule], profile(platform.release()))
    assert shown is not None
    assert shown.is_sound
    if RELEASE in RECORDED:
        assert shown == RECORDED[RELEASE][rule]
    if not shown.shown:
        pytest.skip(f"Linux {RELEASE} does otherwise, as its model says")


def test_what_is_shown_nowhere_is_of_kernels_that_were_not_there() -> None:
    nowhere = {
        rule
        for rule in RECORDED["6.18.44"]
        if not any(one[rule].shown for one in RECORDED.values())
    }
    assert nowhere == {"CT208", "CT306"}
