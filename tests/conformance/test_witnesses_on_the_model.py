# SPDX-License-Identifier: GPL-2.0-only
"""Every witness of a finding, played on the model: what it expects must come.

The live kernel plays them too (tests/kernel/test_witnesses.py); this needs no root, so it plays
those of all dumps.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from ctlint.finding import Finding
from ctlint.ir.sysctl import SysctlSet
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import RuleInfo
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import NEWEST, KernelProfile
from ctlint.model.netfilter.ipsets import address_sets, changed_sets
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.errors import ParseError
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.check import check
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.rulesets import rulesets_of
from ctlint.wire.addresses import Family
from tests.corpus import corpus_files
from tests.rules.pages import example

DUMPS = [
    dump
    for pattern in ("generated/*/ip*tables-save.txt", "public-repaired/*")
    for dump in corpus_files(pattern)
    if dump.suffix not in (".ipset", ".tsv")
]


def unmet(findings: Iterable[Finding], kernel: KernelProfile, ipsets: str = "") -> list[str]:
    """What of that which witnesses expect does not come."""
    missing: list[str] = []
    for finding in findings:
        if finding.witness is None:
            # Of a setting, or of how rules stand to each other.
            assert finding.packet is None
            continue
        expect = [dict(one) for one in finding.witness.expect]
        said = {**finding.witness.scenario, "expect": expect, "ipsets": ipsets}
        scenario = scenario_from_json(said)
        index = RuleIndex(rulesets_of(scenario).values(), scenario.topology.family)
        player = Player(scenario, kernel)
        answers = map(player.step, scenario.steps)
        missing += [
            f"{finding.rule} packet {one.expectation.packet}: {miss.expected}, not {miss.got}"
            for one in check(scenario, answers, index).unmet
            for miss in one.misses
            if not miss.is_open
        ]
    return missing


@pytest.mark.parametrize("info", shipped_rules(), ids=lambda info: info.id)
def test_of_the_rules_own_pages(info: RuleInfo) -> None:
    bad = example(info, "Bad")
    host = Host(bad.rulesets(), bad.sysctls(), texts=bad.texts(), circumstances=bad.told)
    findings = lint([host], bad.kernel, shipped_rules(), persona=info.persona).findings
    assert info.id in {finding.rule for finding in findings}
    assert unmet(findings, bad.kernel) == []


@pytest.mark.corpus
@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: f"{dump.parent.name}-{dump.name}")
def test_of_real_dumps(dump: Path) -> None:
    family = Family.IPV6 if dump.name.startswith("ip6") else Family.IPV4
    text = dump.read_bytes().decode("utf-8", "surrogateescape")
    beside = (dump.parent / "ipset-save.txt", dump.with_name(dump.name + ".ipset"))
    ipsets = next((path.read_text() for path in beside if path.exists()), "")
    try:
        rulesets = parse_rulesets(text, dump.name, family)
        known = parse_ipset_save(ipsets, "ipsets")
    except ParseError as error:
        pytest.skip(f"the parser reports it: {error.problems[0].message[:80]}")
    facts = Facts(sets=address_sets(known, changed_sets(rulesets)))
    host = Host(rulesets, SysctlSet(), facts)
    findings = lint([host], NEWEST, shipped_rules()).findings
    assert unmet(findings, NEWEST, ipsets) == []
