# SPDX-License-Identifier: GPL-2.0-only
"""Packets as bytes: of a scenario's packets, and back from what came out.

Every packet carries a number of the lab's in a field that no router changes: the identification of
IPv4, the flow label of IPv6. It tells the packet from those that the box makes itself.

Source: RFC 791, RFC 8200, RFC 9293, RFC 7323, RFC 2018, RFC 768, RFC 792, RFC 4443.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import Final, NamedTuple

from ctlint.lab.table import key_of
from ctlint.scenario.scenario import Flow, ScenarioError, Send
from ctlint.wire.addresses import Family
from ctlint.wire.packet import TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP, is_icmp_error
from ctlint.wire.tcp_flags import TcpFlags

MTU: Final = 65535
"""Length of the longest packet."""

LAST_NUMBER: Final = 65535
"""Packets are numbered from 1 to this, then from 1 again."""

_WITH_PORTS: Final = frozenset((TCP, UDP))
# What they carry is opaque here, but conntrack reads ports in it (DCCP, SCTP, UDP-Lite).
_PORTS_IN_PAYLOAD: Final = frozenset((33, 132, 136))
_GRE: Final = 47
_OPTIONS_ROOM: Final = 40

_IP4 = struct.Struct("!BBHHHBBH")
_IP6 = struct.Struct("!IHBB")
_TCP = struct.Struct("!HHIIBBHHH")
_UDP = struct.Struct("!HHHH")
_ICMP = struct.Struct("!BBHHH")


class Built(NamedTuple):
    """A packet: its bytes, and what finds its entry (None: conntrack has no tuple for it)."""

    data: bytes
    key: bytes | None


class Read(NamedTuple):
    """A packet that came out. Of ICMP the identifier and the type stand for ports."""

    protocol: int
    src: str
    sport: int
    dst: str
    dport: int
    flags: str | None
    seq: int
    ack: int
    window: int
    length: int


def build(send: Send, ends: Flow, family: Family, number: int, quoted: bytes = b"") -> Built:
    """The bytes of a packet with its ends, and its number. Raises ScenarioError."""
    width = family.bits // 8
    addresses = ends.saddr.to_bytes(width, "big") + ends.daddr.to_bytes(width, "big")
    protocol, length = send.protocol, send.length
    payload = send.data[:length]
    ports = b""
    code = 0
    if protocol == TCP:
        options = _options(send.options)
        segment = (
            _TCP.pack(
                ends.sport,
                ends.dport,
                send.seq,
                send.ack,
                20 + len(options) << 2,
                send.flags,
                send.window,
                0,
                0,
            )
            + options
        )
        place = 16
        ports = segment[:4]
    elif protocol == UDP:
        segment = _UDP.pack(ends.sport, ends.dport, 8 + length & 0xFFFF, 0)
        place = 6
        ports = segment[:4]
    elif protocol in (ICMP, ICMPV6):
        code = send.icmp_code
        head = _ICMP.pack(send.icmp_type, code, 0, send.icmp_id, send.icmp_seq)
        segment = head + quoted
        place = 2
        ports = head[4:6] + bytes((0, send.icmp_type))
    else:
        segment = b""
        place = 0
        if protocol in _PORTS_IN_PAYLOAD or protocol == _GRE:
            ports = payload[:4].ljust(4, b"\0") if protocol != _GRE else bytes(4)
    size = len(segment) + length
    if size + (40 if family is Family.IPV6 else 20) > MTU:
        raise ScenarioError(f"a packet of more than {MTU} bytes")
    if place:
        # The zeros behind what is summed up change no checksum.
        summed = segment + payload
        total = int.from_bytes(summed + bytes(len(summed) % 2), "big")
        if protocol != ICMP:
            total += int.from_bytes(addresses, "big") + protocol + size
        checksum = 0xFFFF - total % 0xFFFF
        if send.has_bad_checksum:
            # A UDP checksum of 0 would be none at all.
            checksum = checksum ^ 0x5555 or 0xAAAA
        segment = segment[:place] + checksum.to_bytes(2, "big") + segment[place + 2 :]
    if family is Family.IPV6:
        ip = _IP6.pack(6 << 28 | send.tos << 20 | number, size, protocol, send.ttl) + addresses
    else:
        ip = _IP4.pack(0x45, send.tos, 20 + size, number, 0, send.ttl, protocol, 0) + addresses
        checksum = 0xFFFF - int.from_bytes(ip, "big") % 0xFFFF
        ip = ip[:10] + checksum.to_bytes(2, "big") + ip[12:]
    key = None if quoted else key_of(family, protocol, addresses, ports, code)
    return Built(ip + segment + payload + bytes(length - len(payload)), key)


def number_of(data: bytes) -> int:
    """The number that a packet carries; packets of others have any, mostly 0."""
    if data[0] >> 4 == Family.IPV6:
        return int.from_bytes(data[1:4], "big") & 0xFFFFF
    return data[4] << 8 | data[5]


def protocol_of(data: bytes) -> int:
    """The protocol behind the IP header."""
    return data[6] if data[0] >> 4 == Family.IPV6 else data[9]


def icmp_kind_of(data: bytes) -> bytes:
    """Type and code of an ICMP packet; of others nothing."""
    if protocol_of(data) not in (ICMP, ICMPV6):
        return b""
    start = 40 if data[0] >> 4 == Family.IPV6 else (data[0] & 15) * 4
    return data[start : start + 2]


def target_of(data: bytes) -> bytes:
    """The destination address."""
    return data[24:40] if data[0] >> 4 == Family.IPV6 else data[16:20]


def read(data: bytes) -> Read:
    """What a packet is. The bytes may be cut off behind the transport header."""
    if data[0] >> 4 == Family.IPV6:
        start, total = 40, 40 + int.from_bytes(data[4:6], "big")
        src, dst = _address(data[8:24]), _address(data[24:40])
    else:
        start, total = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big")
        src, dst = _address(data[12:16]), _address(data[16:20])
    protocol = protocol_of(data)
    if protocol == TCP and len(data) >= start + 20:
        sport, dport, seq, ack, offset, flags, window, _, _ = _TCP.unpack_from(data, start)
        length = total - start - (offset >> 4) * 4
        letters = _letters(flags)
        return Read(protocol, src, sport, dst, dport, letters, seq, ack, window, length)
    if protocol == UDP and len(data) >= start + 8:
        sport, dport, _, _ = _UDP.unpack_from(data, start)
        return Read(protocol, src, sport, dst, dport, None, 0, 0, 0, total - start - 8)
    if protocol in (ICMP, ICMPV6) and len(data) >= start + 8:
        kind, _, _, identifier, _ = _ICMP.unpack_from(data, start)
        # What an error quotes is not its own.
        length = 0 if is_icmp_error(protocol, kind) else total - start - 8
        return Read(protocol, src, identifier, dst, kind, None, 0, 0, 0, length)
    return Read(protocol, src, 0, dst, 0, None, 0, 0, 0, total - start)


def ends_of(data: bytes, before: Flow) -> Flow:
    """The ends of a packet; where its protocol has no ports, they are those of before."""
    if data[0] >> 4 == Family.IPV6:
        start, source, target = 40, data[8:24], data[24:40]
    else:
        start, source, target = (data[0] & 15) * 4, data[12:16], data[16:20]
    sport, dport = before.sport, before.dport
    if protocol_of(data) in _WITH_PORTS:
        sport, dport = struct.unpack_from("!HH", data, start)
    return Flow(int.from_bytes(source, "big"), sport, int.from_bytes(target, "big"), dport)


@lru_cache(maxsize=256)
def _options(given: TcpOptions | None) -> bytes:
    """The options as Linux orders them, filled up with no-operations."""
    if given is None:
        return b""
    text = b""
    if given.mss is not None:
        text += struct.pack("!BBH", 2, 4, given.mss)
    if given.sack_permitted:
        text += b"\x04\x02"
    if given.timestamps is not None:
        text += struct.pack("!BBII", 8, 10, *given.timestamps)
    if given.wscale is not None:
        text += struct.pack("!BBB", 3, 3, given.wscale)
    if given.sack:
        text += struct.pack("!BB", 5, 2 + 8 * len(given.sack))
        text += b"".join(struct.pack("!II", *block) for block in given.sack)
    text += b"\x01" * (-len(text) % 4)
    if len(text) > _OPTIONS_ROOM:
        raise ScenarioError(f"TCP options take {len(text)} bytes; a header has {_OPTIONS_ROOM}")
    return text


@lru_cache(maxsize=1 << 12)
def _address(data: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


@lru_cache(maxsize=256)
def _letters(flags: int) -> str:
    return TcpFlags(flags).letters
