# SPDX-License-Identifier: GPL-2.0-only
"""Which findings are allowed, and what is said of permissions. docs/suppression.md."""

from __future__ import annotations

import pytest

from ctlint.finding import AllowedBy, Finding, LintResult, Location, Severity, Suppressed
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.allowing import Allow
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona
from ctlint.lint.runner import Host, Terms, lint
from ctlint.model.kernel.profiles import NEWEST, profile
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl

HEAD = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
"""
ESTABLISHED = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
INVALID = "-A INPUT -m conntrack --ctstate INVALID -j DROP\n"
BLOCKED = "".join(f"-A INPUT -s 192.0.2.{number} -j DROP\n" for number in range(1, 5))
RULES = shipped_rules()


def run(
    rules: str, *allows: Allow, settings: str = "", only: str = "", file: str = "rules"
) -> LintResult:
    sysctls = SysctlSet((SysctlRun((parse_sysctl(settings, "sysctl"),)),))
    wanted = tuple(info for info in RULES if info.id.startswith(only))
    host = Host(
        parse_rulesets(rules, file),
        sysctls,
        texts={file: rules, "sysctl": settings},
        terms=Terms(wanted, {}, allows),
    )
    return lint([host], NEWEST, RULES)


def said_of(result: LintResult, prefix: str) -> list[tuple[str, int, bool]]:
    """Rule, line and whether it is allowed, of findings of some rules."""
    found = [
        (each.rule, each.location.line, each.suppressed is not None)
        for each in result.findings
        if each.rule.startswith(prefix)
    ]
    return sorted(set(found))


def entry(**narrowed: str) -> Allow:
    place = Location("ctlint.toml", 3, text="[[allow]]")
    return Allow(("CT102", "CT106"), "we know", place, **narrowed)


def test_a_comment_line_allows_at_the_next_line_alone() -> None:
    comment = "# ctlint: allow CT102 because x\n"
    result = run(f"{HEAD}{ESTABLISHED}{comment}-A INPUT -i a {INVALID[9:]}{INVALID}COMMIT\n")
    assert said_of(result, "CT102") == [("CT102", 7, True), ("CT102", 8, False)]
    assert said_of(result, "CT9") == []
    allowed = next(each for each in result.findings if each.suppressed)
    assert allowed.suppressed == Suppressed(AllowedBy.COMMENT, "x", "rules", 6)
    assert result.count(Severity.NOTE) == sum(f.suppressed is None for f in result.findings)


def test_a_comment_line_allows_at_a_policy() -> None:
    rules = HEAD.replace(":INPUT ACCEPT", "# ctlint: allow CT103, CT106 because x\n:INPUT DROP")
    result = run(f"{rules}{ESTABLISHED}-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n")
    assert [each for each in said_of(result, "CT1") if each[1] == 3 and not each[2]] == []
    assert ("CT106", 3, True) in said_of(result, "CT1")


def test_a_comment_line_allows_at_a_setting() -> None:
    settings = (
        "# ctlint: allow CT202 because sockets set their own\n"
        "net.netfilter.nf_conntrack_tcp_timeout_established = 120\n"
    )
    result = run(f"{HEAD}COMMIT\n", settings=settings)
    assert said_of(result, "CT") == [("CT202", 2, True)]


def test_what_another_file_says_does_not_count() -> None:
    settings = "# ctlint: allow CT102 because x\n" + "\n" * 4 + "a.b = 1\n"
    result = run(f"{HEAD}{ESTABLISHED}{INVALID}COMMIT\n", settings=settings)
    assert said_of(result, "CT102") == [("CT102", 6, False)]
    assert said_of(result, "CT903") == [("CT903", 1, False)]


def test_a_rule_that_is_allowed_leaves_its_row() -> None:
    lines = BLOCKED.splitlines(keepends=True)
    lines.insert(1, "# ctlint: allow CT106 because x\n")
    result = run(f"{HEAD}{ESTABLISHED}{''.join(lines)}COMMIT\n", only="CT106")
    assert said_of(result, "CT106") == [("CT106", 6, False), ("CT106", 8, True)]
    others = next(each for each in result.findings if each.location.line == 6)
    assert [place.line for place in others.related] == [9, 10]


def test_the_first_of_a_row_that_is_allowed_does_not_take_the_others_along() -> None:
    comment = '-m comment --comment "ctlint: allow CT106 because x" '
    blocked = BLOCKED.replace("-j DROP", f"{comment}-j DROP", 1)
    result = run(f"{HEAD}{ESTABLISHED}{blocked}COMMIT\n", only="CT106")
    assert said_of(result, "CT106") == [("CT106", 6, True), ("CT106", 7, False)]


@pytest.mark.parametrize("above", [True, False])
def test_a_row_with_the_same_comment_at_each_is_one(above: bool) -> None:
    """It is allowed as one finding, and each of the comments has its effect."""
    said = "ctlint: allow CT106 because x"
    if above:
        blocked = BLOCKED.replace("-A", f"# {said}\n-A")
        lines = 7
    else:
        blocked = BLOCKED.replace("-j", f'-m comment --comment "{said}" -j')
        lines = 6
    result = run(f"{HEAD}{ESTABLISHED}{blocked}COMMIT\n")
    assert said_of(result, "CT106") == [("CT106", lines, True)]
    assert said_of(result, "CT9") == []
    other = blocked.replace("because x", "because y", 1)
    result = run(f"{HEAD}{ESTABLISHED}{other}COMMIT\n")
    assert len(said_of(result, "CT106")) == 2
    assert said_of(result, "CT9") == []


def test_findings_about_several_rules_of_other_kinds() -> None:
    """CT412 is one finding for all rules, CT414 one for all that are shadowed by the same."""
    state = "-A INPUT -m state --state NEW -p tcp -m tcp --dport 22 -j ACCEPT\n"
    old, dead = (f"# ctlint: allow {rule} because x\n" for rule in ("CT412", "CT414"))
    rules = (
        f"{HEAD}{old}{state}{state.replace('22', '23')}{old}{state.replace('22', '24')}"
        f"-A INPUT -j ACCEPT\n{BLOCKED.replace('-A', f'{dead}-A')}"
        "-A INPUT -s 198.51.100.0/24 -j DROP\nCOMMIT\n"
    )
    host = Host(parse_rulesets(rules, "rules"), SysctlSet(), texts={"rules": rules})
    wanted = [info for info in RULES if info.id in ("CT412", "CT414", "CT903")]
    result = lint([host], NEWEST, wanted, persona=Persona.PEDANTIC)
    assert said_of(result, "CT412") == [("CT412", 6, True), ("CT412", 7, False)]
    assert [each[2] for each in said_of(result, "CT414")] == [True, False]
    assert said_of(result, "CT903") == []


def test_one_finding_for_all_rules_but_those_that_are_allowed() -> None:
    """CT411, on a kernel that does not log what opens no connection; CT209, likewise."""
    drop = "-A INPUT -i eth{} -m conntrack --ctstate INVALID -j DROP\n"
    dnat = "-A PREROUTING -p tcp --dport {} -j DNAT --to-destination 10.0.0.1\n"
    allow = "# ctlint: allow CT411, CT209 because x\n"
    rules = (
        f"{HEAD}{allow}{drop.format(0)}{drop.format(1)}{drop.format(2)}COMMIT\n"
        f"*nat\n{allow}{dnat.format(1)}{dnat.format(2)}{dnat.format(3)}COMMIT\n"
    )
    host = Host(parse_rulesets(rules, "rules"), SysctlSet(), texts={"rules": rules})
    wanted = [info for info in RULES if info.id in ("CT411", "CT209")]
    result = lint([host], profile("3.10"), wanted, persona=Persona.PEDANTIC)
    assert said_of(result, "CT") == [
        ("CT209", 12, True),
        ("CT209", 13, False),
        ("CT411", 6, True),
        ("CT411", 7, False),
    ]


@pytest.mark.parametrize(
    "narrowed",
    [
        {},
        {"table": "filter"},
        {"chain": "INPUT"},
        {"table": "filter", "chain": "INPUT", "text": INVALID.strip()},
        {"text": INVALID.strip()},
    ],
)
def test_an_entry_of_the_configuration(narrowed: dict[str, str]) -> None:
    result = run(f"{HEAD}{ESTABLISHED}[7:300] {INVALID}COMMIT\n", entry(**narrowed), only="CT102")
    assert said_of(result, "CT102") == [("CT102", 6, True)]
    (why,) = {each.suppressed for each in result.findings}
    assert why == Suppressed(AllowedBy.CONFIG, "we know", "ctlint.toml", 3)


@pytest.mark.parametrize(
    "narrowed", [{"table": "nat"}, {"chain": "FORWARD"}, {"text": f"{INVALID.strip()} x"}]
)
def test_an_entry_that_speaks_of_something_else(narrowed: dict[str, str]) -> None:
    result = run(f"{HEAD}{ESTABLISHED}{INVALID}COMMIT\n", entry(**narrowed))
    assert said_of(result, "CT102") == [("CT102", 6, False)]


def test_an_entry_for_a_row() -> None:
    """A chain is allowed as a whole, a rule by its text alone."""
    rules = f"{HEAD}{ESTABLISHED}{BLOCKED}COMMIT\n"
    assert said_of(run(rules, entry(chain="INPUT"), only="CT106"), "CT106") == [("CT106", 6, True)]
    text = BLOCKED.splitlines()[0]
    result = run(rules, entry(text=text), only="CT106")
    assert said_of(result, "CT106") == [("CT106", 6, True), ("CT106", 7, False)]


def test_an_entry_without_effect() -> None:
    """Of a chain that the host does not have, and of a rule that is not asked, nothing is said."""
    rules = f"{HEAD}COMMIT\n"
    assert said_of(run(rules, entry(chain="INPUT")), "CT9") == [("CT903", 3, False)]
    assert said_of(run(rules, entry(chain="f2b-ssh")), "CT9") == []
    assert said_of(run(rules, entry(table="nat")), "CT9") == []
    assert said_of(run(rules, entry(), only="CT9"), "CT9") == []


def test_comments_that_allow_nothing() -> None:
    comments = (
        "# ctlint: allow CT102\n"
        "# ctlint: allow CT998, CT102 because x\n"
        "# ctlint: deny CT102 because x\n"
        "# ctlint: allow CT108 because x\n"
    )
    result = run(f"{HEAD}{ESTABLISHED}{comments}{INVALID}COMMIT\n")
    assert said_of(result, "CT9") == [
        ("CT901", 6, False),
        ("CT902", 7, False),
        ("CT903", 9, False),
        ("CT904", 8, False),
    ]
    # What it names beside the unknown one is allowed.
    assert said_of(result, "CT102") == [("CT102", 10, True)]


def test_a_comment_allows_what_it_names_alone() -> None:
    reset = INVALID.replace("-j DROP", "-p tcp -j REJECT --reject-with tcp-reset")
    result = run(
        f"{HEAD}{ESTABLISHED}# ctlint: allow CT102 because x\n{reset}COMMIT\n", only="CT10"
    )
    (found,) = said_of(result, "CT108")
    assert found == ("CT108", 7, False)


def test_nothing_is_allowed_without_a_reason() -> None:
    result = run(f"{HEAD}{ESTABLISHED}# ctlint: allow CT102\n{INVALID}COMMIT\n")
    assert said_of(result, "CT102") == [("CT102", 7, False)]


def test_no_comment_allows_what_is_said_of_comments() -> None:
    result = run(f"{HEAD}# ctlint: allow CT903 because x\n{ESTABLISHED}COMMIT\n")
    assert said_of(result, "CT903") == [("CT903", 5, False)]


def test_severities_in_place_of_a_rules_own() -> None:
    rules = f"{HEAD}{ESTABLISHED}{INVALID}# ctlint: allow CT1\nCOMMIT\n"
    severities = {"CT102": Severity.ERROR, "CT904": Severity.NOTE}
    host = Host(
        parse_rulesets(rules, "rules"),
        SysctlSet(),
        texts={"rules": rules},
        terms=Terms(RULES, severities),
    )
    found: tuple[Finding, ...] = lint([host], NEWEST, RULES).findings
    assert {each.severity for each in found if each.rule == "CT102"} == {Severity.ERROR}
    assert {each.severity for each in found if each.rule == "CT904"} == {Severity.NOTE}


def test_what_two_hosts_share_may_be_allowed_at_one_alone() -> None:
    """A file of settings for both."""
    settings = "net.netfilter.nf_conntrack_tcp_timeout_established = 120\n"
    sysctls = SysctlSet((SysctlRun((parse_sysctl(settings, "sysctl"),)),))
    allow = Allow(("CT202",), "x", Location("ctlint.toml", 1))
    rules = parse_rulesets(f"{HEAD}COMMIT\n", "rules")
    hosts = [Host(rules, sysctls, terms=Terms(RULES, {}, allows)) for allows in ((allow,), ())]
    for order in (hosts, hosts[::-1]):
        found = lint(order, NEWEST, RULES).findings
        assert sorted(each.suppressed is None for each in found) == [False, True]
