# SPDX-License-Identifier: GPL-2.0-only
"""TCP segments as bytes. Source: RFC 791, RFC 8200, RFC 9293, RFC 7323."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from ctlint.wire.tcp_flags import TcpFlags

_TTL = 64
_TCP = 6


class Segment(NamedTuple):
    """What tells one packet from another, read from its bytes.

    ``flags`` is None, and ports and numbers are 0, for everything that is not TCP.
    """

    source: str
    destination: str
    sport: int
    dport: int
    flags: str | None
    seq: int
    ack: int
    length: int

    def is_same(self, other: Segment) -> bool:
        """Whether both are one packet, whatever became of its addresses."""
        return self[4:] == other[4:]


def build(
    source: str, destination: str, sport: int, dport: int, packet: Mapping[str, Any]
) -> bytes:
    """The bytes of a scenario's packet (docs/scenario.md)."""
    v6 = ":" in source
    options = _options(packet.get("opts", {}))
    payload = b"x" * packet.get("len", 0)
    header = struct.pack(
        "!HHIIBBHHH",
        sport,
        dport,
        packet.get("seq", 0),
        packet.get("ack", 0),
        (20 + len(options)) // 4 << 4,
        TcpFlags.parse(packet["flags"]),
        packet.get("win", 65535),
        0,
        0,
    )
    segment = header + options + payload
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if v6:
        pseudo = ends + struct.pack("!IxxxB", len(segment), _TCP)
        ip = struct.pack("!IHBB", 6 << 28, len(segment), _TCP, _TTL) + ends
    else:
        pseudo = ends + struct.pack("!xBH", _TCP, len(segment))
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, _TTL, _TCP, 0) + ends
        ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    total = struct.pack("!H", _checksum(pseudo + segment))
    return b"".join((ip, segment[:16], total, segment[18:]))


def parse(data: bytes) -> Segment:
    """What a packet is. The bytes may be cut off behind the TCP header."""
    if data[0] >> 4 == 6:
        protocol, start = data[6], 40
        total = 40 + int.from_bytes(data[4:6], "big")
        source, destination = data[8:24], data[24:40]
    else:
        protocol, start = data[9], (data[0] & 15) * 4
        total = int.from_bytes(data[2:4], "big")
        source, destination = data[12:16], data[16:20]
    ends = str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination))
    if protocol != _TCP:
        return Segment(*ends, 0, 0, None, 0, 0, total)
    sport, dport, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", data, start)
    length = total - start - (offset >> 4) * 4
    return Segment(*ends, sport, dport, TcpFlags(flags).letters, seq, ack, length)


def _options(given: Mapping[str, Any]) -> bytes:
    unknown = given.keys() - {"mss", "sackok", "wscale"}
    if unknown:
        raise ValueError(f"options that this player does not write: {sorted(unknown)}")
    text = b""
    if "mss" in given:
        text += struct.pack("!BBH", 2, 4, given["mss"])
    if given.get("sackok"):
        text += b"\x04\x02"
    if "wscale" in given:
        text += struct.pack("!BBB", 3, 3, given["wscale"])
    return text + b"\x01" * (-len(text) % 4)


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
