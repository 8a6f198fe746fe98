# SPDX-License-Identifier: GPL-2.0-only
"""Packets out of frames: as scapy builds them, and what is cut off, short or lies."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers import inet
from scapy.layers.inet import IP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
from scapy.packet import Packet as Built
from scapy.packet import Raw

from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.decoding import Decoded, Piece, decode
from ctlint.wire.encoding import encode
from ctlint.wire.frame import LeftOut, ip_start
from ctlint.wire.packet import Defect, Packet, TcpOptions
from ctlint.wire.protocols import ICMP, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

_A4, _B4 = "10.1.0.2", "10.2.0.2"
_A6, _B6 = "fd01::2", "fd02::2"
_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (5, 6)), ("NOP", None), ("WScale", 7)]


def _ends(family: Family) -> tuple[int, int]:
    one, other = (_A4, _B4) if family is Family.IPV4 else (_A6, _B6)
    return parse_address(one, family), parse_address(other, family)


def _ip(family: Family) -> Built:
    return IP(src=_A4, dst=_B4) if family is Family.IPV4 else IPv6(src=_A6, dst=_B6)


def _decoded(built: Built, cut: int | None = None) -> Packet:
    data = bytes(built)
    found = decode(data[:cut], 0, len(data))
    assert isinstance(found, Decoded)
    return found.packet


@pytest.mark.parametrize("family", list(Family))
def test_tcp(family: Family) -> None:
    segment = inet.TCP(sport=40000, dport=80, flags="PA", seq=9, ack=8, window=77, options=_OPTIONS)
    found = _decoded(_ip(family) / segment / b"hello")
    assert found == Packet(
        family,
        *_ends(family),
        TCP,
        40000,
        80,
        TcpFlags.PSH | TcpFlags.ACK,
        payload=5,
        seq=9,
        ack=8,
        window=77,
        options=TcpOptions(1460, 7, sack_permitted=True, timestamps=(5, 6)),
    )


@given(
    sack=st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 2), min_size=1, max_size=3),
    stamps=st.none() | st.tuples(*[st.integers(0, 2**32 - 1)] * 2),
)
def test_selective_acknowledgements(
    sack: list[tuple[int, int]], stamps: tuple[int, int] | None
) -> None:
    options: list[tuple[str, object]] = [("Timestamp", stamps)] if stamps else []
    options.append(("SAck", tuple(edge for block in sack for edge in block)))
    found = _decoded(IP(src=_A4, dst=_B4) / inet.TCP(options=options))
    assert found.options == TcpOptions(timestamps=stamps, sack=tuple(sack))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", TcpOptions()),
        ("00 030307", TcpOptions()),  # behind the end of the list
        ("030307 01010101010101 0303", TcpOptions(wscale=7)),  # a length that is not there
        ("0301 020405b4", TcpOptions()),  # a length below 2
        ("0204 05b4 030409 01", TcpOptions(mss=1460)),  # a window scale of 4 bytes goes too far
        ("fd04 1122 030307 01", TcpOptions(wscale=7)),  # one that nobody knows
    ],
)
def test_options_as_the_kernel_reads_them(text: str, options: TcpOptions) -> None:
    raw = bytes.fromhex(text).ljust(12, b"\x01" if text[:2] == "fd" else b"\0")
    header = bytearray(bytes(inet.TCP(sport=1, dport=2)) + raw)
    header[12] = len(header) // 4 << 4
    found = _decoded(IP(src=_A4, dst=_B4, proto=6) / Raw(bytes(header)))
    assert found.options == options


@pytest.mark.parametrize("family", list(Family))
def test_udp(family: Family) -> None:
    found = _decoded(_ip(family) / inet.UDP(sport=5, dport=53) / b"hello")
    assert found == Packet(family, *_ends(family), UDP, 5, 53, payload=5)


def test_echo() -> None:
    found = _decoded(IP(src=_A4, dst=_B4, ttl=9, tos=4) / inet.ICMP(id=77, seq=3) / b"abc")
    ends = _ends(Family.IPV4)
    asked = {"icmp_type": 8, "icmp_code": 0, "icmp_id": 77, "payload": 3, "ttl": 9, "tos": 4}
    assert found == Packet(Family.IPV4, *ends, ICMP, **asked)  # type: ignore[arg-type]
    found = _decoded(IPv6(src=_A6, dst=_B6, tc=3) / ICMPv6EchoRequest(id=77) / b"abc")
    assert (found.icmp_type, found.icmp_id, found.payload, found.tos) == (128, 77, 3, 3)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize(
    "inner", [inet.TCP(sport=40000, dport=80, seq=9), inet.UDP(sport=40000, dport=80)]
)
def test_errors_quote_a_packet(family: Family, inner: Built) -> None:
    error = inet.ICMP(type=3, code=4) if family is Family.IPV4 else ICMPv6DestUnreach(code=1)
    quoted = bytes(_ip(family) / inner / (b"x" * 100))[:60]
    found = _decoded(_ip(family) / error / Raw(quoted))
    assert found.quoted is not None
    protocol = TCP if isinstance(inner, inet.TCP) else UDP
    assert found.quoted[:6] == (family, *_ends(family), protocol, 40000, 80)
    assert found.quoted.payload == 100
    # One that is too short to tell ports is about nothing; one that the capture cut is not known.
    start = 20 if family is Family.IPV4 else 40
    short = _ip(family) / error / Raw(quoted[: start + 7])
    whole = decode(bytes(short), 0, len(short))
    assert isinstance(whole, Decoded)
    assert (whole.packet.quoted, whole.is_cut) == (None, False)
    cut = decode(bytes(_ip(family) / error / Raw(quoted))[: start + 8 + start + 7], 0, 500)
    assert isinstance(cut, Decoded)
    assert cut.is_cut


def test_options_of_ipv4() -> None:
    found = _decoded(
        IP(src=_A4, dst=_B4, options=[IPOption_Router_Alert()]) / inet.UDP(sport=5) / b"x"
    )
    assert (found.sport, found.payload) == (5, 1)


def test_extension_headers() -> None:
    extended = IPv6(src=_A6, dst=_B6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting()
    extended = extended / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(id=5) / inet.TCP(sport=5) / b"xy"
    found = _decoded(extended)
    assert (found.protocol, found.sport, found.payload) == (TCP, 5, 2)


def test_fragments() -> None:
    pieces = inet.fragment(  # type: ignore[no-untyped-call]
        IP(src=_A4, dst=_B4, id=77) / inet.UDP(sport=5, dport=6) / (b"x" * 60), 32
    )
    found = [decode(bytes(piece), 0, len(piece)) for piece in pieces]
    assert all(isinstance(one, Piece) for one in found)
    told = [(one.start, one.length, one.has_more, bool(one.head)) for one in found]  # type: ignore[union-attr]
    assert told == [(0, 32, True, True), (32, 32, True, False), (64, 4, False, False)]


def test_a_fragment_of_ipv6() -> None:
    built = IPv6(src=_A6, dst=_B6) / IPv6ExtHdrFragment(id=5, offset=3, m=0, nh=17) / Raw(b"x" * 9)
    found = decode(bytes(built), 0, len(built))
    assert isinstance(found, Piece)
    assert (found.header.number, found.header.protocol, found.start, found.length) == (5, 17, 24, 9)


_SEGMENT = bytes(IP(src=_A4, dst=_B4) / inet.TCP(sport=5, dport=6, options=_OPTIONS) / b"hello")


@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        (0, LeftOut.CUT),
        (19, LeftOut.CUT),
        (23, LeftOut.CUT),
        (24, "cut"),
        (39, "cut"),
        (59, "cut"),
        (60, "no payload"),
        (64, "no payload"),
        (65, "whole"),
    ],
)
def test_what_the_capture_cut_off(there: int, outcome: object) -> None:
    found = decode(_SEGMENT[:there], 0, len(_SEGMENT))
    if isinstance(found, Decoded):
        assert (found.packet.sport, found.packet.dport) == (5, 6)
        assert (found.is_cut, found.has_payload) == (outcome == "cut", outcome == "whole")
    else:
        assert found is outcome


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"\x45" + bytes(18), LeftOut.MALFORMED),
        (b"\x15" + _SEGMENT[1:], LeftOut.MALFORMED),  # version 1
        (b"\x44" + _SEGMENT[1:], LeftOut.MALFORMED),  # a header of 16 bytes
        (_SEGMENT[:2] + b"\0\x13" + _SEGMENT[4:], LeftOut.MALFORMED),  # 19 bytes in all
        (_SEGMENT[:2] + b"\xff\xff" + _SEGMENT[4:], LeftOut.MALFORMED),  # more than there is
        (_SEGMENT[:2] + b"\0\x1b" + _SEGMENT[4:], LeftOut.MALFORMED),  # 7 bytes behind IP
        (_SEGMENT[:2] + b"\0\x27" + _SEGMENT[4:], Defect.TRUNCATED),  # 19 bytes behind IP
        (_SEGMENT[:32] + b"\x40" + _SEGMENT[33:], Defect.TRUNCATED),  # a header of 16 bytes
        (_SEGMENT[:32] + b"\xf0" + _SEGMENT[33:], Defect.TRUNCATED),  # one of 60
        (_SEGMENT[:2] + b"\0\0" + _SEGMENT[4:], None),  # the hardware was to cut it
    ],
)
def test_lengths_that_lie(data: bytes, outcome: LeftOut | Defect | None) -> None:
    found = decode(data, 0, len(data))
    assert (found.packet.defect if isinstance(found, Decoded) else found) is outcome


@pytest.mark.parametrize(("told", "defect"), [(7, True), (8, False), (13, False), (14, True)])
def test_the_length_of_udp(told: int, defect: bool) -> None:
    found = _decoded(IP(src=_A4, dst=_B4) / inet.UDP(len=told) / b"hello")
    assert (found.defect is Defect.TRUNCATED) is defect


def test_padding_of_ethernet_is_not_payload() -> None:
    frame = bytes(Ether() / IP(src=_A4, dst=_B4) / inet.TCP()).ljust(60, b"\0")
    found = decode(frame, 14, 60)
    assert isinstance(found, Decoded)
    assert found.packet.payload == 0


_IP = IP(src=_A4, dst=_B4) / inet.UDP()


@pytest.mark.parametrize(
    ("link", "frame", "start"),
    [
        (1, Ether() / _IP, 14),
        (1, Ether() / Dot1Q() / _IP, 18),
        (1, Ether() / Dot1AD() / Dot1Q() / IPv6(), 22),
        (1, Ether() / ARP(), LeftOut.NO_IP),
        (1, Raw(b"x" * 12), LeftOut.CUT),
        (113, CookedLinux() / _IP, 16),
        (113, CookedLinux() / Dot1Q() / _IP, 20),
        (276, CookedLinuxV2() / IPv6(), 20),
        (276, Raw(b"x" * 19), LeftOut.CUT),
        (101, _IP, 0),
        (229, IPv6(), 0),
        (0, Loopback(type=2) / _IP, 4),
        (0, Raw(b"\0\0\0\x1e") / IPv6(), 4),
        (108, Raw(b"\0\0\0\x02") / _IP, 4),
        (0, Raw(b"\0\0\0\x07") / _IP, LeftOut.NO_IP),
        (147, Raw(b"x"), LeftOut.UNKNOWN_LINK),
    ],
)
def test_where_ip_begins(link: int, frame: Built, start: int | LeftOut) -> None:
    assert ip_start(link, bytes(frame)) == start


def test_tags_without_end() -> None:
    assert ip_start(1, bytes(12) + b"\x81\0\0\0" * 20) is LeftOut.NO_IP


_PORTS = st.integers(0, 65535)
_NUMBERS = st.integers(0, 2**32 - 1)


@given(family=st.sampled_from(Family), sport=_PORTS, dport=_PORTS, seq=_NUMBERS, ack=_NUMBERS,
       flags=st.integers(0, 255), size=st.integers(0, 900), ttl=st.integers(0, 255))  # fmt: skip
def test_what_is_encoded_is_decoded(
    family: Family, sport: int, dport: int, seq: int, ack: int, flags: int, size: int, ttl: int
) -> None:
    packet = Packet(family, *_ends(family), TCP, sport, dport, TcpFlags(flags), payload=size,
                    seq=seq, ack=ack, ttl=ttl)  # fmt: skip
    encoded = encode(packet)
    assert encoded is not None
    found = decode(encoded.data, 0, len(encoded.data))
    assert isinstance(found, Decoded)
    assert found.packet == packet


@given(st.binary(max_size=120), st.integers(0, 200))
def test_any_bytes(data: bytes, more: int) -> None:
    decode(data, 0, len(data) + more)


@given(st.binary(max_size=80), st.sampled_from([4, 6]), st.sampled_from([1, 6, 17, 44, 58, 60]))
def test_any_bytes_behind_a_header(data: bytes, version: int, protocol: int) -> None:
    if version == 4:
        head = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(data), 0, 0, 9, protocol, 0, 1, 2)
    else:
        head = struct.pack("!IHBB32x", 6 << 28, len(data), protocol, 9)
    for cut in (len(head) + len(data), len(head) + len(data) // 2):
        decode((head + data)[:cut], 0, len(head) + len(data))
