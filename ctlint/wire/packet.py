# SPDX-License-Identifier: GPL-2.0-only
"""A concrete packet."""

from __future__ import annotations

from dataclasses import dataclass

from ctlint.wire.addresses import Family, format_address
from ctlint.wire.protocols import PROTOCOL_NAMES, TCP
from ctlint.wire.tcp_flags import TcpFlags


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet at the IP layer. Addresses are integers of the family.

    ``sport`` and ``dport`` are None for protocols without ports, ``flags`` is None for all but
    TCP, ``icmp_type`` and ``icmp_code`` are None for all but ICMP and ICMPv6. ``payload`` counts
    bytes behind the transport header.
    """

    family: Family
    saddr: int
    daddr: int
    protocol: int = TCP
    sport: int | None = None
    dport: int | None = None
    flags: TcpFlags | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    payload: int = 0

    def __str__(self) -> str:
        source = format_address(self.family, self.saddr)
        target = format_address(self.family, self.daddr)
        if self.family is Family.IPV6:
            source, target = f"[{source}]", f"[{target}]"
        if self.sport is not None:
            source += f":{self.sport}"
        if self.dport is not None:
            target += f":{self.dport}"
        if self.flags is not None:
            what = self.flags.letters or "no flags"
        else:
            what = PROTOCOL_NAMES.get(self.protocol, str(self.protocol))
        return f"{source} > {target} {what}"
