# SPDX-License-Identifier: GPL-2.0-only
"""Witnesses promise only what the live kernel keeps; tests/kernel replays them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from ctlint.analysis.connection import Connection
from ctlint.analysis.losses import Kind, Nature
from ctlint.analysis.settings import Settings
from ctlint.analysis.stage import stage
from ctlint.analysis.stranding import examine
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Role
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.ipset_text import SavedSets
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

INVALID = "-p tcp -m conntrack --ctstate INVALID"


def expected(rules: str) -> dict[str, Any]:
    """What the first witness of a client's connections expects of its last packet."""
    (ruleset,) = parse_rulesets(f"*filter\n{rules}COMMIT\n", "rules", Family.IPV4)
    chains, settings = ChainStore(ruleset, Facts()), Settings(SysctlSet(), NEWEST)
    (stranding, *_) = examine(chains, Role.CLIENT, settings).strandings
    return dict(Witnesses(chains, settings).witness(stranding).expect[-1])


def test_the_rules_of_a_decided_way_are_expected_in_order() -> None:
    jump = ":one - [0:0]\n-A OUTPUT -j one\n-A one -p tcp -j RETURN\n"
    rules = f"{jump}-A OUTPUT {INVALID} -j DROP\n"
    assert expected(rules)["rules"] == ["filter/OUTPUT#1", "filter/one#1", "filter/OUTPUT#2"]


@pytest.mark.parametrize(
    "rules",
    [
        f"-A OUTPUT {INVALID} -m limit --limit 3/min -j LOG\n-A OUTPUT {INVALID} -j DROP\n",
        # Which rules the RST or ICMP error of REJECT meets is not worked out.
        f"-A OUTPUT {INVALID} -j REJECT\n",
    ],
)
def test_rules_are_left_out_where_not_all_that_match_are_known(rules: str) -> None:
    answer = expected(rules)
    assert "rules" not in answer
    assert (answer["ctstate"], answer["delivered"]) == ("INVALID", False)


@pytest.mark.parametrize(("orig", "reply"), [("10.0.0.2", "10.0.0.1"), ("10.8.0.1", "10.8.0.3")])
def test_the_router_has_addresses_of_its_own(orig: str, reply: str) -> None:
    ends = [int(ipaddress.IPv4Address(end)) for end in (orig, reply)]
    connection = Connection(Role.FORWARD, Family.IPV4, ends[0], 40000, ends[1], 80, "eth0", "eth1")
    topology = stage(connection)["topology"]
    own = [topology[name].partition("/")[0] for name in ("left_addr", "right_addr")]
    assert len({orig, reply, *own}) == 4


SETS = """create friends hash:ip family inet
add friends 192.0.2.7
create far hash:ip family inet
create others hash:ip family inet
"""


def test_a_witness_brings_the_sets_that_its_chains_name() -> None:
    rules = (
        ":one - [0:0]\n:unused - [0:0]\n-A OUTPUT -j one\n"
        "-A one -m set --match-set friends dst -j RETURN\n-A one -j SET --add-set far dst\n"
        f"-A unused -m set --match-set others dst -j DROP\n-A OUTPUT {INVALID} -j DROP\n"
    )
    (ruleset,) = parse_rulesets(f"*filter\n{rules}COMMIT\n", "rules", Family.IPV4)
    chains, settings = ChainStore(ruleset, Facts()), Settings(SysctlSet(), NEWEST)
    (stranding, *_) = examine(chains, Role.CLIENT, settings).strandings
    made = Witnesses(chains, settings, SavedSets([SETS])).witness(stranding)
    assert made.scenario["ipsets"].splitlines() == SETS.splitlines()[:3]
    assert "ipsets" not in Witnesses(chains, settings).witness(stranding).scenario
    large = SETS + "add friends 10.0.0.1\n" * 20_000
    made = Witnesses(chains, settings, SavedSets([large])).witness(stranding)
    assert "ipsets" not in made.scenario


def test_a_port_that_the_kernel_draws_by_lot_may_be_any() -> None:
    rule = "-A POSTROUTING -s 192.168.122.0/24 -p tcp -j MASQUERADE --to-ports 1024-65535"
    (ruleset,) = parse_rulesets(f"*nat\n{rule}\nCOMMIT\n", "rules", Family.IPV4)
    chains, settings = ChainStore(ruleset, Facts()), Settings(SysctlSet(), NEWEST)
    witnesses = Witnesses(chains, settings)
    seen = [
        one["as"]
        for stranding in examine(chains, Role.SERVER, settings).strandings
        for one in witnesses.witness(stranding).expect
        if "as" in one
    ]
    assert seen
    assert all(source.startswith("192.168.122.") and sport is None for source, sport, *_ in seen)


DRAWN = """*nat
:INPUT ACCEPT [0:0]
-A INPUT -p tcp -j SNAT --to-source 192.0.2.9:{ports}
COMMIT
*filter
:OUTPUT ACCEPT [0:0]
{rules}
COMMIT
"""
_REFUSED = f"-A OUTPUT {INVALID} -j DROP"
ONE_PASSES = f"-A OUTPUT -p tcp --dport 8080 -j ACCEPT\n{_REFUSED}"


def fin_to_a_drawn_port(ports: str, rules: str) -> dict[str, Any]:
    """What is expected of the server's FIN to a client that the host knows by such a port."""
    text = DRAWN.format(ports=ports, rules=rules)
    (ruleset,) = parse_rulesets(text, "rules", Family.IPV4)
    chains, settings = ChainStore(ruleset, Facts()), Settings(SysctlSet(), NEWEST)
    found = examine(chains, Role.SERVER, settings).strandings
    stranding = next(each for each in found if each.decisive.nature is Nature.TRANSLATION)
    assert (stranding.decisive.sender, stranding.decisive.kind) == (Dir.REPLY, Kind.FIN)
    return dict(Witnesses(chains, settings).witness(stranding).expect[-1])


@pytest.mark.parametrize(
    "rules",
    [
        ONE_PASSES,
        f"-A OUTPUT -p tcp --dport 8089 -j ACCEPT\n{_REFUSED}",
        f"-A OUTPUT -p tcp --dport 8085 {INVALID.removeprefix('-p tcp')} -j DROP",
        f"-A OUTPUT -p tcp -m multiport --dports 22,8084:8086 -j ACCEPT\n{_REFUSED}",
    ],
)
def test_nothing_is_promised_that_hangs_on_a_port_drawn_by_lot(rules: str) -> None:
    # nf_nat_l4proto_unique_tuple() may draw any of the ten.
    assert fin_to_a_drawn_port("8080-8089", rules) == {"packet": 3, "ctstate": "INVALID"}


@pytest.mark.parametrize(
    ("ports", "rules"),
    [
        ("8080-8089", "-A OUTPUT -p tcp --dport 8079 -j DROP"),
        ("8080-8089", f"-A OUTPUT -p tcp --dport 8080:8089 -j ACCEPT\n{_REFUSED}"),
        ("8080-8089", "-A OUTPUT -p udp --dport 8085 -j ACCEPT\n-A OUTPUT -p tcp -j ACCEPT"),
        ("8080", ONE_PASSES),
    ],
)
def test_what_is_so_whatever_port_is_drawn_is_promised(ports: str, rules: str) -> None:
    answer = fin_to_a_drawn_port(ports, rules)
    assert (answer["ctstate"], answer["delivered"]) == ("INVALID", True)
    assert answer["as"][2:] == ["192.0.2.9", None]


def test_where_rules_tell_too_many_ports_apart_nothing_is_promised_of_any() -> None:
    rules = "\n".join(f"-A OUTPUT -p tcp --dport {port} -j ACCEPT" for port in range(8000, 9000, 9))
    assert fin_to_a_drawn_port("8000-8999", rules) == {"packet": 3, "ctstate": "INVALID"}
