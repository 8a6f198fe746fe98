# SPDX-License-Identifier: GPL-2.0-only
"""Single matches, where a live 6.18 kernel surprised."""

from __future__ import annotations

import pytest

from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.host import AddressType
from ctlint.model.netfilter.transit import Facts, Transit
from ctlint.model.netfilter.traverse import Verdict, walk
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags


@pytest.mark.parametrize(
    ("family", "types", "kind", "matches"),
    [
        (Family.IPV4, "LOCAL", AddressType.LOCAL, True),
        (Family.IPV4, "UNICAST", AddressType.LOCAL, False),
        (Family.IPV4, "LOCAL,MULTICAST", AddressType.LOCAL, True),
        (Family.IPV4, "UNICAST,BROADCAST", AddressType.UNICAST, True),
        # match_type6() in net/netfilter/xt_addrtype.c asks for address and route apart.
        (Family.IPV6, "LOCAL", AddressType.LOCAL, True),
        (Family.IPV6, "LOCAL", AddressType.UNICAST, False),
        (Family.IPV6, "UNICAST", AddressType.LOCAL, True),
        (Family.IPV6, "UNICAST", AddressType.UNICAST, True),
        (Family.IPV6, "LOCAL,UNICAST", AddressType.UNICAST, False),
        (Family.IPV6, "LOCAL,UNICAST", AddressType.LOCAL, True),
        (Family.IPV6, "LOCAL,MULTICAST", AddressType.LOCAL, False),
        (Family.IPV6, "ANYCAST", AddressType.UNICAST, False),
    ],
)
def test_addrtype(family: Family, types: str, kind: AddressType, matches: bool) -> None:
    text = f"*filter\n-A INPUT -m addrtype --dst-type {types} -j DROP\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", family)
    packet = Packet(family, 3, 4, 6, 40000, 80, TcpFlags.SYN)
    transit = Transit(packet, CtState.NEW, in_interface="eth0", destination_type=kind)
    found = walk(ChainStore(ruleset, Facts()), "filter", "INPUT", transit)
    assert found.matched[:1] == (["filter/INPUT#1"] if matches else ["filter/INPUT policy"])


@pytest.mark.parametrize(
    ("destination", "expected"),
    [(0x0A010001, {"filter/INPUT#1"}), (0xFFFFFFFF, None), (0xE00000FB, None)],
)
@pytest.mark.parametrize("match", ["addrtype --dst-type LOCAL", "pkttype --pkt-type unicast"])
def test_the_kind_of_a_broadcast_is_not_guessed(
    match: str, destination: int, expected: set[str] | None
) -> None:
    (ruleset,) = parse_rulesets(
        f"*filter\n-A INPUT -m {match} -j DROP\nCOMMIT\n", "rules", Family.IPV4
    )
    packet = Packet(Family.IPV4, 0x0A010005, destination, 17, 68, 67)
    transit = Transit(packet, CtState.NEW, in_interface="eth0", destination_type=AddressType.LOCAL)
    found = walk(ChainStore(ruleset, Facts()), "filter", "INPUT", transit)
    if expected is None:
        assert found.verdicts() == {Verdict.DROP, Verdict.ACCEPT}
    else:
        assert {str(outcome.cause) for outcome in found.outcomes} == expected
