# SPDX-License-Identifier: GPL-2.0-only
"""What a person would call one cause: rules of a row that differ in addresses or ports alone."""

from __future__ import annotations

import pytest

from ctlint.analysis.likeness import in_rows
from ctlint.analysis.losses import Stranding
from ctlint.analysis.settings import Settings
from ctlint.analysis.stranding import examine
from ctlint.finding import Role
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.sysctl import SysctlSet
from ctlint.ir.values import Range
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

HEAD = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:list - [0:0]
:gone - [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
"""


def rows(rules: str, role: Role = Role.CLIENT) -> list[Stranding]:
    (ruleset,) = parse_rulesets(HEAD + rules + "COMMIT\n", "rules", Family.IPV4)
    report = examine(ChainStore(ruleset, Facts()), role, Settings(SysctlSet(), NEWEST))
    return in_rows(report.strandings, ruleset)


def places(rules: str, role: Role = Role.CLIENT) -> list[list[str]]:
    """The rules of each row, the rule that is named first."""
    return sorted([str(row.cause), *map(str, row.alike)] for row in rows(rules, role))


def test_a_list_of_addresses_is_one_cause() -> None:
    """Answers to the host's own connections pass as ESTABLISHED, until the entry is forgotten."""
    blocked = "".join(f"-A INPUT -s 192.0.2.{number} -j DROP\n" for number in range(1, 50))
    (row,) = rows(blocked)
    assert str(row.cause) == "filter/INPUT#2"
    assert [str(cause) for cause in row.alike] == [
        f"filter/INPUT#{number}" for number in range(3, 51)
    ]
    assert row.ports == ()


def test_a_rule_apart_stands_alone() -> None:
    blocked = "".join(f"-A INPUT -s 192.0.2.{number} -j DROP\n" for number in range(1, 5))
    (ruleset,) = parse_rulesets(f"{HEAD}{blocked}COMMIT\n", "rules", Family.IPV4)
    report = examine(ChainStore(ruleset, Facts()), Role.CLIENT, Settings(SysctlSet(), NEWEST))
    found = in_rows(report.strandings, ruleset, lambda ref: ref.position == 3)
    assert sorted([row.cause.position for row in found if isinstance(row.cause, RuleRef)]) == [2, 3]
    assert [[str(each) for each in row.alike] for row in found if row.alike] == [
        ["filter/INPUT#4", "filter/INPUT#5"]
    ]


def test_a_list_that_stands_before_everything_else_loses_nothing_by_expiry() -> None:
    """What drops the SYN/ACK too lets no connection be opened."""
    blocked = "".join(f"-I INPUT 1 -s 192.0.2.{number} -j DROP\n" for number in range(1, 20))
    assert rows(blocked) == []
    assert rows(blocked, Role.SERVER) == []


@pytest.mark.parametrize(
    "rules",
    [
        "-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -s 198.51.100.0/24 -j DROP\n",
        "-A INPUT ! -s 192.0.2.1 -p tcp -j DROP\n-A INPUT ! -s 192.0.2.2 -p tcp -j DROP\n",
        "-A INPUT -p tcp --sport 80 -j DROP\n-A INPUT -p tcp --sport 81:90 -j DROP\n",
        "-A INPUT -s 192.0.2.1 -m comment --comment one -j DROP\n-A INPUT -s 192.0.2.2 -j DROP\n",
        "-A INPUT -m iprange --src-range 192.0.2.1-192.0.2.2 -j DROP\n"
        "-A INPUT -m iprange --src-range 192.0.2.8-192.0.2.9 -j DROP\n",
    ],
)
def test_rules_that_differ_in_ends_alone_are_one_row(rules: str) -> None:
    assert places(rules) == [["filter/INPUT#2", "filter/INPUT#3"]]


@pytest.mark.parametrize(
    "rules",
    [
        "-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -d 198.51.100.1 -j DROP\n",
        "-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -s 192.0.2.2 -j REJECT\n",
        "-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -s 192.0.2.2 -i eth1 -j DROP\n",
        "-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -s 192.0.2.2 -m state --state INVALID -j DROP\n",
        "-A INPUT -s 192.0.2.1 -j gone\n-A INPUT -s 192.0.2.2 -j DROP\n-A gone -j DROP\n",
        # The one is answered, the other is not.
        "-A INPUT -s 192.0.2.1 -p tcp ! --syn -m state --state NEW -j gone\n"
        "-A INPUT -s 192.0.2.2 -p tcp ! --syn -m state --state NEW -j gone\n"
        "-A gone -s 192.0.2.1 -j DROP\n-A gone -p tcp -j REJECT --reject-with tcp-reset\n",
        # Whether there are connections to the other is open.
        "-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -s 192.0.2.2 -j DROP\n"
        "-A OUTPUT -d 192.0.2.2 -p tcp --syn -m limit --limit 1/s -j DROP\n",
    ],
)
def test_other_differences_make_other_causes(rules: str) -> None:
    found = places(rules)
    assert len(found) == 2
    assert {len(row) for row in found} == {1}


@pytest.mark.parametrize(
    ("between", "number"),
    [
        ("-A INPUT -s 192.0.2.9 -j LOG", 1),
        ("-A INPUT -s 192.0.2.9", 1),
        # The same once more: nothing reaches it.
        ("-A INPUT -s 192.0.2.1 -j DROP", 1),
        ("-A INPUT -s 192.0.2.9 -j ACCEPT", 2),
        ("-A INPUT -p udp -j DROP", 2),
    ],
)
def test_what_may_stand_within_a_row(between: str, number: int) -> None:
    rules = f"-A INPUT -s 192.0.2.1 -j DROP\n{between}\n-A INPUT -s 192.0.2.2 -j DROP\n"
    assert len(places(rules)) == number


def test_another_chain_is_another_row() -> None:
    rules = "-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -j list\n-A list -s 192.0.2.2 -j DROP\n"
    assert places(rules) == [["filter/INPUT#2"], ["filter/list#1"]]


def test_a_row_has_the_ports_of_all_its_rules() -> None:
    rules = (
        "-A INPUT -p tcp -m state --state NEW -m tcp --dport 22:25 -j ACCEPT\n"
        "-A INPUT -p tcp -m tcp --dport 22 -j DROP\n-A INPUT -p tcp -m tcp --dport 24:25 -j DROP\n"
    )
    (row,) = rows(rules, Role.SERVER)
    assert row.ports == (Range(22, 22), Range(24, 25))
    assert len(row.alike) == 1


def test_a_row_has_all_ports_where_one_of_its_rules_has() -> None:
    rules = (
        "-A INPUT -s 192.0.2.1 -p tcp -m tcp --sport 80:81 -j DROP\n"
        "-A INPUT -s 192.0.2.2 -p tcp -m tcp --sport 1:65535 -j DROP\n"
    )
    (row,) = rows(rules)
    assert row.ports == ()
    assert len(row.alike) == 1


def test_jumps_into_one_chain_are_a_row() -> None:
    jump = "-A INPUT -s 192.0.2.{} -m state --state INVALID -j gone\n"
    rules = jump.format(1) + jump.format(2) + "-A gone -j DROP\n"
    assert places(rules) == [["filter/INPUT#2", "filter/INPUT#3"]]
