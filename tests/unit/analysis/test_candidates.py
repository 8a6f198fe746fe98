# SPDX-License-Identifier: GPL-2.0-only
"""Connections worth trying: only such as a kernel would take (martians are dropped by routing)."""

from __future__ import annotations

import ipaddress

import pytest

from ctlint.analysis.candidates import Candidates
from ctlint.analysis.connection import Connection
from ctlint.finding import Role
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family


def tried(conditions: str, role: Role, family: Family) -> list[Connection]:
    chain = {Role.CLIENT: "OUTPUT", Role.SERVER: "INPUT", Role.FORWARD: "FORWARD"}.get(
        role, "OUTPUT"
    )
    text = f"*filter\n:{chain} DROP [0:0]\n-A {chain} {conditions} -j ACCEPT\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", family)
    groups = Candidates(ChainStore(ruleset, Facts()), role, family).groups()
    return [connection for group in groups for connection in group]


@pytest.mark.parametrize(
    ("family", "net"),
    [
        (Family.IPV4, "127.0.0.0/8"),
        (Family.IPV4, "224.0.0.0/4"),
        (Family.IPV4, "0.0.0.0/8"),
        (Family.IPV4, "255.255.255.255"),
        (Family.IPV6, "::1"),
        (Family.IPV6, "ff00::/8"),
    ],
)
@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER, Role.FORWARD])
def test_addresses_that_no_network_carries_are_not_tried(
    role: Role, family: Family, net: str
) -> None:
    forbidden = ipaddress.ip_network(net)
    make = ipaddress.IPv4Address if family is Family.IPV4 else ipaddress.IPv6Address
    for option in ("-s", "-d"):
        for one in tried(f"{option} {net}", role, family):
            ends = make(one.orig_address), make(one.reply_address)
            assert not any(end in forbidden for end in ends), one


def test_the_host_has_its_loopback_addresses_and_no_multicast_ones() -> None:
    own = 0x7F000035
    assert own in {one.reply_address for one in tried("-d 127.0.0.53", Role.LOOPBACK, Family.IPV4)}
    for one in tried("-d 224.0.0.2", Role.LOOPBACK, Family.IPV4):
        assert one.reply_address >> 28 != 0xE
