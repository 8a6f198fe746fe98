# SPDX-License-Identifier: GPL-2.0-only
"""What a box answers by itself: the packets that REJECT makes, and those that routing makes.

Source: net/ipv4/netfilter/nf_reject_ipv4.c and its IPv6 twin; net/ipv4/icmp.c and net/ipv6/icmp.c;
include/uapi/linux/icmp.h and icmpv6.h for the codes; Linux 6.18 and 7.3.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.model.netfilter.host import AddressType, Host
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Defect, Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP, is_icmp_error
from ctlint.wire.tcp_flags import TcpFlags

TCP_RESET: Final = "tcp-reset"


class IcmpError(NamedTuple):
    """Type and code of an ICMP or ICMPv6 error."""

    type: int
    code: int


DEFAULT_REJECT: Final = {
    Family.IPV4: "icmp-port-unreachable",
    Family.IPV6: "icmp6-port-unreachable",
}

ICMP_ERRORS: Final = {
    "icmp-net-unreachable": IcmpError(3, 0),
    "icmp-host-unreachable": IcmpError(3, 1),
    "icmp-proto-unreachable": IcmpError(3, 2),
    "icmp-port-unreachable": IcmpError(3, 3),
    "icmp-net-prohibited": IcmpError(3, 9),
    "icmp-host-prohibited": IcmpError(3, 10),
    "icmp-admin-prohibited": IcmpError(3, 13),
    "icmp6-no-route": IcmpError(1, 0),
    "icmp6-adm-prohibited": IcmpError(1, 1),
    "icmp6-addr-unreachable": IcmpError(1, 3),
    "icmp6-port-unreachable": IcmpError(1, 4),
    "icmp6-policy-fail": IcmpError(1, 5),
    "icmp6-reject-route": IcmpError(1, 6),
}
"""What ``--reject-with`` sends."""

TIME_EXCEEDED: Final = {Family.IPV4: IcmpError(11, 0), Family.IPV6: IcmpError(3, 0)}

NO_ROUTE: Final = IcmpError(1, 0)
"""What IPv6 says where no route leads on (ip6_pkt_discard)."""

_HIGHEST_ICMP_TYPE: Final = 18
_ICMP_ERRORS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12})
"""What icmp_send takes for errors (icmp_pointers in net/ipv4/icmp.c), to be on the safe side."""
_MOST_QUOTED: Final = {Family.IPV4: 548, Family.IPV6: 1232}
"""Bytes: what fits into 576 with the headers (RFC 1812, 4.3.2.3), and into 1280 (RFC 4443)."""

_PRECEDENCE: Final = 0xC0
_TOS_MASK: Final = 0x1E
_WITH_CHECKSUM: Final = frozenset({TCP, UDP, ICMP, ICMPV6})
_UNCHECKED: Final = frozenset({47, 50, 51, 132, 136})
"""GRE, ESP, AH, SCTP, UDP-Lite: their checksums are of another kind."""


def reset_for(packet: Packet) -> Packet | None:
    """Port of nf_send_reset and nf_send_reset6: the RST that answers a segment; none answers an RST
    or a wrong checksum. A segment without ACK is acknowledged with all that it occupies.
    """
    flags = packet.flags
    if packet.protocol != TCP or flags is None or flags & TcpFlags.RST or packet.defect is not None:
        return None
    if flags & TcpFlags.ACK:
        answer, seq, ack = TcpFlags.RST, packet.ack, 0
    else:
        size = bool(flags & TcpFlags.SYN) + bool(flags & TcpFlags.FIN) + packet.payload
        answer, seq, ack = TcpFlags.RST | TcpFlags.ACK, 0, (packet.seq + size) & 0xFFFFFFFF
    return Packet(
        packet.family,
        packet.daddr,
        packet.saddr,
        TCP,
        packet.dport,
        packet.sport,
        answer,
        seq=seq,
        ack=ack,
        window=0,
    )


def error_for(
    packet: Packet, error: IcmpError, host: Host, in_interface: str | None
) -> Packet | None:
    """Port of icmp_send and icmp6_send: the error that quotes a packet. None where there is none:
    in answer to other errors, to many hosts, where no route leads back.

    The box speaks with the address that was meant, if that is its own. Else IPv4 takes that of
    the way back, IPv6 that of the interface where the packet came in.
    """
    family = packet.family
    kind = packet.icmp_type or 0
    if packet.protocol == ICMP and (kind in _ICMP_ERRORS or kind > _HIGHEST_ICMP_TYPE):
        return None
    if packet.protocol == ICMPV6 and is_icmp_error(ICMPV6, kind):
        return None
    if host.address_type(packet.daddr, family) in (AddressType.BROADCAST, AddressType.MULTICAST):
        return None
    saddr: int | None = packet.daddr
    if not host.is_local(packet.daddr, family):
        saddr = host.source_to(packet.saddr, family, in_interface)
    if saddr is None or host.route_from(saddr, packet.saddr, family) is None:
        return None
    is_ipv4 = family is Family.IPV4
    return Packet(
        family,
        saddr,
        packet.saddr,
        ICMP if is_ipv4 else ICMPV6,
        icmp_type=error.type,
        icmp_code=error.code,
        quoted=packet,
        most_quoted=_MOST_QUOTED[family],
        tos=packet.tos & _TOS_MASK | _PRECEDENCE if is_ipv4 else 0,
    )


def checksum_holds(packet: Packet) -> bool:
    """Port of nf_reject_verify_csum, nf_ip_checksum and nf_ip6_checksum: whether an ICMP error is
    sent of a rejected packet.

    A protocol that the kernel does not know is taken to have the Internet's checksum over all its
    bytes, in IPv6 with the pseudo header, which zeros never have.
    """
    if packet.protocol in _WITH_CHECKSUM:
        return packet.defect is not Defect.CHECKSUM
    if packet.family is Family.IPV6:
        # One with nothing behind its header counts as cut off.
        return packet.protocol in _UNCHECKED and packet.payload > 0
    if packet.protocol in _UNCHECKED:
        return True
    data = packet.data[: packet.payload]
    return int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF == 0
