# SPDX-License-Identifier: GPL-2.0-only
"""A concrete packet."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from ctlint.wire.addresses import Family, format_address
from ctlint.wire.protocols import PROTOCOL_NAMES, TCP
from ctlint.wire.tcp_flags import TcpFlags

DEFAULT_TTL: Final = 64
"""Time to live, or hop limit, of packets that say nothing of it: what Linux sends."""


class Defect(Enum):
    """What is wrong with a transport header, where it does not show in its fields."""

    CHECKSUM = "wrong checksum"
    TRUNCATED = "a length that the packet does not have"


class TcpOptions(NamedTuple):
    """The options of a TCP header (RFC 9293, RFC 7323, RFC 2018).

    A header without any is None where this type is asked for: conntrack keeps what it knows of
    a side then, and forgets it where there are options, whatever they are. ``sack`` holds the
    left and right edges of blocks, ``timestamps`` the value and its echo. ``stripped`` are options
    that were overwritten by no-operations on the way: the kind and the length of each.
    """

    mss: int | None = None
    wscale: int | None = None
    sack_permitted: bool = False
    timestamps: tuple[int, int] | None = None
    sack: tuple[tuple[int, int], ...] = ()
    stripped: tuple[tuple[int, int], ...] = ()


class Packet(NamedTuple):
    """One packet at the IP layer. Addresses are integers of the family.

    ``sport`` and ``dport`` are None for protocols without ports, ``flags`` is None for all but
    TCP, ``icmp_type`` and ``icmp_code`` are None for all but ICMP and ICMPv6. ``payload`` counts
    bytes behind the transport header. ``seq``, ``ack``, ``window`` (as on the wire, unscaled) and
    ``options`` are those of a TCP header, ``icmp_id`` is that of an ICMP query, ``quoted`` the
    packet that an ICMP error quotes. ``defect`` is about the transport header. ``ttl`` is the hop
    limit of IPv6 too, ``tos`` the whole octet of the type of service or traffic class. ``data`` are
    the first bytes of the payload; those behind them are zeros. ``most_quoted`` is how many bytes
    of another packet an ICMP error holds.
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
    seq: int = 0
    ack: int = 0
    window: int = 65535
    options: TcpOptions | None = None
    icmp_id: int = 0
    quoted: Packet | None = None
    defect: Defect | None = None
    ttl: int = DEFAULT_TTL
    tos: int = 0
    data: bytes = b""
    most_quoted: int = 128

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
