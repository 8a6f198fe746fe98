# SPDX-License-Identifier: GPL-2.0-only
"""Packets from the bytes that were captured, as far as conntrack looks at them.

The counterpart of `encoding`. What is malformed is told as the kernel takes it: IP drops it, or
conntrack calls it INVALID (a `Defect`). What the capture cut off is told apart from both.

Source: RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, RFC 4443; net/ipv4/ip_input.c, ip_rcv_core();
net/ipv6/exthdrs_core.c, ipv6_skip_exthdr(); net/netfilter/nf_conntrack_proto_tcp.c, tcp_options();
Linux 6.18.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from ctlint.wire.addresses import Family
from ctlint.wire.frame import LeftOut
from ctlint.wire.packet import Defect, Packet, TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP, is_icmp_error
from ctlint.wire.tcp_flags import TcpFlags

_IP4 = struct.Struct("!BBHHHBBHII")
_TCP = struct.Struct("!HHIIBBHHH")
_UDP = struct.Struct("!HHHH")
_ICMP = struct.Struct("!BBHHH")

_IPV4: Final = Family.IPV4
_IPV6: Final = Family.IPV6
_FLAGS: Final = tuple(map(TcpFlags, range(256)))
_NO_FLAGS: Final = _FLAGS[0]

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _NO_NEXT, _OPTIONS = 0, 43, 44, 51, 59, 60
_EXTENSIONS: Final = frozenset(
    (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _NO_NEXT, _OPTIONS)
)
_PORTS: Final = 4
_TUPLE_BYTES: Final = 8
"""Without so many bytes behind IP there is no tuple (nf_ct_get_tuple)."""
_MORE, _OFFSET = 0x2000, 0x1FFF
_DEFAULTS: Final = Packet._field_defaults
_QUOTED: Final[int] = _DEFAULTS["most_quoted"]
_WINDOW: Final[int] = _DEFAULTS["window"]
_make = tuple.__new__


class Decoded(NamedTuple):
    """A packet. ``number`` is the identification of IPv4, 0 for IPv6. ``is_cut``: the capture cut
    off what conntrack needs behind the ports. ``has_payload``: all of its payload was captured.
    """

    packet: Packet
    number: int
    is_cut: bool
    has_payload: bool


class Header(NamedTuple):
    """What an IP header says. ``number`` is the identification of IPv4 or of an IPv6 fragment."""

    family: Family
    saddr: int
    daddr: int
    protocol: int
    ttl: int
    tos: int
    number: int


class Piece(NamedTuple):
    """A fragment: its header, where it stands in the packet's payload, whether others follow.

    ``head`` are the bytes that were captured of the first one, from the transport header on.
    """

    header: Header
    start: int
    length: int
    has_more: bool
    head: bytes


def decode(
    data: bytes, start: int, length: int, *, keeps_payload: bool = False
) -> Decoded | Piece | LeftOut:
    """The packet whose IP header begins at ``start``. ``length`` is the frame's on the wire, of
    which ``data`` were captured. With ``keeps_payload`` the packet has its payload's bytes.
    """
    if len(data) <= start:
        return LeftOut.CUT if length > start else LeftOut.MALFORMED
    version = data[start] >> 4
    if version == 4:
        return _decode4(data, start, length, keeps_payload)
    if version == 6:
        return _decode6(data, start, length, keeps_payload)
    return LeftOut.MALFORMED


def _decode4(
    data: bytes, start: int, length: int, keeps_payload: bool
) -> Decoded | Piece | LeftOut:
    if len(data) < start + 20:
        return LeftOut.CUT if length >= start + 20 else LeftOut.MALFORMED
    first, tos, total, number, fragment, ttl, protocol, _, saddr, daddr = _IP4.unpack_from(
        data, start
    )
    header = (first & 15) * 4
    if total == 0:
        total = length - start  # Segments that the hardware was to cut have no length.
    if header < 20 or total < header or total > length - start:
        return LeftOut.MALFORMED
    at, size = start + header, total - header
    head = _make(Header, (_IPV4, saddr, daddr, protocol, ttl, tos, number))
    if fragment & (_MORE | _OFFSET):
        place = (fragment & _OFFSET) * 8
        first_bytes = b"" if place else data[at : at + size]
        return Piece(head, place, size, bool(fragment & _MORE), first_bytes)
    return transport(head, data, at, size, keeps_payload=keeps_payload)


def _decode6(
    data: bytes, start: int, length: int, keeps_payload: bool
) -> Decoded | Piece | LeftOut:
    if len(data) < start + 40:
        return LeftOut.CUT if length >= start + 40 else LeftOut.MALFORMED
    tos = (data[start] << 8 | data[start + 1]) >> 4 & 0xFF
    size = data[start + 4] << 8 | data[start + 5]
    if size == 0 and data[start + 6] != _NO_NEXT:
        size = length - start - 40  # A jumbogram, or segments that the hardware was to cut.
    if size > length - start - 40:
        return LeftOut.MALFORMED
    saddr = int.from_bytes(data[start + 8 : start + 24], "big")
    daddr = int.from_bytes(data[start + 24 : start + 40], "big")
    ttl = data[start + 7]
    found = _skip_extensions(data, start + 40, size, data[start + 6])
    if isinstance(found, LeftOut):
        return found
    protocol, at, fragment, number = found
    size -= at - start - 40
    head = Header(_IPV6, saddr, daddr, protocol, ttl, tos, number)
    if fragment is not None:
        place = fragment & ~7
        first_bytes = b"" if place else data[at : at + size]
        return Piece(head, place, size, bool(fragment & 1), first_bytes)
    return transport(head, data, at, size, keeps_payload=keeps_payload)


def _skip_extensions(
    data: bytes, at: int, size: int, protocol: int
) -> tuple[int, int, int | None, int] | LeftOut:
    """Port of ipv6_skip_exthdr: the protocol behind the extension headers and where it begins. Of a
    fragment also its offset with its flag, and its number; what stands behind is not looked at.
    """
    end = at + size
    while protocol in _EXTENSIONS and protocol != _NO_NEXT:
        if end < at + 8:
            return LeftOut.MALFORMED
        if len(data) < at + 8:
            return LeftOut.CUT
        following = data[at]
        if protocol == _FRAGMENT:
            fragment = data[at + 2] << 8 | data[at + 3]
            number = int.from_bytes(data[at + 4 : at + 8], "big")
            if fragment & 0xFFF9:
                return following, at + 8, fragment & 0xFFF9, number
            width = 8  # An atomic fragment is whole (RFC 6946).
        elif protocol == _AUTHENTICATION:
            width = (data[at + 1] + 2) * 4
        else:
            width = (data[at + 1] + 1) * 8
        at += width
        if at > end:
            return LeftOut.MALFORMED
        protocol = following
    return protocol, at, None, 0


def transport(
    header: Header, data: bytes, at: int, size: int, *, keeps_payload: bool
) -> Decoded | LeftOut:
    """The packet whose transport header begins at ``at``; with its payload it has ``size`` bytes,
    of which all that are in ``data`` were captured.
    """
    there = min(len(data) - at, size)
    protocol = header.protocol
    if protocol in (TCP, UDP):
        least = 20 if protocol == TCP else 8
        if there < least:
            return _short(header, data[at : at + there], size, least)
        if protocol == TCP:
            return _tcp(header, data, at, there, size, keeps_payload)
        return _udp(header, data, at, there, size, keeps_payload)
    if protocol in (ICMP, ICMPV6):
        if protocol != (ICMP if header.family is _IPV4 else ICMPV6):
            return LeftOut.OTHER_TRACKER
        return _icmp(header, data[at : at + there], size)
    family, saddr, daddr, _, ttl, tos, number = header
    packet = Packet(family, saddr, daddr, protocol, payload=size, ttl=ttl, tos=tos)
    return Decoded(packet, number, False, there >= size)


def _tcp(ip: Header, data: bytes, at: int, there: int, size: int, keeps_payload: bool) -> Decoded:
    family, saddr, daddr, _, ttl, tos, number = ip
    sport, dport, seq, ack, offset, flags, window, _, _ = _TCP.unpack_from(data, at)
    width = (offset >> 4) * 4
    defect = options = None
    if width < 20 or width > size:
        width, defect = size, Defect.TRUNCATED
    elif width > 20:
        options = tcp_options(data[at + 20 : at + width])
    payload = data[at + width : at + size] if keeps_payload else b""
    fields = (family, saddr, daddr, TCP, sport, dport, _FLAGS[flags], None, None, size - width)
    more = (seq, ack, window, options, 0, None, defect, ttl, tos, payload, _QUOTED)
    packet = _make(Packet, fields + more)
    return _make(Decoded, (packet, number, width > there, there >= size))


def _udp(ip: Header, data: bytes, at: int, there: int, size: int, keeps_payload: bool) -> Decoded:
    family, saddr, daddr, _, ttl, tos, number = ip
    sport, dport, told, _ = _UDP.unpack_from(data, at)
    defect = Defect.TRUNCATED if told > size or told < 8 else None
    payload = data[at + 8 : at + size] if keeps_payload else b""
    fields = (family, saddr, daddr, UDP, sport, dport, None, None, None, size - 8)
    more = (0, 0, _WINDOW, None, 0, None, defect, ttl, tos, payload, _QUOTED)
    return Decoded(_make(Packet, fields + more), number, False, there >= size)


def _short(ip: Header, there: bytes, size: int, least: int) -> Decoded | LeftOut:
    """A packet of TCP or UDP that has less than its header, or of which the capture has less."""
    family, saddr, daddr, protocol, ttl, tos, number = ip
    if size < _TUPLE_BYTES:
        return LeftOut.MALFORMED
    if len(there) < _PORTS:
        return LeftOut.CUT
    packet = Packet(
        family,
        saddr,
        daddr,
        protocol,
        there[0] << 8 | there[1],
        there[2] << 8 | there[3],
        _NO_FLAGS if protocol == TCP else None,
        defect=Defect.TRUNCATED if size < least else None,
        ttl=ttl,
        tos=tos,
    )
    return Decoded(packet, number, size >= least, len(there) >= size)


def _icmp(ip: Header, there: bytes, size: int) -> Decoded | LeftOut:
    family, saddr, daddr, protocol, ttl, tos, number = ip
    if len(there) < min(size, _TUPLE_BYTES):
        return LeftOut.CUT
    kind, code, _, identifier, _ = _ICMP.unpack(there[:_TUPLE_BYTES].ljust(_TUPLE_BYTES, b"\0"))
    is_error = is_icmp_error(protocol, kind)
    quoted = _quoted(family, there[_TUPLE_BYTES:]) if is_error else None
    packet = Packet(
        family,
        saddr,
        daddr,
        protocol,
        icmp_type=kind,
        icmp_code=code,
        payload=0 if is_error else max(size - _TUPLE_BYTES, 0),
        icmp_id=0 if is_error else identifier,
        quoted=quoted,
        defect=Defect.TRUNCATED if size < _TUPLE_BYTES else None,
        ttl=ttl,
        tos=tos,
        most_quoted=size - _TUPLE_BYTES if is_error else _QUOTED,
    )
    # A quotation is as long as its sender liked: only where the capture ends is it cut.
    is_cut = is_error and quoted is None and len(there) < size
    return Decoded(packet, number, is_cut, len(there) >= size)


def _quoted(family: Family, data: bytes) -> Packet | None:
    """The packet that an ICMP error quotes, if its tuple can be read (nf_ct_get_tuplepr)."""
    if family is _IPV4:
        if len(data) < 20 or data[0] >> 4 != 4:
            return None
        first, tos, total, _, fragment, ttl, protocol, _, saddr, daddr = _IP4.unpack_from(data)
        at = (first & 15) * 4
        if at < 20 or fragment & _OFFSET:
            return None
        size = max(total - at, 0)
    else:
        if len(data) < 40 or data[0] >> 4 != 6:
            return None
        tos = (data[0] << 8 | data[1]) >> 4 & 0xFF
        size = data[4] << 8 | data[5]
        saddr, daddr = int.from_bytes(data[8:24], "big"), int.from_bytes(data[24:40], "big")
        ttl = data[7]
        found = _skip_extensions(data, 40, size, data[6])
        if isinstance(found, LeftOut):
            return None
        protocol, at, _, _ = found
        size = max(size - (at - 40), 0)
    there = data[at : at + _TUPLE_BYTES]
    if protocol in (TCP, UDP):
        if len(there) < _TUPLE_BYTES:
            return None
        sport, dport, seq = struct.unpack("!HHI", there)
        is_tcp = protocol == TCP
        return Packet(
            family,
            saddr,
            daddr,
            protocol,
            sport,
            dport,
            _NO_FLAGS if is_tcp else None,
            payload=max(size - (20 if is_tcp else 8), 0),
            seq=seq if is_tcp else 0,
            ttl=ttl,
            tos=tos,
        )
    if protocol in (ICMP, ICMPV6):
        if len(there) < _TUPLE_BYTES:
            return None
        kind, code, _, identifier, _ = _ICMP.unpack(there)
        return Packet(
            family,
            saddr,
            daddr,
            protocol,
            icmp_type=kind,
            icmp_code=code,
            icmp_id=identifier,
            payload=max(size - 8, 0),
            ttl=ttl,
            tos=tos,
        )
    return Packet(family, saddr, daddr, protocol, payload=size, ttl=ttl, tos=tos)


def tcp_options(text: bytes) -> TcpOptions:
    """Port of tcp_options(), with what else a header tells. It ends where an option lies about its
    length, as the kernel's does.
    """
    if text[:4] == b"\x01\x01\x08\x0a" and len(text) == 12:
        value, echo = struct.unpack_from("!II", text, 4)
        return TcpOptions(timestamps=(value, echo))
    mss: int | None = None
    wscale: int | None = None
    permitted = False
    timestamps: tuple[int, int] | None = None
    sack: tuple[tuple[int, int], ...] = ()
    at, end = 0, len(text)
    while at < end:
        kind = text[at]
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        size = text[at + 1] if at + 1 < end else 0
        if size < 2 or at + size > end:
            break
        if kind == 2 and size == 4:
            mss = text[at + 2] << 8 | text[at + 3]
        elif kind == 3 and size == 3:
            wscale = text[at + 2]
        elif kind == 4 and size == 2:
            permitted = True
        elif kind == 5 and size >= 10 and (size - 2) % 8 == 0:
            edges = struct.unpack_from(f"!{(size - 2) // 4}I", text, at + 2)
            sack += tuple(zip(edges[::2], edges[1::2], strict=True))
        elif kind == 8 and size == 10:
            value, echo = struct.unpack_from("!II", text, at + 2)
            timestamps = (value, echo)
        at += size
    return TcpOptions(mss, wscale, permitted, timestamps, sack)
