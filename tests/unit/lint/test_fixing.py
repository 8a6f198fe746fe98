# SPDX-License-Identifier: GPL-2.0-only
"""All fixes of a run together, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping

from ctlint.finding import Finding, LintResult
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.fixing import LEAKS, NO_FIX, Patch, patch
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import NEWEST
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl

HEAD = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
INVALID = "-m conntrack --ctstate INVALID -j DROP\n"


def run(rules: str, sysctl: str = "") -> tuple[LintResult, Patch]:
    texts: Mapping[str, str] = {"rules": rules, "sysctl": sysctl}
    settings = SysctlSet((SysctlRun((parse_sysctl(sysctl, "sysctl"),)),))
    host = Host(parse_rulesets(rules, "rules"), settings, texts=texts)
    result = lint([host], NEWEST, shipped_rules())
    return result, patch(result, [host], NEWEST, shipped_rules())


def names(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(each.rule, each.role.value if each.role else "") for each in findings]


def test_every_finding_is_gone_left_or_new_once() -> None:
    result, made = run(f"{HEAD}-A INPUT -i lo -j ACCEPT\n-A INPUT {INVALID}COMMIT\n")
    assert sorted(names(made.gone)) == sorted(names(result.findings))
    assert (made.left, made.made, made.left_out) == ((), (), ())


def test_one_edit_stands_for_the_findings_of_all_roles() -> None:
    _, made = run(f"{HEAD}-A INPUT -i lo -j ACCEPT\n-A INPUT {INVALID}COMMIT\n")
    (applied,) = made.applied
    assert names(applied.findings) == [("CT102", "client"), ("CT102", "server")]
    (file,) = made.files
    assert len(file.edits) == 1


def test_what_a_wider_rule_takes_gets_no_rule_of_its_own() -> None:
    services = "-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 22 -j ACCEPT\n"
    policy = HEAD.replace("INPUT ACCEPT", "INPUT DROP")
    alive = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
    _, made = run(f"{policy}{alive}{services}-A INPUT {INVALID}COMMIT\n")
    inserted = [line for file in made.files for edit in file.edits for line in edit.insert]
    assert not any("--dport 22" in line and "FIN FIN" in line for line in inserted)
    assert sum("FIN FIN" in line for line in inserted) == 1


def test_a_rule_that_is_taken_may_have_taken_another() -> None:
    """Ports 22 and 23, then all ports for the clients: each with a line of its own before."""
    policy = HEAD.replace("INPUT ACCEPT", "INPUT DROP")
    one, two = (
        f"-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport {port} -j ACCEPT\n"
        for port in (22, 23)
    )
    alive = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
    result, made = run(f"{policy}{alive}{one}{two}COMMIT\n")
    findings = [each for applied in made.applied for each in applied.findings]
    assert sorted(names(tuple(findings))) == sorted(names(result.findings))


def test_what_nat_needs_is_left_out() -> None:
    nat = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n"
    result, made = run(f"{nat}{HEAD}-A FORWARD {INVALID}COMMIT\n")
    assert names(result.findings) == [("CT111", "forward"), ("CT104", "forward")]
    assert made.files == ()
    why = {each.finding.rule: each.why for each in made.left_out}
    assert why == {"CT104": LEAKS, "CT111": NO_FIX}
    assert made.left == result.findings


def test_a_setting_is_part_of_it() -> None:
    key = "net.netfilter.nf_conntrack_tcp_loose"
    result, made = run(f"{HEAD}-A INPUT ! -i lo {INVALID}COMMIT\n", f"{key} = 0\n")
    assert ("CT107", "server") in names(result.findings)
    assert not made.left
    assert [file.edited for file in made.files if file.file == "sysctl"] == [f"{key} = 1\n"]


def test_a_timeout_that_is_too_short() -> None:
    key = "net.netfilter.nf_conntrack_tcp_timeout_established"
    result, made = run(f"{HEAD}COMMIT\n", f"{key} = 120\n")
    assert names(result.findings) == [("CT202", "")]
    # RFC 5382, REQ-5: at least 7440 s; a keepalive that comes after 7200 s may be lost once.
    assert [file.edited for file in made.files] == [f"{key} = 14400\n"]
    assert made.left == ()


def test_a_finding_without_edit_is_named() -> None:
    rules = f"{HEAD}-A INPUT -s 10.0.0.1,10.0.0.2 {INVALID}COMMIT\n"
    result, made = run(rules.replace("-A INPUT", "-I INPUT"))
    without = [finding for finding in result.findings if finding.fix is None]
    assert [each.finding for each in made.left_out if each.why == NO_FIX] == without


def test_suppressed_findings_are_left_alone() -> None:
    allowed = '-m comment --comment "ctlint: allow CT102 because we want it"'
    result, made = run(f"{HEAD}-A INPUT ! -i lo {allowed} {INVALID}COMMIT\n")
    assert result.findings
    assert made == Patch((), (), (), (), (), ())


def test_a_fix_does_not_come_between_a_rule_and_what_allows_it() -> None:
    said = "# for people\n# ctlint: allow CT408 because x\n\n# for people too\n"
    rules = f"{HEAD}-A INPUT -i lo -j ACCEPT\n{said}-A INPUT ! -i lo {INVALID}COMMIT\n"
    _, made = run(rules)
    (file,) = made.files
    lines = file.edited.split("\n")
    at = lines.index("# ctlint: allow CT408 because x")
    assert lines[at - 1].startswith("-A INPUT ")
    assert lines[at - 1].endswith("-j ACCEPT")
    assert lines[at + 3] == f"-A INPUT ! -i lo {INVALID.strip()}"
