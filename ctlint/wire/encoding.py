# SPDX-License-Identifier: GPL-2.0-only
"""The bytes of a packet, as far as its fields tell them.

Nothing says what stands in the identification of IPv4, the flow label of IPv6, the sequence number
of an ICMP query and in checksums: of these it is known where they are.

Source: RFC 791, RFC 8200, RFC 9293, RFC 7323, RFC 2018, RFC 768, RFC 792, RFC 4443.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from ctlint.wire.addresses import Family
from ctlint.wire.packet import Defect, Packet, TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

IPV4_HEADER: Final = 20
IPV6_HEADER: Final = 40
TCP_HEADER: Final = 20
UDP_HEADER: Final = 8
ICMP_HEADER: Final = 8

MSS, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMPS = 2, 3, 4, 5, 8
"""Kinds of TCP options."""

_NO_OPERATION: Final = b"\x01"
_ORDER: Final = (MSS, SACK_PERMITTED, TIMESTAMPS, WINDOW_SCALE, SACK)
"""How Linux orders options (tcp_options_write() in net/ipv4/tcp_output.c)."""

_IP4 = struct.Struct("!BBHHHBBH")
_IP6 = struct.Struct("!IHBB")
_TCP = struct.Struct("!HHIIBBHHH")
_UDP = struct.Struct("!HHHH")
_ICMP = struct.Struct("!BBHHH")


class Encoding(NamedTuple):
    """Bytes from the IP header on. ``unknown`` are the bits that are not known, by offset; they
    are clear in ``data``. ``transport`` is where the transport header begins.
    """

    data: bytes
    unknown: Mapping[int, int]
    transport: int


def tcp_options(options: TcpOptions | None) -> bytes:
    """The options of a TCP header, filled up to whole words with no-operations."""
    if options is None:
        return b""
    written = {
        MSS: b"" if options.mss is None else struct.pack("!BBH", MSS, 4, options.mss),
        SACK_PERMITTED: bytes((SACK_PERMITTED, 2)) if options.sack_permitted else b"",
        TIMESTAMPS: (
            b""
            if options.timestamps is None
            else struct.pack("!BBII", TIMESTAMPS, 10, *options.timestamps)
        ),
        WINDOW_SCALE: (b"" if options.wscale is None else bytes((WINDOW_SCALE, 3, options.wscale))),
        SACK: b"".join(struct.pack("!II", *block) for block in options.sack),
    }
    if options.sack:
        written[SACK] = bytes((SACK, 2 + len(written[SACK]))) + written[SACK]
    for kind, length in options.stripped:
        written[kind] += _NO_OPERATION * length
    text = b"".join(written[kind] for kind in _ORDER)
    return text + _NO_OPERATION * (-len(text) % 4)


def total_length(packet: Packet) -> int:
    """Bytes of the packet with its IP header."""
    header = IPV6_HEADER if packet.family is Family.IPV6 else IPV4_HEADER
    return header + _transport_length(packet) + packet.payload


def _transport_length(packet: Packet) -> int:
    if packet.protocol == TCP:
        return TCP_HEADER + len(tcp_options(packet.options))
    if packet.protocol == UDP:
        return UDP_HEADER
    if packet.protocol in (ICMP, ICMPV6):
        return ICMP_HEADER + (0 if packet.quoted is None else _quoted_length(packet.quoted, packet))
    return 0


def _quoted_length(quoted: Packet, error: Packet) -> int:
    return min(total_length(quoted), error.most_quoted)


@lru_cache(maxsize=64)
def encode(packet: Packet) -> Encoding | None:
    """The packet's bytes; None where one of its length fields lies."""
    if packet.defect is Defect.TRUNCATED:
        return None
    found = _segment(packet)
    if found is None:
        return None
    segment, unknown = found
    payload = packet.data[: packet.payload].ljust(packet.payload, b"\0")
    size = len(segment) + len(payload)
    width = packet.family.bits // 8
    ends = packet.saddr.to_bytes(width, "big") + packet.daddr.to_bytes(width, "big")
    if packet.family is Family.IPV6:
        head = _IP6.pack(6 << 28 | packet.tos << 20, size, packet.protocol, packet.ttl)
        in_head = {1: 0x0F, 2: 0xFF, 3: 0xFF}
    else:
        total = IPV4_HEADER + size
        head = _IP4.pack(0x45, packet.tos, total, 0, 0, packet.ttl, packet.protocol, 0)
        in_head = {4: 0xFF, 5: 0xFF, 10: 0xFF, 11: 0xFF}
    head += ends
    in_head |= {len(head) + offset: bits for offset, bits in unknown.items()}
    return Encoding(head + segment + payload, in_head, len(head))


def _segment(packet: Packet) -> tuple[bytes, dict[int, int]] | None:
    """The transport header, with what an ICMP error quotes, and what is not known of it.

    None where the bytes of the quoted packet are not known.
    """
    if packet.protocol == TCP:
        options = tcp_options(packet.options)
        header = _TCP.pack(
            packet.sport or 0,
            packet.dport or 0,
            packet.seq,
            packet.ack,
            TCP_HEADER + len(options) << 2,
            packet.flags or 0,
            packet.window,
            0,
            0,
        )
        return header + options, {16: 0xFF, 17: 0xFF}
    if packet.protocol == UDP:
        length = UDP_HEADER + packet.payload & 0xFFFF
        header = _UDP.pack(packet.sport or 0, packet.dport or 0, length, 0)
        return header, {6: 0xFF, 7: 0xFF}
    if packet.protocol in (ICMP, ICMPV6):
        header = _ICMP.pack(packet.icmp_type or 0, packet.icmp_code or 0, 0, packet.icmp_id, 0)
        unknown = dict.fromkeys((2, 3, 6, 7), 0xFF)
        if packet.quoted is not None:
            quoted = encode(packet.quoted)
            if quoted is None:
                return None
            length = _quoted_length(packet.quoted, packet)
            unknown |= {
                ICMP_HEADER + offset: bits
                for offset, bits in quoted.unknown.items()
                if offset < length
            }
            header += quoted.data[:length]
        return header, unknown
    return b"", {}
