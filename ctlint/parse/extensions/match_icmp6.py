# SPDX-License-Identifier: GPL-2.0-only
"""``-m icmp6``. Source: libip6t_icmp6 of iptables 1.8.11 (names: extensions/libxt_icmp.h)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ctlint.ir.values import IcmpType
from ctlint.parse.extension import IPV6_ONLY, OptionSpec, match
from ctlint.parse.extensions.match_icmp import ICMP_TYPES, icmp_type
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import ICMPV6

ICMPV6_TYPES: Mapping[str, IcmpType] = {
    "destination-unreachable": IcmpType(1),
    "no-route": IcmpType(1, 0, 0),
    "communication-prohibited": IcmpType(1, 1, 1),
    "beyond-scope": IcmpType(1, 2, 2),
    "address-unreachable": IcmpType(1, 3, 3),
    "port-unreachable": IcmpType(1, 4, 4),
    "failed-policy": IcmpType(1, 5, 5),
    "reject-route": IcmpType(1, 6, 6),
    "packet-too-big": IcmpType(2),
    "time-exceeded": IcmpType(3),
    "ttl-exceeded": IcmpType(3),
    "ttl-zero-during-transit": IcmpType(3, 0, 0),
    "ttl-zero-during-reassembly": IcmpType(3, 1, 1),
    "parameter-problem": IcmpType(4),
    "bad-header": IcmpType(4, 0, 0),
    "unknown-header-type": IcmpType(4, 1, 1),
    "unknown-option": IcmpType(4, 2, 2),
    "echo-request": IcmpType(128),
    "ping": IcmpType(128),
    "echo-reply": IcmpType(129),
    "pong": IcmpType(129),
    "mld-listener-query": IcmpType(130),
    "mld-listener-report": IcmpType(131),
    "mld-listener-done": IcmpType(132),
    "mld-listener-reduction": IcmpType(132),
    "router-solicitation": IcmpType(133),
    "router-advertisement": IcmpType(134),
    "neighbour-solicitation": IcmpType(135),
    "neighbor-solicitation": IcmpType(135),
    "neighbour-advertisement": IcmpType(136),
    "neighbor-advertisement": IcmpType(136),
    "redirect": IcmpType(137),
}

_OF_A_PACKET: Final = {
    Family.IPV4: icmp_type({name: found for name, found in ICMP_TYPES.items() if name != "any"}),
    Family.IPV6: icmp_type(ICMPV6_TYPES),
}


def parse_icmp_type(text: str, family: Family) -> IcmpType:
    """Read the type of a packet, which is not ``any``, as rules of the family name it. Raises
    ValueError.
    """
    found: IcmpType = _OF_A_PACKET[family].parse(text, family)
    return found


EXTENSIONS = (
    match(
        "icmp6",
        OptionSpec("icmpv6-type", (icmp_type(ICMPV6_TYPES),), negatable=True, required=True),
        families=IPV6_ONLY,
        protocols=(ICMPV6,),
    ),
)
