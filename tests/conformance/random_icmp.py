# SPDX-License-Identifier: GPL-2.0-only
"""Random ICMP: queries with their answers, and errors about packets of other protocols."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from ctlint.model.conntrack.status import Dir
from ctlint.scenario.scenario import Forward, Send, Step, Topology
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.moments import SECOND
from ctlint.wire.protocols import ICMP, ICMPV6

_QUERIES: Final[Mapping[Family, tuple[tuple[int, int], ...]]] = {
    Family.IPV4: ((8, 0), (8, 0), (13, 14), (15, 16), (17, 18)),
    Family.IPV6: ((128, 129), (128, 129), (139, 140)),
}
_ODD_TYPES: Final[Mapping[Family, tuple[int, ...]]] = {
    Family.IPV4: (1, 2, 6, 7, 9, 10, 16, 18, 19, 30, 42, 255),
    Family.IPV6: (0, 100, 127, 130, 131, 132, 133, 134, 135, 136, 137, 141, 143, 200, 255),
}


def icmp_error(chance: random.Random, topology: Topology, sender: Dir) -> Send:
    """An ICMP error about the last packet that its sender got."""
    family = topology.family
    if family is Family.IPV4:
        protocol, kind = ICMP, chance.choice((3, 3, 3, 4, 5, 11, 12))
    else:
        protocol, kind = ICMPV6, chance.choice((1, 1, 2, 3, 4))
    code = chance.choice((0, 0, 1, 3))
    # Only a router sees an error on its way to another host than the one it quotes.
    is_stray = isinstance(topology, Forward) and sender is Dir.REPLY and chance.random() < 0.2
    stray = "10.1.0.9" if family is Family.IPV4 else "fd01::9"
    return Send(
        sender,
        protocol,
        daddr=parse_address(stray, family) if is_stray else None,
        icmp_type=kind,
        icmp_code=code,
        quote=sender.other,
    )


def icmp_talk(chance: random.Random, family: Family, packets: int) -> list[Step]:
    """Queries and their answers, in order and not, and types that no tracker knows."""
    protocol = ICMP if family is Family.IPV4 else ICMPV6
    query, answer = chance.choice(_QUERIES[family])
    steps: list[Step] = []
    for number in range(packets):
        sender = chance.choice((Dir.ORIGINAL, Dir.ORIGINAL, Dir.REPLY))
        kind = query if sender is Dir.ORIGINAL else answer
        if chance.random() < 0.12:
            kind = chance.choice((query, answer))
        if chance.random() < 0.06:
            kind = chance.choice(_ODD_TYPES[family])
        steps.append(
            Send(
                sender,
                protocol,
                icmp_type=kind,
                icmp_code=chance.choice((*(0,) * 15, 1)),
                icmp_id=chance.choice((7, 7, 7, 7, 8, 0)),
                icmp_seq=number,
                length=chance.choice((0, 56)),
                wait=chance.choice((*(0,) * 15, 5, 29, 30, 31)) * SECOND,
                has_bad_checksum=chance.random() < 0.03,
                expire=chance.random() < 0.03,
            )
        )
    return steps
