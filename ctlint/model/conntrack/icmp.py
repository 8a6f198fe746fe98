# SPDX-License-Identifier: GPL-2.0-only
"""The trackers of ICMP and ICMPv6 queries, and what errors relate to.

Source: net/netfilter/nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c, Linux 2.6.32 to
7.3; include/uapi/linux/icmp.h and icmpv6.h for the types.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.log import LogLine
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.settings import Settings
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Defect, Packet
from ctlint.wire.protocols import ICMP, ICMPV6, is_icmp_error

_HIGHEST_ICMP_TYPE: Final = 18
_OPENING: Final = {ICMP: frozenset({8, 13, 15, 17}), ICMPV6: frozenset({128, 139})}
"""Queries, which open an entry (valid_new)."""

_ICMPV6_UNTRACKED: Final = frozenset({130, 131, 132, 133, 134, 135, 136, 143})
"""Neighbour discovery and multicast listeners (noct_valid_new)."""

_ROUTER_DISCOVERY: Final = frozenset({151, 152})
"""Multicast router discovery (RFC 4286), which came to them later."""

_REDIRECT: Final = 137
_REDIRECT_ADDRESSES: Final = 32
"""Bytes of the two addresses that a redirect names (struct rd_msg)."""


class IcmpKind(Enum):
    """What conntrack makes of an ICMP packet before it looks for an entry."""

    QUERY = auto()
    ERROR = auto()
    UNTRACKED = auto()
    INVALID = auto()


class IcmpTracker:
    """The trackers of ICMP and ICMPv6 of one kernel under its settings."""

    __slots__ = ("_checksum", "_knows_redirects", "_timeouts", "_untracked")

    def __init__(self, kernel: KernelProfile, settings: Settings) -> None:
        self._knows_redirects = Feature.ICMPV6_REDIRECT in kernel
        self._untracked = _ICMPV6_UNTRACKED
        if Feature.ICMPV6_ROUTER_DISCOVERY_UNTRACKED in kernel:
            self._untracked |= _ROUTER_DISCOVERY
        self._checksum = settings.checksum
        self._timeouts = {ICMP: settings.icmp, ICMPV6: settings.icmpv6}

    def kind_of(self, packet: Packet, is_received: bool, log: list[LogLine]) -> IcmpKind:
        """Port of nf_conntrack_icmpv4_error, nf_conntrack_icmpv6_error and
        nf_conntrack_icmpv6_redirect, up to the look-up.
        """
        kind = packet.icmp_type or 0
        is_wrong = packet.defect is Defect.CHECKSUM and is_received and self._checksum
        if packet.defect is Defect.TRUNCATED:
            log.append(LogLine(Reason.SHORT_ICMP, packet.protocol))
            return IcmpKind.INVALID
        if packet.protocol == ICMP:
            if is_wrong:
                log.append(LogLine(Reason.BAD_ICMP_CHECKSUM, ICMP))
                return IcmpKind.INVALID
            if kind > _HIGHEST_ICMP_TYPE:
                log.append(LogLine(Reason.UNKNOWN_ICMP_TYPE, ICMP))
                return IcmpKind.INVALID
            return IcmpKind.ERROR if is_icmp_error(ICMP, kind) else IcmpKind.QUERY
        if is_wrong:
            log.append(LogLine(Reason.BAD_ICMPV6_CHECKSUM, ICMPV6))
            return IcmpKind.INVALID
        if kind in self._untracked:
            return IcmpKind.UNTRACKED
        if kind == _REDIRECT and self._knows_redirects:
            if packet.payload < _REDIRECT_ADDRESSES:
                log.append(LogLine(Reason.SHORT_REDIRECT, ICMPV6))
                return IcmpKind.INVALID
            if not packet.icmp_code:
                # Followed only from a link-local source with the hop limit of a neighbour.
                log.append(LogLine(Reason.FAR_REDIRECT, ICMPV6))
                return IcmpKind.INVALID
        return IcmpKind.ERROR if is_icmp_error(ICMPV6, kind) else IcmpKind.QUERY

    def nf_conntrack_icmp_packet(self, entry: Entry, now: Micros, log: list[LogLine]) -> bool:
        """Port of nf_conntrack_icmp_packet and nf_conntrack_icmpv6_packet.

        An entry is opened by a query and refreshed by whatever belongs to it: an answer does not
        end it, for answers may be duplicates.
        """
        protocol = entry.original.protocol
        if entry.original.dport >> 8 not in _OPENING[protocol]:
            kind = entry.original.dport >> 8
            reason = Reason.NOT_A_QUERY if protocol == ICMPV6 else Reason.OPENS_NOTHING
            log.append(LogLine(reason, protocol, {"type": kind}))
            return False
        own = entry.policy.icmp if protocol == ICMP else entry.policy.icmpv6
        timeout = self._timeouts[protocol] if own is None else own
        entry.timeout = timeout
        entry.expires_at = now + timeout
        return True
