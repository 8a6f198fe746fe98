# SPDX-License-Identifier: GPL-2.0-only
"""What the live kernel loses after expiry under random rules, against what lint says of them."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import replace
from typing import Final

import pytest

from ctlint.finding import LintResult
from ctlint.lab.lab import Lab
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import UnknownKernel, profile
from ctlint.scenario.scenario import Scenario
from ctlint.wire.addresses import Family
from tests.conformance.closes import CLOSING, Place, try_connection
from tests.conformance.command import Told, fresh_seed
from tests.conformance.coverage_of_losses import Claim, claim_of, lint_of, refutation, ruleset_of
from tests.conformance.lint_campaign import Figures, Setup, missed, run
from tests.conformance.random_scenarios import topology_of

pytestmark = pytest.mark.netns

RULESETS: Final = {False: 15, True: 10}
"""How many without rules that translate connections, and with such."""
TOLD: Final = 3

RULES: Final = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j DROP
-A OUTPUT -p tcp -m tcp --sport 80 -m conntrack --ctstate INVALID -j DROP
-A OUTPUT -p tcp -m tcp --tcp-flags RST RST -j DROP
COMMIT
"""


@pytest.fixture(scope="module")
def setup(lab: Lab) -> Setup:
    """Lint for the kernel of this machine, and that kernel."""
    try:
        return Setup(profile(platform.release()), lab)
    except UnknownKernel as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("has_nat", [False, True], ids=["no-nat", "nat"])
def test_lint_says_what_the_kernel_does(
    has_nat: bool, setup: Setup, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = fresh_seed()
    with capsys.disabled():
        sys.stderr.write(f"\nCTLINT_SEED={seed}\n")
    faults: list[Told] = []
    rulesets = RULESETS[has_nat]
    figures = run(seed, None, setup, rulesets, faults.append, has_nat=has_nat)
    told = "\n".join(json.dumps(fault.report(setup.kernel)) for fault in faults[:TOLD])
    assert not faults, f"CTLINT_SEED={seed}: {figures}\n{told}"
    # The campaign must have met what it is about.
    assert figures.opened > rulesets, str(figures)
    assert figures.covered > rulesets, str(figures)
    assert figures.confirmed > rulesets, str(figures)


def of_server(port: int) -> Scenario:
    topology, flow = topology_of("reply", Family.IPV4)
    return Scenario("", None, {}, RULES, "", topology, replace(flow, dport=port), (CLOSING[0],))


def said(setup: Setup) -> LintResult:
    one = of_server(80)
    return lint_of(one, ruleset_of(one), setup.kernel)


def test_losses_are_those_of_expiry(setup: Setup) -> None:
    one = of_server(80)
    tried = try_connection(setup.lab, one, ruleset_of(one))
    # The host's RST is lost with an entry too.
    found = [(loss.packet.sender, loss.packet.flags.letters) for loss in tried.losses]
    assert found == [(Dir.REPLY, "FA")]
    assert tried.losses[0].place == Place("filter", "OUTPUT", 1)
    assert not tried.is_translated


def test_what_does_not_open_loses_nothing(setup: Setup) -> None:
    one = of_server(22)
    assert not try_connection(setup.lab, one, ruleset_of(one)).is_opened


def test_campaign_finds_a_lint_that_says_nothing(setup: Setup) -> None:
    one, result = of_server(80), said(setup)
    tried = try_connection(setup.lab, one, ruleset_of(one))
    assert not list(missed(one, tried, result, Figures()))
    silent = replace(result, findings=())
    assert [fault.what for fault in missed(one, tried, silent, Figures())] == ["missed"]
    for wrong in ({"ports": ("443",)}, {"packets": ()}, {"role": None}):
        bent = replace(result, findings=tuple(replace(f, **wrong) for f in result.findings))
        assert list(missed(one, tried, bent, Figures())), wrong


def test_campaign_refutes_a_finding_that_is_not_so(setup: Setup) -> None:
    one = of_server(80)
    claims = [claim for finding in said(setup).findings if (claim := claim_of(finding))]
    assert claims
    for claim in claims:
        assert refutation(claim, one, setup.lab) is None
        # The packet is lost, but not by these rules; under them, it is not.
        harmless = RULES.replace("-m conntrack --ctstate INVALID", "-m conntrack --ctstate RELATED")
        assert refutation(claim, replace(one, ruleset=harmless), setup.lab)
        scenario = {**claim.scenario, "ruleset": harmless}
        assert refutation(Claim(scenario, claim.expect), one, setup.lab)
