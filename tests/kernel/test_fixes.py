# SPDX-License-Identifier: GPL-2.0-only
"""The live kernel judges fixes: it loads the patched file, and delivers what the witness of a
finding that is gone had lost.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ctlint.finding import Confidence, Finding
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lab.lab import CannotLoadError, Lab
from ctlint.lint.fixing import Patch, patch
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import RuleInfo
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import NEWEST
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.reader import scenario_from_json
from ctlint.wire.addresses import Family
from tests.corpus import corpus_files
from tests.kernel.test_witnesses import INCIDENT, INCIDENT_SYSCTL
from tests.netns import PrivateNetns
from tests.rules.pages import example

pytestmark = pytest.mark.netns

PAGES = pytest.mark.parametrize("info", shipped_rules(), ids=lambda info: info.id)
CLOSES = ("CT101", "CT102", "CT103", "CT104", "CT105", "CT106", "CT107", "CT108")
"""Rules for which a change of the rules helps, and all that their pages show."""
DUMPS = pytest.mark.parametrize(
    "dump",
    corpus_files("generated/*-legacy/ip*tables-save.txt"),
    ids=lambda dump: f"{dump.parent.name}-{dump.name.removesuffix('-save.txt')}",
)


def fixes(rules: str, sysctl: str, family: Family | None = None) -> Patch:
    settings = SysctlSet()
    texts = {"rules": rules}
    if sysctl:
        settings = SysctlSet((SysctlRun((parse_sysctl(sysctl, "sysctl"),)),))
        texts["sysctl"] = sysctl
    host = Host(parse_rulesets(rules, "rules", family), settings, texts=texts)
    result = lint([host], NEWEST, shipped_rules())
    return patch(result, [host], NEWEST, shipped_rules())


def judge(made: Patch, kernel: Lab, netns: PrivateNetns, family: Family = Family.IPV4) -> int:
    """Load the patched rules, and play the witnesses of what is gone; tells how many."""
    files = {file.file: file.edited for file in made.files}
    if "rules" in files:
        name = "iptables" if family is Family.IPV4 else "ip6tables"
        for kind in ("legacy", "nft"):
            netns.run([f"{name}-{kind}-restore", "--test"], input=files["rules"])
    count = 0
    for finding in made.gone:
        if finding.witness is not None and "rules" in files:
            count += replay(finding, files, kernel)
    return count


def replay(finding: Finding, files: dict[str, str], kernel: Lab) -> bool:
    """Whether the connection was opened; then all packets must be delivered."""
    assert finding.witness is not None
    scenario: dict[str, Any] = {**finding.witness.scenario}
    key = "ruleset6" if "ruleset6" in scenario else "ruleset"
    scenario[key] = files["rules"]
    if "sysctl" in files and "tcp_loose" in scenario.get("sysctls", {}):
        scenario["sysctls"] = {**scenario["sysctls"], "tcp_loose": 1}
    try:
        played = kernel.play(scenario_from_json(scenario))
    except CannotLoadError as error:
        pytest.skip(f"the real restore refuses the rules: {error}")
    answers = [answer for answer in played.packets if isinstance(answer, PacketAnswer)]
    opened = all(answer.delivered for answer in answers[:3])
    if finding.confidence is Confidence.CERTAIN:
        assert opened, answers[:3]
    if opened and finding.confidence is Confidence.CERTAIN:
        assert all(answer.delivered for answer in answers), (finding.rule, finding.role, answers)
    return opened


@PAGES
def test_fixes_of_bad_examples(info: RuleInfo, kernel: Lab, netns: PrivateNetns) -> None:
    one = example(info, "Bad")
    made = fixes(one.rules, one.sysctl)
    without = {left_out.finding.fingerprint for left_out in made.left_out}
    assert {finding.fingerprint for finding in made.left} <= without
    played = judge(made, kernel, netns)
    if info.id in CLOSES:
        assert made.made == made.left == ()
        assert played


@pytest.mark.parametrize("last", ["-A OUTPUT -m state --state INVALID -j DROP\n", ""])
def test_fixes_of_the_fin_wait_1_incident(last: str, kernel: Lab, netns: PrivateNetns) -> None:
    made = fixes(f"{INCIDENT}{last}COMMIT\n", INCIDENT_SYSCTL)
    assert made.left == ()
    assert judge(made, kernel, netns) >= 2


HAND_WRITTEN = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-I INPUT 2 -m conntrack --ctstate INVALID -m comment --comment "two words" -j DROP
-I INPUT -p icmp -j ACCEPT
COMMIT
"""


def test_fixes_of_a_file_with_other_commands(kernel: Lab, netns: PrivateNetns) -> None:
    made = fixes(HAND_WRITTEN, "")
    assert made.left == ()
    assert judge(made, kernel, netns) == 2


@pytest.mark.corpus
@DUMPS
def test_fixes_of_real_dumps(dump: Path, kernel: Lab, netns: PrivateNetns) -> None:
    family = Family.IPV6 if dump.name.startswith("ip6") else Family.IPV4
    sets = dump.parent / "ipset-save.txt"
    kernel.restore_ipsets(sets.read_text() if sets.exists() else "")
    if sets.exists():
        try:
            netns.run(["ipset", "restore"], input=sets.read_text())
        except subprocess.CalledProcessError as error:
            pytest.skip(f"ipset: {error.stderr}")
    try:
        made = fixes(dump.read_text(errors="surrogateescape"), "", family)
    except ParseError as error:
        pytest.skip(f"the parser reports it: {error.problems[0].message}")
    # What passes now may be lost further on, or to NAT: that is new, and said.
    assert len(made.made) <= len(made.gone)
    judge(made, kernel, netns, family)
