# SPDX-License-Identifier: GPL-2.0-only
"""Incident I1 (FIN_WAIT_1 that never ends): what is lost, for whom, and what is not.

The expectations are the published post-mortem's, and what a live kernel answered for these rules.
"""

from __future__ import annotations

import pytest

from ctlint.analysis import needs, sweep
from ctlint.analysis.losses import Kind, Nature, RoleReport, Stranding
from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import examine
from ctlint.finding import Confidence, Role
from ctlint.ir.sysctl import SysctlSet
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import AddressSet, Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, Net

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


NAT_CHAINS = (
    "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    ":POSTROUTING ACCEPT [0:0]\n"
)


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


@pytest.mark.parametrize(
    ("family", "network"), [(Family.IPV4, "10.1.0.0/16"), (Family.IPV6, "fd01::/64")]
)
def test_both_ends_in_one_network_are_hosts_of_it(family: Family, network: str) -> None:
    # Its first address is the network itself, or all its routers (RFC 4291, section 2.6.1).
    rules = f"""*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -s {network} -d {network} -p tcp -m conntrack --ctstate NEW -j ACCEPT
COMMIT
"""
    found = report(rules, Role.FORWARD, family)
    assert found.strandings
    for case in found.cases:
        ends = {case.connection.orig_address, case.connection.reply_address}
        assert len(ends) == 2
        assert not ends & {(0xFD01 << 112), 0x0A010000}


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


def test_the_close_of_a_translated_connection_is_lost_to_nat_and_not_to_the_drop() -> None:
    """nf_nat_inet_fn() leaves packets without an entry as they are: without the drop the FIN would
    go out under the client's own address.
    """
    text = (
        f"{NAT_CHAINS}-A POSTROUTING -j MASQUERADE\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    found = report(text, Role.FORWARD)
    (stranding,) = found.strandings
    assert str(stranding.cause) == "nat/POSTROUTING#1"
    assert stranding.nature is Nature.TRANSLATION
    assert (stranding.decisive.sender, stranding.decisive.kind) == (Dir.ORIGINAL, Kind.FIN)
    # Data of the client are translated again, as the first packet was.
    assert (Dir.ORIGINAL, Kind.DATA) in stranding.case.passed
    assert not found.translating


def test_what_a_published_server_sends_is_masqueraded_as_another_connection() -> None:
    """The connection itself is not translated; its server's first packet without an entry is."""
    text = (
        f"{NAT_CHAINS}-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED,INVALID -j ACCEPT\n"
        "-A FORWARD -i wan0 -o lan0 -p tcp -m tcp --dport 443 -j ACCEPT\n"
        "-A FORWARD -i lan0 -o wan0 -p tcp -m tcp --sport 443 -j ACCEPT\nCOMMIT\n"
    )
    (stranding,) = report(text, Role.FORWARD).strandings
    assert str(stranding.cause) == "nat/POSTROUTING#1"
    assert {(one.sender, one.kind) for one in stranding.lost} == {
        (Dir.REPLY, Kind.ACK),
        (Dir.REPLY, Kind.DATA),
    }
    assert stranding.ports == (Range(443, 443),)


NAT = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
{}
COMMIT
"""


@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
def test_what_half_tracked_connections_lose_may_not_be_for_expiry(role: Role) -> None:
    # Measured on 6.18: there is no entry, or one in SYN_SENT, and the FIN is INVALID with it too.
    text = """*filter
:INPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --tcp-flags FIN FIN -m conntrack --ctstate INVALID -j DROP
COMMIT
*raw
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -j CT --notrack
COMMIT
"""
    (stranding,) = report(text, role).strandings
    assert stranding.confidence is Confidence.POSSIBLE


def test_an_entry_that_the_clients_data_make_is_one_that_can_expire() -> None:
    # Measured on 6.18: the SYN and the bare ACK are not tracked, the data are, and make an entry in
    # which the server's packets are ESTABLISHED. Without it they are NEW.
    text = """*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -m conntrack --ctstate NEW -j DROP
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp ! --tcp-flags PSH,FIN,URG PSH -j CT --notrack
COMMIT
"""
    (stranding,) = report(text, Role.SERVER).strandings
    assert stranding.confidence is Confidence.POSSIBLE
    assert {(one.sender, one.kind) for one in stranding.lost} == {
        (Dir.REPLY, Kind.ACK),
        (Dir.REPLY, Kind.DATA),
    }


def test_what_late_acks_of_translated_connections_meet_is_told_of_all() -> None:
    # Measured on 6.18: the late ACK of a client of 10.255.255.254 is NEW and meets the policy; one
    # of a client of 192.0.2.5 passes.
    text = """*filter
:INPUT DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i ppp0 -p tcp -m tcp --syn -j ACCEPT
-A INPUT ! -d 10.0.0.0/8 -p tcp -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
*nat
:INPUT ACCEPT [0:0]
-A INPUT -p tcp -j SNAT --to-source 192.0.2.1:8080
COMMIT
"""
    (stranding,) = (
        one for one in report(text, Role.SERVER).strandings if one.nature is Nature.TRANSLATION
    )
    assert (Dir.ORIGINAL, Kind.ACK, CtState.NEW) in lost(stranding)


def test_no_end_has_the_address_of_its_networks_routers() -> None:
    # RFC 4291, section 2.6.1: what comes to 2001:db8:: is for the router.
    text = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
:FO0 - [0:0]
-A FORWARD -p tcp -m tcp --syn -j ACCEPT
-A FORWARD -o ppp0 -p tcp -j ACCEPT
-A FORWARD -s 2001:db8::/32 -j FO0
-A FO0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""
    for case in report(text, Role.FORWARD, Family.IPV6).cases:
        one = case.connection
        assert one.orig_address & (2**64 - 1)
        assert one.reply_address & (2**64 - 1)


def test_the_match_that_leaves_open_which_rule_loses_is_named() -> None:
    text = """*filter
:INPUT DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m connmark ! --mark 0x1 -m conntrack ! --ctstate ESTABLISHED -j DROP
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
"""
    found = report(text, Role.CLIENT)
    assert [item.match and item.match.name for item in found.open] == ["connmark"]


def test_a_server_sends_to_where_it_saw_the_client() -> None:
    # Measured on 6.18: what it sends in mid-stream goes to 10.2.0.77, which is not the client.
    rule = "-A INPUT -p tcp -m tcp --syn -j SNAT --to-source 10.2.0.77:40000-40001"
    (stranding,) = report(NAT.format(rule), Role.SERVER).strandings
    kinds = {(one.sender, one.kind) for one in stranding.lost}
    assert kinds == {(sender, kind) for sender in Dir for kind in Kind}


@pytest.mark.parametrize("role", [Role.CLIENT, Role.FORWARD])
def test_answers_that_are_not_tracked_open_no_translated_connection(role: Role) -> None:
    rules = NAT.format("-A POSTROUTING -p tcp -j SNAT --to-source 192.0.2.1")
    raw = "*raw\n-A PREROUTING -p tcp -m tcp --sport 1:1023 -j CT --notrack\nCOMMIT\n"
    found = report(rules + raw, role)
    translated = [case.connection for case in found.cases if case.connection.translated]
    assert translated
    assert all(connection.reply_port > 1023 for connection in translated)
    raw = raw.replace("--sport 1:1023", "--sport 1:65535")
    found = report(rules + raw, role)
    assert all(case.connection.translated is None for case in found.cases)


def test_a_rule_that_makes_of_an_end_what_it_is_translates_nothing() -> None:
    """nf_nat_setup_info(): the tuple stays, so the entry gets no bit of NAT."""
    text = f"{NAT_CHAINS}-A POSTROUTING -s 192.0.2.1 -j SNAT --to-source 192.0.2.1\nCOMMIT\n"
    assert report(text, Role.CLIENT).strandings == []


@pytest.mark.parametrize("table", ["mangle", "security"])
def test_every_table_on_the_way_counts(table: str) -> None:
    text = (
        f"*{table}\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    )
    assert set(by_cause(report(text, Role.CLIENT))) == {f"{table}/OUTPUT#1"}


def test_an_ack_that_answers_no_fin_is_not_decisive() -> None:
    """Both FINs are dropped as INVALID before: what the policy loses are the server's data."""
    rules = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i br0 -o eth9 -j ACCEPT
COMMIT
"""
    stranding = by_cause(report(rules, Role.FORWARD))["filter/FORWARD policy"]
    assert lost(stranding) == {(REPLY, Kind.ACK, NEW), (REPLY, Kind.DATA, NEW)}
    assert stranding.decisive.kind is Kind.DATA


def test_an_ack_of_a_client_that_answers_a_forwarded_fin_is_decisive() -> None:
    """From the server's side all is let through; the client's side only opens connections."""
    rules = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i eth9 -o br0 -j ACCEPT
-A FORWARD -i br0 -o eth9 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT
COMMIT
"""
    stranding = by_cause(report(rules, Role.FORWARD))["filter/FORWARD policy"]
    decisive = stranding.decisive
    assert (decisive.sender, decisive.kind, decisive.ctstate) == (ORIG, Kind.FIN, INVALID)
    first_acks = [one for one in stranding.lost if one.kind in (Kind.ACK, Kind.DATA)]
    assert first_acks[0].kind is Kind.ACK


# Connections that only some rules let through

ACCEPTING = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
DROPPING = ACCEPTING.replace("INPUT ACCEPT", "INPUT DROP")
STATE_22 = (
    "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
    "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT\n"
)
BOGONS = "".join(
    f"-A INPUT -s {net} -j DROP\n" for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
DROP_INVALID = "-A INPUT -m conntrack --ctstate INVALID -j DROP\n"


@pytest.mark.parametrize(
    ("rules", "cause"),
    [
        pytest.param(DROPPING + BOGONS + STATE_22, "filter/INPUT policy", id="private networks"),
        pytest.param(
            DROPPING + STATE_22.replace("-p tcp", "-s 0.0.0.0/1 -p tcp"),
            "filter/INPUT policy",
            id="half of all addresses",
        ),
        pytest.param(
            ACCEPTING + ":one - [0:0]\n" + DROP_INVALID + "-A INPUT -j one\n"
            "-A one -p tcp -m tcp --dport 22 -j RETURN\n-A one -j DROP\n",
            "filter/INPUT#1",
            id="RETURN in a user chain",
        ),
        pytest.param(
            ACCEPTING + DROP_INVALID + "-A INPUT -p tcp -m tcp --dport 22 -j RETURN\n"
            "-A INPUT -j DROP\n",
            "filter/INPUT#1",
            id="RETURN in a base chain",
        ),
        *(
            pytest.param(
                ACCEPTING + f"-A INPUT {condition} -j DROP\n" + DROP_INVALID,
                "filter/INPUT#2",
                id=condition,
            )
            for condition in (
                "! -s 192.168.7.0/24",
                "! -i br0",
                "-i eth0",
                "-p tcp -m tcp ! --dport 22",
                "-p tcp -m multiport ! --dports 22,80",
            )
        ),
        pytest.param(
            ACCEPTING + DROP_INVALID + "-A OUTPUT -p tcp -m tcp --sport 22 -j ACCEPT\n"
            "-A OUTPUT -j DROP\n",
            "filter/INPUT#1",
            id="answers from one port",
        ),
    ],
)
def test_the_connections_that_rules_let_through_are_found(rules: str, cause: str) -> None:
    assert cause in by_cause(report(f"{rules}COMMIT\n", Role.SERVER))


def test_rules_outside_of_filter_count_without_a_filter_table() -> None:
    text = (
        "*mangle\n:PREROUTING ACCEPT [0:0]\n"
        "-A PREROUTING -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    assert set(by_cause(report(text, Role.SERVER))) == {"mangle/PREROUTING#1"}


def test_members_of_a_known_set_are_tried() -> None:
    office = AddressSet((Net(Family.IPV4, 0xC0000200, 0xFFFFFF00),))
    rule = "-p tcp -m set --match-set office src"
    (ruleset,) = parse_rulesets(
        DROPPING + STATE_22.replace("-p tcp", rule) + "COMMIT\n", "rules", Family.IPV4
    )
    chains = ChainStore(ruleset, Facts(sets={"office": office}))
    found = examine(chains, Role.SERVER, Settings(SysctlSet(), NEWEST))
    assert set(by_cause(found)) == {"filter/INPUT policy"}


def test_what_a_queue_may_accept_is_possible() -> None:
    text = DROPPING + STATE_22.replace("NEW -j ACCEPT", "NEW -j NFQUEUE --queue-num 1")
    found = report(f"{text}COMMIT\n", Role.SERVER)
    assert [str(item.ref) for item in found.open] == ["filter/INPUT#2"]
    assert {case.confidence for case in found.cases} == {Confidence.POSSIBLE}


@pytest.mark.parametrize(
    ("role", "untracked", "chain"),
    [(Role.SERVER, "OUTPUT", "INPUT"), (Role.CLIENT, "PREROUTING", "OUTPUT")],
)
def test_an_answer_that_is_not_tracked_opens_no_connection(
    role: Role, untracked: str, chain: str
) -> None:
    # Measured on 6.18: the entry stays in SYN_SENT, and the client's ACK is INVALID.
    raw = f"*raw\n-A {untracked} -p tcp -j CT --notrack\nCOMMIT\n"
    drop = f"-A {chain} -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    assert report(raw + ACCEPTING + drop, role).cases == []


def test_zones_are_not_followed() -> None:
    raw = "*raw\n-A PREROUTING -j CT --zone 1\nCOMMIT\n"
    found = report(f"{raw}{ACCEPTING}{DROP_INVALID}COMMIT\n", Role.SERVER)
    assert {case.confidence for case in found.cases} == {Confidence.POSSIBLE}
    assert [str(item.ref) for item in found.open] == ["raw/PREROUTING#1"]


def test_a_packet_that_makes_an_entry_and_is_translated_is_lost_to_the_rule_that_does() -> None:
    # The server's ACK is NEW after expiry, so it meets the DNAT that no reply ever met.
    nat = (
        "*nat\n-A PREROUTING -p tcp -m tcp --dport 1024:65535 -j DNAT --to-destination 10.9.9.9\n"
        "COMMIT\n"
    )
    accept = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n"
    found = report(nat + DROPPING + accept, Role.CLIENT)
    causes = by_cause(found)
    led_away = {(one.sender, one.kind) for one in causes["nat/PREROUTING#1"].lost}
    assert led_away == {(REPLY, Kind.ACK), (REPLY, Kind.DATA)}
    assert (REPLY, Kind.FIN) in {
        (one.sender, one.kind) for one in causes["filter/INPUT policy"].lost
    }
    assert not found.translating


def test_an_accept_behind_a_long_list_of_drops_is_found() -> None:
    drops = "".join(f"-A INPUT -s 45.{n >> 8}.{n & 255}.9/32 -j DROP\n" for n in range(60_000))
    found = report(f"{DROPPING}{drops}{STATE_22}COMMIT\n", Role.SERVER)
    assert set(by_cause(found)) == {"filter/INPUT policy"}


def test_that_rules_were_not_looked_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "MAX_RULES", 0)
    monkeypatch.setattr(needs, "MAX_VISITS", 1)
    found = report(f"{DROPPING}{BOGONS}{STATE_22}COMMIT\n", Role.SERVER)
    assert found.was_sampled
    assert found.was_cut


SPARED = range(2000, 2060, 2)
"""Ports that take any packet, among others that take NEW and ESTABLISHED ones alone."""
SPARING = (
    DROPPING
    + "".join(f"-A INPUT -p tcp -m tcp --dport {port} -j ACCEPT\n" for port in SPARED)
    + STATE_22.replace("--dport 22", "--dport 1024:9000")
    + "COMMIT\n"
)


def test_ports_of_a_finding_are_those_that_lose() -> None:
    (stranding,) = report(SPARING, Role.SERVER).strandings
    losing = {port for port in range(1024, 9001) if port not in SPARED}
    assert {n for ports in stranding.ports for n in range(ports.low, ports.high + 1)} == losing


def test_ports_of_a_finding_end_where_the_search_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "MAX_RULES", 0)
    found = report(SPARING, Role.SERVER)
    (stranding,) = found.strandings
    assert not any(2020 in ports or 9000 in ports for ports in stranding.ports)
    assert found.left_out > 0


TRUSTED = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT {} -j ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m state --state NEW -j ACCEPT
COMMIT
"""


@pytest.mark.parametrize(
    "trusted",
    ["-s 10.0.0.0/8", "-s 10.2.0.0/16", "-i eth0", "-i eth+", "-p tcp -m tcp --sport 8088"],
)
def test_what_rules_trust_says_nothing_of_the_rest(trusted: str) -> None:
    """Peers beyond the trusted network, interface or port lose their FIN all the same."""
    rules = TRUSTED.format(trusted)
    (client,) = report(rules, Role.CLIENT).strandings
    assert str(client.cause) == "filter/INPUT policy"
    assert (client.decisive.sender, client.decisive.kind) == (REPLY, Kind.ACK)
    (server,) = report(rules, Role.SERVER).strandings
    assert str(server.cause) == "filter/INPUT policy"
    assert lost(server) == {(ORIG, Kind.FIN, INVALID), (ORIG, Kind.RST, INVALID)}


@pytest.mark.parametrize(
    ("rules", "role", "ports"),
    [
        # Port 80 is accepted whatever the state; every other port only as NEW or ESTABLISHED.
        (
            "-A INPUT -p tcp --dport 80 -j ACCEPT\n"
            "-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\n",
            Role.SERVER,
            (Range(1, 79), Range(81, 65535)),
        ),
        # What servers send from port 443 is accepted whatever the state.
        (
            "-A INPUT -p tcp --sport 443 -j ACCEPT\n"
            "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n",
            Role.CLIENT,
            (Range(1, 442), Range(444, 65535)),
        ),
    ],
)
def test_ports_that_fare_better_are_left_out(
    rules: str, role: Role, ports: tuple[Range, ...]
) -> None:
    text = f"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n"
    (stranding,) = report(text, role).strandings
    assert stranding.ports == ports


def test_the_rule_that_changes_the_packet_is_named_and_not_one_that_leaves_it_as_it_is() -> None:
    """A host that has the address is not led away by the DNAT: SNAT in INPUT is to blame."""
    text = (
        f"{NAT_CHAINS}"
        "-A PREROUTING -j DNAT --to-destination 10.1.0.1\n"
        "-A INPUT -j SNAT --to-source 192.0.2.1-192.0.2.3\nCOMMIT\n"
    )
    causes = by_cause(report(text, Role.CLIENT))
    assert set(causes) == {"nat/PREROUTING#1", "nat/INPUT#1"}


def test_in_the_raw_table_ct_makes_a_packet_new() -> None:
    """xt_ct_target() gives it a template, which nf_ct_get() takes for an entry."""
    raw = (
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -p tcp -j CT --ctevents new\n"
        "-A OUTPUT -m conntrack --ctstate {} -j DROP\nCOMMIT\n"
    )
    assert report(raw.format("INVALID"), Role.CLIENT).cases
    assert not report(raw.format("NEW"), Role.CLIENT).cases


def test_notrack_behind_ct_comes_too_late() -> None:
    """xt_ct_target(): who has a template, or an entry, keeps it."""
    text = (
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -p tcp -j CT --ctevents new\n-A OUTPUT -j NOTRACK\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    )
    assert set(by_cause(report(text, Role.CLIENT))) == {"filter/OUTPUT#1"}


def test_whether_notrack_is_reached_may_be_open() -> None:
    """An accept before it that is not decided: the answers are tracked, or not."""
    text = (
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -m conntrack ! --ctstate INVALID,NEW -j ACCEPT\n"
        "-A INPUT -p tcp -m tcp --syn -j ACCEPT\nCOMMIT\n"
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -m set ! --match-set s3 dst,dst -j ACCEPT\n-A OUTPUT -j NOTRACK\nCOMMIT\n"
    )
    found = report(text, Role.SERVER)
    assert {case.confidence for case in found.cases} == {Confidence.POSSIBLE}
    assert "raw/OUTPUT#1" in {str(item.ref) for item in found.open}


def test_where_answers_to_an_address_of_nat_leave_is_not_known() -> None:
    """SNAT in INPUT: the host answers to the new address, and OUTPUT sees the route to that."""
    text = (
        f"{NAT_CHAINS}-A INPUT -j SNAT --to-source 10.1.0.1\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -j REJECT\nCOMMIT\n"
    )
    found = report(text, Role.SERVER)
    assert "filter/OUTPUT#1" in {str(item.ref) for item in found.open}


def test_a_port_that_is_drawn_by_lot_says_nothing_of_later_data() -> None:
    """nf_nat_l4proto_unique_tuple() draws again for each new entry."""
    text = f"{NAT_CHAINS}-A POSTROUTING -p tcp -j MASQUERADE --to-ports 1024-65535\nCOMMIT\n"
    found = report(text, Role.FORWARD)
    (stranding,) = found.strandings
    assert (ORIG, Kind.FIN, INVALID) in lost(stranding)
    assert (ORIG, Kind.DATA) not in stranding.case.passed
    assert (ORIG, Kind.DATA) not in {(one.sender, one.kind) for one in stranding.lost}
    assert [str(item.ref) for item in found.open] == ["nat/POSTROUTING#1"]


def test_dnat_to_the_address_that_was_called_stays_at_the_host() -> None:
    """Only the port changes: ip_route_input() finds the address local as before."""
    text = (
        f"{NAT_CHAINS}"
        "-A PREROUTING -d 10.1.0.2 -p tcp -m tcp --dport 80 "
        "-j DNAT --to-destination 10.1.0.2:8080\nCOMMIT\n"
    )
    (here,) = report(text, Role.SERVER).strandings
    assert here.role is Role.SERVER
    assert here.case.connection.reply_address == 0x0A010002
    assert here.ports == (Range(80, 80),)


def test_dnat_to_a_range_that_holds_the_address_that_was_called_is_left_open() -> None:
    text = (
        f"{NAT_CHAINS}"
        "-A PREROUTING -d 10.1.0.2 -p tcp -j DNAT --to-destination 10.1.0.2-10.1.0.5\nCOMMIT\n"
    )
    assert [str(ref) for ref in report(text, Role.SERVER).translating] == ["nat/PREROUTING#1"]


def test_whether_the_answers_of_a_translated_connection_are_tracked_may_be_open() -> None:
    """Untracked answers are not translated back; the hop limit of packets is not known."""
    text = (
        f"{NAT_CHAINS}"
        "-A PREROUTING -i eth0 -p tcp -j REDIRECT --to-ports 8080\nCOMMIT\n"
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -m ttl --ttl-gt 62 -j CT --notrack\nCOMMIT\n"
    )
    found = report(text, Role.SERVER)
    translated = [case for case in found.cases if case.connection.translated is not None]
    assert all(case.confidence is Confidence.POSSIBLE for case in translated)
    assert "raw/OUTPUT#1" in {str(item.ref) for item in found.open}


def test_what_leaves_a_translated_connection_open_is_named() -> None:
    text = (
        f"{NAT_CHAINS}-A INPUT -j SNAT --to-source 10.2.0.77\nCOMMIT\n"
        "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n"
        ":OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
        "-A POSTROUTING -m owner --gid-owner 0 -j CONNMARK --set-xmark 0x2/0x3\nCOMMIT\n"
    )
    found = report(text, Role.SERVER)
    assert "mangle/POSTROUTING#1" in {str(item.ref) for item in found.open}


def test_an_address_of_those_that_nat_draws_from_may_stay() -> None:
    """find_best_ips_proto() takes one by a hash: the packet's own is as good as any."""
    text = f"{NAT_CHAINS}-A INPUT -s 10.2.0.0/29 -j SNAT --to-source 10.2.0.0-10.2.0.7\nCOMMIT\n"
    found = report(text, Role.CLIENT)
    assert found.strandings == []
    assert [str(ref) for ref in found.translating] == ["nat/INPUT#1"]


def test_the_address_that_names_a_network_is_no_peer() -> None:
    """RFC 4291, section 2.6.1: the first address of a network is that of any of its routers."""
    text = (
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n:OU0 - [0:0]\n"
        "-A OUTPUT -o eth+ -j OU0\n"
        "-A OUTPUT -d fd01::/64 -p tcp -m state --state NEW -j ACCEPT\n"
        "-A OUTPUT -d fd01::1 -j ACCEPT\n-A INPUT -j ACCEPT\n"
        "-A OU0 -m conntrack ! --ctstate INVALID,NEW -j ACCEPT\nCOMMIT\n"
    )
    found = report(text, Role.CLIENT, Family.IPV6)
    assert found.cases
    assert all(case.connection.reply_address != 0xFD01 << 112 for case in found.cases)


def test_that_the_host_may_have_the_address_of_dnat_is_said() -> None:
    text = (
        f"{NAT_CHAINS}-A PREROUTING -p tcp -j DNAT --to-destination 10.2.0.2:80\n"
        "COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    )
    found = report(text, Role.SERVER)
    assert [str(item.ref) for item in found.open] == ["nat/PREROUTING#1"]


def test_what_another_lot_would_lead_on_is_not_said_to_be_lost() -> None:
    # nf_nat_l4proto_unique_tuple() draws one of the two ports anew for what finds no entry.
    text = (
        "*nat\n:POSTROUTING ACCEPT [0:0]\n"
        "-A POSTROUTING -p tcp -j SNAT --to-source 203.0.113.5:8080-8081\nCOMMIT\n"
    )
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    report = examine(ChainStore(ruleset, Facts()), Role.FORWARD, Settings(SysctlSet(), NEWEST))
    lost = {(one.sender, one.kind) for case in report.cases for one in case.lost}
    assert (Dir.ORIGINAL, Kind.FIN) in lost
    assert (Dir.REPLY, Kind.DATA) in lost
    assert not lost & {(Dir.ORIGINAL, Kind.DATA), (Dir.ORIGINAL, Kind.ACK)}
    assert {each.ref.table for each in report.open} == {"nat"}
