# SPDX-License-Identifier: GPL-2.0-only
"""The examples of every rule page: found where the page says so, and loadable by the real tools."""

from __future__ import annotations

import pytest

from ctlint.finding import Finding
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import RuleInfo
from ctlint.lint.runner import Host, lint
from tests.netns import PrivateNetns
from tests.rules.pages import Example, Expected, example

RULES = pytest.mark.parametrize("info", shipped_rules(), ids=lambda info: info.id)
HEADINGS = pytest.mark.parametrize("heading", ["Bad", "Good"])


def findings(one: Example, info: RuleInfo) -> tuple[Finding, ...]:
    """What those are told to whom the rule is shown."""
    texts, told = one.texts(), one.told
    host = Host(one.rulesets(), one.sysctls(), texts=texts, circumstances=told)
    return lint([host], one.kernel, shipped_rules(), persona=info.persona).findings


def found_in(one: Example, info: RuleInfo) -> set[Expected]:
    return {
        Expected(f.rule, f.role.value if f.role else "", f.location.file, f.location.line)
        for f in findings(one, info)
        if f.suppressed is None
    }


@RULES
def test_bad_example_has_exactly_the_findings_it_names(info: RuleInfo) -> None:
    one = example(info, "Bad")
    # Every finding of this rule must stand under its line, and those of other rules too.
    assert found_in(one, info) == one.expected
    assert any(expected.rule == info.id for expected in one.expected)


@RULES
def test_good_example_has_no_finding_of_its_rule(info: RuleInfo) -> None:
    one = example(info, "Good")
    # What is good for one rule may not be for another: that is named.
    assert found_in(one, info) == one.expected
    assert not any(expected.rule == info.id for expected in one.expected)


@pytest.mark.netns
@RULES
@HEADINGS
def test_the_real_restore_loads_it(info: RuleInfo, heading: str, netns: PrivateNetns) -> None:
    one = example(info, heading)
    for restore in ("iptables-legacy-restore", "iptables-nft-restore"):
        netns.run([restore, "--test"], input=one.rules)
        if one.nft_rules:
            netns.run([restore, "--test"], input=one.nft_rules)
        if one.rules6:
            netns.run([f"ip6{restore.removeprefix('ip')}", "--test"], input=one.rules6)
