# SPDX-License-Identifier: GPL-2.0-only
"""Remedies are given only where the rule set with them lets the lost packets through, and say what
else they let through.
"""

from __future__ import annotations

import random

import pytest

from ctlint.analysis import remedy as remedy_module
from ctlint.analysis.connection import Connection
from ctlint.analysis.first_packets import first_after_expiry
from ctlint.analysis.likeness import in_rows
from ctlint.analysis.losses import Kind, Nature, RoleReport, Stranding
from ctlint.analysis.remedy import Remedies, Remedy
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stranding import examine
from ctlint.analysis.variant import Insertion, Replacement, altered
from ctlint.finding import Role
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_rule
from ctlint.wire.addresses import Family
from tests.kernel.random_rules import RuleWriter

ACCEPTING = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
INVALID = "-m conntrack --ctstate INVALID"
FIN = "-m tcp --tcp-flags FIN FIN -j ACCEPT"
RST = "-m tcp --tcp-flags RST RST -j ACCEPT"
PLAIN_ACK = "--tcp-flags FIN,SYN,RST,ACK ACK"


class Case:
    """One rule set, its reports, and its remedies."""

    def __init__(self, text: str, *, loose: int = 1, family: Family = Family.IPV4) -> None:
        (self.ruleset,) = parse_rulesets(text, "rules", family)
        self.chains = ChainStore(self.ruleset, Facts())
        self.settings = Settings(SysctlSet(), NEWEST).replaced(TCP_LOOSE, loose)
        self.reports: dict[Role, RoleReport] = {}
        self.remedies = Remedies(self.chains, self.settings, self.report)

    def report(self, role: Role) -> RoleReport:
        if role not in self.reports:
            self.reports[role] = examine(self.chains, role, self.settings)
        return self.reports[role]

    def remedy(self, role: Role = Role.SERVER) -> Remedy | None:
        (stranding,) = (
            each for each in self.report(role).strandings if each.nature is not Nature.TRANSLATION
        )
        return self.remedies.remedy(stranding)


def accepting(rules: str, *, loose: int = 1) -> Case:
    return Case(f"{ACCEPTING}{rules}COMMIT\n", loose=loose)


def rules_of(remedy: Remedy) -> list[str]:
    (change,) = remedy.changes
    return [print_rule(rule, Family.IPV4) for rule in change.rules]


# What is proposed


def test_fin_and_rst_are_accepted_before_a_drop_of_invalid() -> None:
    remedy = accepting(f"-A INPUT -i eth3 {INVALID} -j DROP\n").remedy()
    assert remedy is not None
    (change,) = remedy.changes
    assert isinstance(change, Insertion)
    assert (change.chain, change.position) == ("INPUT", 1)
    # No more than the rule drops: by its interface alone.
    assert rules_of(remedy) == [
        f"-A INPUT -i eth3 -p tcp {INVALID} {FIN}",
        f"-A INPUT -i eth3 -p tcp {INVALID} {RST}",
    ]
    assert "all packets that are lost here pass then" in remedy.text
    assert "it lets INVALID FIN and RST in, from any address, to any port, by eth3" in remedy.text
    assert remedy.is_safe


SERVICES = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m conntrack --ctstate NEW -m {} -j ACCEPT
-A INPUT -i lo -j ACCEPT
COMMIT
"""


@pytest.mark.parametrize(
    ("services", "scope", "ports"),
    [
        ("tcp --dport 22", "-m tcp --dport 22 --tcp-flags {0} {0}", "port 22"),
        (
            "multiport --dports 80,8000:8010",
            "-m tcp --tcp-flags {0} {0} -m multiport --dports 80,8000:8010",
            "ports 80 and 8000:8010",
        ),
    ],
)
def test_a_policy_gets_them_at_the_end_for_the_ports_of_the_finding(
    services: str, scope: str, ports: str
) -> None:
    remedy = Case(SERVICES.format(services)).remedy()
    assert remedy is not None
    (change,) = remedy.changes
    assert isinstance(change, Insertion)
    assert change.position == 4
    assert rules_of(remedy) == [
        f"-A INPUT -p tcp {INVALID} {scope.format(flag)} -j ACCEPT" for flag in ("FIN", "RST")
    ]
    assert f"it lets INVALID FIN and RST in, from any address, to {ports}" in remedy.text
    assert remedy.is_safe


def test_more_ports_than_multiport_takes_are_not_named() -> None:
    # 8 ranges are 16 ports to multiport, which takes 15.
    rules = "".join(
        f"-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport {low}:{low + 1} -j ACCEPT\n"
        for low in range(100, 180, 10)
    )
    text = SERVICES.format("tcp --dport 99:100")
    remedy = Case(text.replace("-A INPUT -i", f"{rules}-A INPUT -i")).remedy()
    assert remedy is not None
    assert rules_of(remedy)[0] == f"-A INPUT -p tcp {INVALID} {FIN}"


def test_what_the_host_sends_is_told_by_its_source_port() -> None:
    drop = f"-A OUTPUT -p tcp -m tcp --sport 22 {INVALID} -j DROP\n"
    remedy = accepting(drop).remedy()
    assert remedy is not None
    assert rules_of(remedy)[0] == (
        f"-A OUTPUT -p tcp {INVALID} -m tcp --sport 22 --tcp-flags FIN FIN -j ACCEPT"
    )
    assert "it lets INVALID FIN and RST out, to any address, from port 22" in remedy.text


CLIENT = SERVICES.replace("-A INPUT -p tcp -m conntrack --ctstate NEW -m {} -j ACCEPT\n", "")


def test_new_acks_are_accepted_for_the_ports_of_clients() -> None:
    case = Case(CLIENT)
    remedy = case.remedy(Role.CLIENT)
    assert remedy is not None
    assert PLAIN_ACK in remedy.text
    assert "--dport 32768:60999" in remedy.text
    assert "NEW ACK and data in, from any address, to ports 32768:60999" in remedy.text
    # They open entries: a person must weigh that.
    assert not remedy.is_safe


NOT_SYN = (
    "-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP\n"
)


def test_a_rule_against_new_not_syn_goes() -> None:
    remedy = accepting(NOT_SYN).remedy()
    assert remedy is not None
    (change,) = remedy.changes
    assert isinstance(change, Replacement)
    assert change.rules == ()
    assert "it lets NEW ACK and data in, from any address, to any port" in remedy.text
    assert not remedy.is_safe


def test_acks_are_accepted_before_it_where_the_policy_would_lose_them() -> None:
    text = SERVICES.format("tcp --dport 22 --syn")
    case = Case(text.replace("-A INPUT -i lo", f"{NOT_SYN}-A INPUT -i lo"))
    strandings = case.report(Role.SERVER).strandings
    not_syn = next(each for each in strandings if each.nature is Nature.NEW_NOT_SYN)
    remedy = case.remedies.remedy(not_syn)
    assert remedy is not None
    (change,) = remedy.changes
    assert isinstance(change, Insertion)
    assert rules_of(remedy) == [
        f"-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 22 {PLAIN_ACK} -j ACCEPT"
    ]
    assert "it lets NEW ACK and data in, from any address, to port 22" in remedy.text


def test_reject_becomes_drop_behind_what_accepts_closes() -> None:
    reject = f"-A INPUT -p tcp {INVALID} -j REJECT --reject-with tcp-reset\n"
    remedy = accepting(reject).remedy()
    assert remedy is not None
    assert rules_of(remedy) == [
        f"-A INPUT -p tcp {INVALID} {FIN}",
        f"-A INPUT -p tcp {INVALID} {RST}",
        f"-A INPUT -p tcp {INVALID} -j DROP",
    ]
    assert "REJECT" not in "".join(rules_of(remedy))


def test_what_does_not_help_is_not_told() -> None:
    # FIN and RST get past the first rule, and are lost to the table behind.
    text = (
        f"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {INVALID} -j DROP\nCOMMIT\n"
        f"{ACCEPTING}-A INPUT -p tcp -m tcp ! --dport 1 {INVALID} -j DROP\nCOMMIT\n"
    )
    case = Case(text)
    first = next(s for s in case.report(Role.SERVER).strandings if s.cause.table == "mangle")
    remedy = case.remedies.remedy(first)
    assert remedy is None


def test_neither_be_liberal_nor_ignore_invalid_rst_is_told() -> None:
    for rules in (f"-A INPUT {INVALID} -j DROP\n", NOT_SYN):
        remedy = accepting(rules).remedy()
        assert remedy is not None
        assert "liberal" not in remedy.text
        assert "ignore_invalid" not in remedy.text


def test_they_are_no_remedy_where_neither_fin_nor_rst_is_lost() -> None:
    lost = "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK ACK -m conntrack --ctstate INVALID "
    remedy = accepting(f"{lost}-j DROP\n", loose=0).remedy()
    # Only the removal of the rule helps.
    assert remedy is not None
    assert all(isinstance(change, Replacement) for change in remedy.changes)
    assert "it lets INVALID ACK and data in" in remedy.text


# What is said


def test_it_is_said_where_the_ack_of_the_fin_is_lost() -> None:
    text = CLIENT.replace("-A INPUT -i lo", f"-A OUTPUT {INVALID} -j DROP\n-A INPUT -i lo")
    case = Case(text)
    own = next(s for s in case.report(Role.CLIENT).strandings if s.cause.chain == "OUTPUT")
    remedy = case.remedies.remedy(own)
    assert remedy is not None
    assert "alone it is not enough, filter/INPUT policy loses the ACK of that FIN" in remedy.text


def test_the_same_finding_for_another_role_is_named() -> None:
    remedy = accepting(f"-A INPUT ! -i lo {INVALID} -j DROP\n").remedy()
    assert remedy is not None
    assert "it mends this for the role client too" in remedy.text


ROUTER = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
{nat}COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD {scope}-m conntrack --ctstate INVALID -j DROP
COMMIT
"""
SNAT = "-A POSTROUTING -s 192.168.0.0/16 -o wan0 -j MASQUERADE\n"
DNAT = "-A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.5\n"


@pytest.mark.parametrize(
    ("nat", "scope", "leaks"),
    [
        (SNAT, "", True),
        (SNAT, "-s 10.9.0.0/16 ", False),
        (SNAT, "-i wan0 ", False),
        (SNAT, "-o lan0 ", False),
        (DNAT, "", True),
        (DNAT, "-s 192.168.0.4/32 ", False),
        ("", "", False),
    ],
)
def test_what_would_leave_with_its_private_address_is_said(
    nat: str, scope: str, leaks: bool
) -> None:
    """Net/netfilter/nf_nat_core.c: a packet without an entry is not translated."""
    remedy = Case(ROUTER.format(nat=nat, scope=scope)).remedy(Role.FORWARD)
    assert remedy is not None
    assert remedy.leaks is leaks
    assert ("dropping INVALID is needed there" in remedy.text) is leaks
    assert remedy.is_safe is not leaks


def test_against_nat_itself_no_rule_helps() -> None:
    case = Case(ROUTER.format(nat=SNAT, scope="-s 10.9.0.0/16 "))
    strandings = case.report(Role.FORWARD).strandings
    (nat,) = (each for each in strandings if each.nature is Nature.TRANSLATION)
    assert case.remedies.remedy(nat) is None


def test_a_row_of_rules_gets_what_helps_all_of_it() -> None:
    rules = "".join(
        f"-A INPUT -i eth3 -s 10.0.0.{number}/32 {INVALID} -j DROP\n" for number in (1, 2, 3)
    )
    case = accepting(rules)
    (row,) = in_rows(case.report(Role.SERVER).strandings, case.ruleset)
    remedy = case.remedies.remedy(row)
    assert remedy is not None
    assert rules_of(remedy)[0] == f"-A INPUT -i eth3 -p tcp {INVALID} {FIN}"
    assert "all packets that are lost here pass then" in remedy.text
    assert "it mends what" not in remedy.text


def test_without_picking_up_a_drop_of_invalid_stays_for_what_is_no_close() -> None:
    case = accepting(f"-A INPUT -i eth3 {INVALID} -j DROP\n", loose=0)
    remedy = case.remedy()
    assert remedy is not None
    assert len(rules_of(remedy)) == 2
    assert "FIN and RST pass then, ACK and data stay lost to filter/INPUT#1" in remedy.text
    # The setting does the rest.
    assert case.remedies.of_loose(Role.SERVER) == (
        "it lets NEW ACK and data in, from any address, to any port, by eth3"
    )


def test_what_the_setting_takes_away_and_makes() -> None:
    ack = "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK ACK -m conntrack --ctstate"
    rules = f"-A INPUT {ack} INVALID -j DROP\n-A INPUT {ack} NEW --ctstatus NONE -j DROP\n"
    case = accepting(
        rules.replace(" --ctstatus NONE", "").replace("NEW -j", "NEW -i eth3 -j"), loose=0
    )
    assert case.remedies.of_loose(Role.SERVER) == (
        "filter/INPUT#1 then loses nothing more; filter/INPUT#2 then loses packets that get as "
        "far; it lets NEW ACK and data in, from any address, to any port, by any interface but eth3"
    )


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("MAX_RULES", "the rule set is too large to be asked again"),
        ("MAX_ASKED", "asking again would take too long"),
    ],
)
def test_what_is_not_checked_is_said_to_be_so(
    limit: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remedy_module, limit, -1)
    remedy = accepting(f"-A INPUT {INVALID} -j DROP\n-A INPUT ! -i lo -j ACCEPT\n").remedy()
    assert remedy is not None
    assert (
        f"accept what closes a forgotten connection before it (not checked: {why})" in remedy.text
    )
    assert remedy.changes == ()
    assert not remedy.is_safe


# Random rule sets


@pytest.mark.parametrize("seed", range(40))
def test_a_checked_remedy_ends_the_loss_of_each_connection(seed: int) -> None:
    chance = random.Random(seed)
    family = chance.choice((Family.IPV4, Family.IPV6))
    case = Case(RuleWriter(chance, family).ruleset(), family=family)
    for role in Role:
        for stranding in case.report(role).strandings:
            remedy = case.remedies.remedy(stranding)
            if remedy is not None and "all packets that are lost here pass" in remedy.text:
                changed = altered(case.ruleset, remedy.changes)
                for each, sender, kind in _lost(stranding):
                    fate = first_after_expiry(
                        ChainStore(changed, Facts()),
                        each,
                        sender,
                        kind,
                        loose=True,
                        kernel=NEWEST,
                    )
                    assert fate.delivered is Tern.TRUE, (each, sender, kind, remedy.text)


def _lost(stranding: Stranding) -> list[tuple[Connection, Dir, Kind]]:
    return [
        (case.connection, lost.sender, lost.kind)
        for case in stranding.cases
        for lost in case.lost
        if lost.cause == stranding.cause
    ]
