# SPDX-License-Identifier: GPL-2.0-only
"""Incident I1 (FIN_WAIT_1 that never ends): what is lost, for whom, and what is not.

The expectations are the published post-mortem's, and what a live kernel answered for these rules.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import Kind, Nature, RoleReport, Stranding, examine
from ctlint.finding import Confidence, Role
from ctlint.ir.sysctl import SysctlSet
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

HEAD = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m state --state INVALID -j LOG --log-prefix "[iptables] INPUT INVALID: "
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 21 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 8088 -m state --state NEW -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
"""
WITH_DROP = HEAD + "-A OUTPUT -m state --state INVALID -j DROP\nCOMMIT\n"
WITHOUT_DROP = HEAD + "COMMIT\n"

ORIG, REPLY = Dir.ORIGINAL, Dir.REPLY
INVALID, NEW = CtState.INVALID, CtState.NEW


def report(text: str, role: Role, family: Family = Family.IPV4) -> RoleReport:
    (ruleset,) = parse_rulesets(text, "rules", family)
    return examine(ChainStore(ruleset, Facts()), role, Settings(SysctlSet(), NEWEST))


def lost(stranding: Stranding) -> set[tuple[Dir, Kind, CtState]]:
    return {(one.sender, one.kind, one.ctstate) for one in stranding.lost}


def by_cause(found: RoleReport) -> dict[str, Stranding]:
    return {str(stranding.cause): stranding for stranding in found.strandings}


def test_the_drop_in_output_loses_fin_and_rst_of_a_client() -> None:
    stranding = by_cause(report(WITH_DROP, Role.CLIENT))["filter/OUTPUT#1"]
    assert lost(stranding) == {(ORIG, Kind.FIN, INVALID), (ORIG, Kind.RST, INVALID)}
    assert stranding.decisive.kind is Kind.FIN
    assert stranding.nature is Nature.INVALID_DROP
    assert stranding.ports == ()


def test_the_drop_in_output_loses_fin_and_rst_of_a_server_on_each_accepted_port() -> None:
    stranding = by_cause(report(WITH_DROP, Role.SERVER))["filter/OUTPUT#1"]
    assert lost(stranding) == {(REPLY, Kind.FIN, INVALID), (REPLY, Kind.RST, INVALID)}
    assert stranding.ports == (Range(21, 22), Range(80, 80), Range(443, 443), Range(8088, 8088))


def test_without_the_drop_a_client_loses_the_ack_of_its_fin() -> None:
    found = by_cause(report(WITHOUT_DROP, Role.CLIENT))
    assert set(found) == {"filter/INPUT policy"}
    stranding = found["filter/INPUT policy"]
    decisive = stranding.decisive
    assert (decisive.sender, decisive.kind, decisive.ctstate) == (REPLY, Kind.ACK, NEW)
    assert lost(stranding) == {
        (REPLY, Kind.ACK, NEW),
        (REPLY, Kind.DATA, NEW),
        (REPLY, Kind.FIN, INVALID),
        (REPLY, Kind.RST, INVALID),
    }


def test_without_the_drop_a_server_loses_the_close_of_the_stateful_port_only() -> None:
    found = by_cause(report(WITHOUT_DROP, Role.SERVER))
    assert set(found) == {"filter/INPUT policy"}
    stranding = found["filter/INPUT policy"]
    assert stranding.ports == (Range(8088, 8088),)
    assert lost(stranding) == {(ORIG, Kind.FIN, INVALID), (ORIG, Kind.RST, INVALID)}


def test_nothing_is_forwarded() -> None:
    found = report(WITHOUT_DROP, Role.FORWARD)
    assert found.cases == []
    assert found.strandings == []


def test_loopback_is_accepted_whatever_its_state() -> None:
    assert report(WITHOUT_DROP, Role.LOOPBACK).strandings == []


def test_ipv6_is_judged_alike() -> None:
    text = WITH_DROP.replace("-p icmp -m icmp --icmp-type 8", "-p ipv6-icmp")
    found = by_cause(report(text, Role.CLIENT, Family.IPV6))
    assert "filter/OUTPUT#1" in found


def test_a_jump_with_invalid_into_a_dropping_chain_is_the_cause() -> None:
    text = (
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        ":LOGDROP - [0:0]\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -j LOGDROP\n"
        "-A LOGDROP -m limit --limit 5/min -j LOG\n-A LOGDROP -j DROP\nCOMMIT\n"
    )
    (stranding,) = report(text, Role.CLIENT).strandings
    assert str(stranding.cause) == "filter/OUTPUT#1"
    assert str(stranding.decisive.dropped_by) == "filter/LOGDROP#2"
    assert stranding.nature is Nature.INVALID_DROP


def test_an_undecided_match_on_the_way_lowers_the_confidence() -> None:
    text = (
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
        "-A INPUT -p tcp --dport 22 -m conntrack --ctstate NEW "
        "-m recent --name x --rcheck -j ACCEPT\n"
        "COMMIT\n"
    )
    (stranding,) = report(text, Role.SERVER).strandings
    assert stranding.case.confidence is Confidence.POSSIBLE


def test_an_undecided_reject_before_the_drop_makes_the_cause_likely() -> None:
    text = (
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -m limit --limit 5/sec -j REJECT\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    (stranding,) = report(text, Role.CLIENT).strandings
    assert str(stranding.cause) == "filter/OUTPUT#2"
    assert stranding.confidence is Confidence.LIKELY


def test_what_may_get_through_is_not_called_lost() -> None:
    text = (
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -m limit --limit 5/sec -j ACCEPT\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    found = report(text, Role.CLIENT)
    assert found.strandings == []
    assert [str(item.ref) for item in found.open] == ["filter/OUTPUT#1"]


def test_an_untracked_connection_loses_nothing_to_a_drop_of_invalid() -> None:
    text = (
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A PREROUTING -j CT --notrack\n-A OUTPUT -j CT --notrack\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    found = report(text, Role.CLIENT)
    assert found.cases
    assert found.strandings == []


def test_connections_that_are_translated_are_named_and_left_out() -> None:
    text = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        ":POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    found = report(text, Role.FORWARD)
    assert found.strandings == []
    assert [str(ref) for ref in found.translating] == ["nat/POSTROUTING#1"]


@pytest.mark.parametrize("table", ["mangle", "security"])
def test_every_table_on_the_way_counts(table: str) -> None:
    text = (
        f"*{table}\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    )
    assert set(by_cause(report(text, Role.CLIENT))) == {f"{table}/OUTPUT#1"}
