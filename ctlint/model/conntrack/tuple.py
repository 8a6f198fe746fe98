# SPDX-License-Identifier: GPL-2.0-only
"""Tuples: what makes packets belong together.

Source: include/net/netfilter/nf_conntrack_tuple.h; nf_conntrack_core.c, nf_ct_get_tuple() and
nf_ct_invert_tuple(); nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c for their types.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6

UDPLITE: Final = 136


class Tuple(NamedTuple):
    """One direction of a connection; addresses are integers of the family.

    For TCP and UDP `sport` and `dport` are ports; for ICMP and ICMPv6 `sport` is the identifier
    and `dport` is type × 256 + code, as the kernel lays both into one; for all others both are 0.
    """

    family: int
    protocol: int
    saddr: int
    sport: int
    daddr: int
    dport: int


_INVERSE: Final[dict[int, dict[int, int]]] = {
    # echo, timestamp, information, address mask
    ICMP: {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17},
    # echo, node information
    ICMPV6: {128: 129, 129: 128, 139: 140, 140: 139},
}
"""Which type of an ICMP query answers which (invmap)."""


def get_tuple(packet: Packet) -> tuple[int, int, int, int, int, int]:
    """Port of nf_ct_get_tuple: the fields of the packet's Tuple, as a bare tuple equal to it."""
    protocol = packet.protocol
    sport = packet.sport
    dport = packet.dport
    if sport is not None and dport is not None:
        return (packet.family, protocol, packet.saddr, sport, packet.daddr, dport)
    if protocol in _INVERSE:
        kind = (packet.icmp_type or 0) << 8 | (packet.icmp_code or 0)
        return (packet.family, protocol, packet.saddr, packet.icmp_id, packet.daddr, kind)
    return (packet.family, protocol, packet.saddr, 0, packet.daddr, 0)


def invert_tuple(original: tuple[int, int, int, int, int, int]) -> Tuple | None:
    """Port of nf_ct_invert_tuple: what an answer has; None for ICMP types that have no answer."""
    family, protocol, saddr, sport, daddr, dport = original
    types = _INVERSE.get(protocol)
    if types is None:
        return Tuple(family, protocol, daddr, dport, saddr, sport)
    inverse = types.get(dport >> 8)
    if inverse is None:
        return None
    return Tuple(family, protocol, daddr, sport, saddr, inverse << 8 | dport & 0xFF)
