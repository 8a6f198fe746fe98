# SPDX-License-Identifier: GPL-2.0-only
"""A finding whose witness does not show what it says is a fault, and none of them is hidden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from ctlint.analysis import stranding
from ctlint.analysis.circumstances import UNTOLD
from ctlint.analysis.fault import AnalysisFault
from ctlint.analysis.settings import Settings
from ctlint.finding import Confidence, Finding, Role, Witness
from ctlint.ir.sysctl import SysctlSet
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, lint
from ctlint.lint.subject import Subject
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

INVALID = "-p tcp -m conntrack --ctstate INVALID"
DROP = f"-A OUTPUT {INVALID} -j DROP\n"


def linted(rules: str) -> tuple[Subject, Finding]:
    """A subject, and the first finding that lint has of its rules."""
    rulesets = parse_rulesets(f"*filter\n{rules}COMMIT\n", "rules", Family.IPV4)
    found = lint([Host(rulesets, SysctlSet())], NEWEST, shipped_rules()).findings
    subject = Subject(rulesets[0], Settings(SysctlSet(), NEWEST), Facts(), UNTOLD)
    for report in subject.reports:
        for each in report.strandings:
            subject.witnesses.witness(each)
    return subject, next(one for one in found if one.witness is not None)


def falsified(finding: Finding, **claims: Any) -> Finding:
    """The finding, whose witness expects something else of its last packet."""
    assert finding.witness is not None
    *others, last = finding.witness.expect
    return replace(
        finding, witness=Witness(finding.witness.scenario, [*others, {**last, **claims}])
    )


@pytest.mark.parametrize(
    ("claims", "expected", "got"),
    [
        ({"delivered": True}, "delivered", "dropped by filter/OUTPUT#1"),
        ({"ctstate": "NEW"}, "NEW", "INVALID"),
        ({"rules": []}, "rules none", "rules filter/OUTPUT#1"),
    ],
)
def test_what_a_witness_expects_must_come(claims: Any, expected: str, got: str) -> None:
    subject, finding = linted(DROP)
    subject.replays.require(finding)
    with pytest.raises(AnalysisFault) as caught:
        subject.replays.require(falsified(finding, **claims))
    (missed,) = cast("list[dict[str, Any]]", caught.value.got)
    assert (missed["expected"], missed["got"]) == (expected, got)
    assert "ruleset" in caught.value.scenario


def test_the_handshake_must_come_through() -> None:
    subject, finding = linted(DROP)
    assert finding.witness is not None
    first, *rest = finding.witness.scenario["packets"]
    # The SYN comes as a RST that has no connection.
    packets = [{**first, "flags": "R"}, *rest]
    wrong = Witness({**finding.witness.scenario, "packets": packets}, finding.witness.expect)
    with pytest.raises(AnalysisFault, match="packet 0: expected delivered"):
        subject.replays.require(replace(finding, witness=wrong))


def test_a_witness_that_cannot_be_played_is_a_fault() -> None:
    subject, finding = linted(DROP)
    wrong = Witness({"packets": [], "odd": 1}, [])
    with pytest.raises(AnalysisFault, match="cannot be played"):
        subject.replays.require(replace(finding, witness=wrong))


def test_a_certain_finding_must_be_shown_whatever_undecided_matches_say() -> None:
    subject, finding = linted(f"-A OUTPUT -p tcp --dport 25 -m weird --odd 1 -j REJECT\n{DROP}")
    assert finding.confidence is Confidence.CERTAIN
    assert finding.witness is not None
    scenario = dict(finding.witness.scenario)
    scenario["flow"] = {**scenario["flow"], "dport": 25}
    unsure = replace(finding, witness=Witness(scenario, finding.witness.expect))
    subject.replays.require(replace(unsure, confidence=Confidence.POSSIBLE))
    with pytest.raises(AnalysisFault, match="packet 0: expected delivered, got dropped by"):
        subject.replays.require(unsure)


def test_where_opening_is_not_decided_the_connection_tried_may_be_one_that_cannot() -> None:
    subject, finding = linted(DROP)
    assert finding.witness is not None
    first, *rest = finding.witness.scenario["packets"]
    packets = [{**first, "flags": "R"}, *rest]
    wrong = Witness({**finding.witness.scenario, "packets": packets}, finding.witness.expect)
    possible = replace(finding, witness=wrong, confidence=Confidence.POSSIBLE)
    subject.replays.require(possible)
    with pytest.raises(AnalysisFault):
        subject.replays.require(replace(possible, confidence=Confidence.LIKELY))


def test_what_is_decided_of_the_packets_of_a_witness_alone_may_end_a_possible_finding() -> None:
    # The server's FIN has 40 octets and is lost in raw, with an entry too; one with data is not.
    text = """*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -m length --length 0:40 -j DROP
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -p tcp -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
COMMIT
"""
    result = lint([Host(parse_rulesets(text, "rules"), SysctlSet())], NEWEST, shipped_rules())
    assert not [each for each in result.findings if each.role is Role.CLIENT]
    assert [each.match for each in result.undecided] == ["length"]


@pytest.mark.parametrize(
    "rules",
    [
        # What is undecided here changes nothing of what the finding says.
        f"-A OUTPUT -m weird --odd 1 -j LOG\n{DROP}",
        f"-A OUTPUT -m weird --odd 1 -j MARK --set-xmark 0x1/0xffffffff\n{DROP}",
        f":one - [0:0]\n-A OUTPUT -m weird --odd 1 -j one\n-A one -p udp -j DROP\n{DROP}",
        f"-A OUTPUT -p tcp -m tcp -m state --state INVALID -m weird --odd 1 -j DROP\n{DROP}",
        f"-A OUTPUT -p tcp --tcp-flags SYN SYN -m weird --odd 1 -j ACCEPT\n{DROP}",
        f"-A OUTPUT -m limit --limit 3/min -j LOG\n{DROP}",
        f"-A OUTPUT {INVALID} -m statistic --mode random --probability 0.5 -j DROP\n{DROP}",
        f"-A OUTPUT -p tcp -m tcp -m state --state INVALID -m weird --odd 1 -j REJECT\n{DROP}",
        f"-A INPUT -m set --match-set odd src -j LOG\n{DROP}",
        f"-A INPUT -m recent --set --name r --rsource\n{DROP}",
        f"-A INPUT -m set --match-set odd src -j CONNMARK --set-xmark 0x1/0xffffffff\n{DROP}",
    ],
)
def test_what_is_undecided_and_does_not_matter_is_no_fault(rules: str) -> None:
    linted(rules)


@pytest.mark.parametrize(
    "rule",
    [
        "-A PREROUTING -j DNAT --to-destination 127.0.0.1",
        "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:8080",
        "-A POSTROUTING -m connlabel --label 1 -j SNAT --to-source 10.0.0.1",
        "-A POSTROUTING -m connmark --mark 0x1/0x1 -j MASQUERADE",
        "-A OUTPUT -p tcp -j DNAT --to-destination 10.2.0.2 --random",
        "-A INPUT -d 10.2.0.9 -p tcp -j SNAT --to-source 10.2.0.50\nCOMMIT\n"
        "*mangle\n-A OUTPUT -p tcp -m set ! --match-set unknown dst -j LOG",
        # Who calls that address at this host stays here.
        "-A PREROUTING -p tcp -j DNAT --to-destination 10.1.0.1:8080",
        "-A OUTPUT -j DNAT --to-destination 10.2.0.2-10.2.0.5",
        # What is not decided of NAT's answers does not come from the walk without NAT.
        "-A OUTPUT -j NETMAP --to 10.2.0.2/32\n-A POSTROUTING -p tcp -j SNAT --to-source 10.1.0.1\n"
        "COMMIT\n*mangle\n:one - [0:0]\n-A PREROUTING ! -s 10.0.0.2/255.0.0.255 -j one\n"
        "-A one -m set ! --match-set unknown dst,src -j CONNMARK --save-mark",
        # Over lo, some would be answered at addresses of which no route is simulated.
        "-A OUTPUT ! -d 10.2.0.1 -p tcp -j DNAT --to-destination 10.2.0.2-10.2.0.5:80-81 --random\n"
        "-A POSTROUTING -p tcp --sport 8081:8089 -j SNAT --to-source 192.0.2.1\n"
        "-A POSTROUTING -m quota --quota 200 -j SNAT --to-source 10.2.0.50-10.2.0.53",
    ],
)
def test_nat_that_leads_nowhere_or_hangs_on_a_match_is_no_fault(rule: str) -> None:
    linted(f"{DROP}COMMIT\n*nat\n{rule}\n")


def test_no_socket_connects_to_itself() -> None:
    """Over lo these rules let through only what has the same port at both ends: not one address."""
    drop = "-A OUTPUT -p tcp -m state --state INVALID -j DROP\n"
    subject, _ = linted(f":INPUT DROP [0:0]\n-A INPUT -p tcp --dport 40000 -j ACCEPT\n{drop}")
    (case,) = subject.report(Role.LOOPBACK).cases
    assert case.connection.orig_port == case.connection.reply_port == 40000
    assert case.connection.orig_address != case.connection.reply_address


def test_a_contradiction_of_the_analysis_tells_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stranding._Examiner, "establish", lambda *_: None)
    with pytest.raises(AnalysisFault, match="can be opened") as caught:
        linted(DROP)
    assert caught.value.scenario["packets"]
    assert "-A OUTPUT" in caught.value.scenario["ruleset"]


@pytest.mark.parametrize("name", ["\udcff\udcfe0", "eth0:1", "a.b-c_d", "\u00e9th0", "x" * 15])
def test_names_that_json_cannot_hold_are_no_fault(name: str) -> None:
    comment = '-m comment --comment "\udcff\x1b[31m"'
    linted(f"-A OUTPUT -o {name} {INVALID} {comment} -j DROP\n")
