# SPDX-License-Identifier: GPL-2.0-only
"""Neighbour discovery under rules of IPv6. What must pass: RFC 4890, section 4.4.1; the types and
their hop limit: RFC 4861.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.neighbours import ADVERTISEMENT, SOLICITATION, lost_neighbours
from ctlint.analysis.settings import Settings
from ctlint.analysis.witness import Witnesses
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

BOTH_IN = {(Path.IN, SOLICITATION), (Path.IN, ADVERTISEMENT)}


def lost(*rules: str, family: Family = Family.IPV6) -> set[tuple[Path, int]]:
    """What is lost where INPUT drops all but these."""
    lines = "".join(f"-A {rule}\n" for rule in rules)
    text = f"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{lines}COMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", family)
    chains = ChainStore(ruleset, Facts())
    settings = Settings(SysctlSet(), NEWEST)
    found = lost_neighbours(chains, settings, Witnesses(chains, settings))
    return {(one.path, one.kind) for one in found}


@pytest.mark.parametrize(
    "rule",
    [
        "INPUT -m conntrack --ctstate NEW,RELATED,ESTABLISHED -j ACCEPT",
        "INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT",
        "INPUT -p ipv6-icmp -m conntrack --ctstate NEW -j ACCEPT",
        "INPUT -p tcp -j ACCEPT",
    ],
)
def test_what_does_not_let_it_in(rule: str) -> None:
    assert lost(rule) == BOTH_IN


@pytest.mark.parametrize(
    "rule",
    [
        "INPUT -p ipv6-icmp -j ACCEPT",
        "INPUT -p ipv6-icmp -m hl --hl-eq 255 -j ACCEPT",
        "INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT",
        "INPUT -m conntrack ! --ctstate INVALID -j ACCEPT",
        # Link-local addresses, and those of an interface that is not known here, may be enough.
        "INPUT -s fe80::/10 -p ipv6-icmp -j ACCEPT",
        "INPUT -i enp3s0 -p ipv6-icmp -j ACCEPT",
        "INPUT -p ipv6-icmp -m limit --limit 100/sec -j ACCEPT",
    ],
)
def test_what_may_let_it_in(rule: str) -> None:
    assert not lost(rule)


def test_each_kind_for_itself() -> None:
    accept = "INPUT -p ipv6-icmp -m icmp6 --icmpv6-type {} -j ACCEPT"
    assert lost(accept.format(SOLICITATION)) == {(Path.IN, ADVERTISEMENT)}
    assert lost(accept.format(ADVERTISEMENT)) == {(Path.IN, SOLICITATION)}
    everyone = "INPUT -d ff02::/16 -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT"
    assert lost(everyone) == {(Path.IN, ADVERTISEMENT)}


def test_what_the_host_sends() -> None:
    drop = "OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j DROP"
    assert lost("INPUT -p ipv6-icmp -j ACCEPT", drop) == {(Path.OUT, ADVERTISEMENT)}


def test_ipv4_has_none() -> None:
    assert not lost(family=Family.IPV4)
