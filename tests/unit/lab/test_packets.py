# SPDX-License-Identifier: GPL-2.0-only
"""Packets as bytes. Expected bytes are worked out by hand from the RFCs."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from ctlint.lab.packets import build, number_of, protocol_of, read
from ctlint.model.conntrack.status import Dir
from ctlint.scenario.scenario import Flow, ScenarioError, Send
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.packet import TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

V4 = Flow(0x0A010002, 40000, 0x0A020002, 80)
V6 = Flow(parse_address("fd01::2", Family.IPV6), 40000, parse_address("fd02::2", Family.IPV6), 80)
SYN = Send(Dir.ORIGINAL, TCP, TcpFlags.SYN, seq=1000, window=64240)


def bytes_of(
    send: Send, family: Family = Family.IPV4, number: int = 1, quoted: bytes = b""
) -> bytes:
    return build(send, V4 if family is Family.IPV4 else V6, family, number, quoted).data


def ones_complement_sum(data: bytes) -> int:
    """RFC 1071, section 4.1, word by word."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def is_valid(data: bytes) -> bool:
    """RFC 9293, RFC 768, RFC 792, RFC 4443: what the receiver checks."""
    v6 = data[0] >> 4 == 6
    start = 40 if v6 else 20
    segment, protocol = data[start:], protocol_of(data)
    addresses = data[8:40] if v6 else data[12:20]
    pseudo = addresses + struct.pack("!II", len(segment), protocol)
    if not v6:
        assert ones_complement_sum(data[:20]) == 0xFFFF
    return ones_complement_sum((b"" if protocol == ICMP else pseudo) + segment) == 0xFFFF


def test_a_syn() -> None:
    data = bytes_of(SYN, number=0x1234)
    assert data[:10].hex() == "45000028123400004006"
    assert data[12:36].hex() == "0a0100020a0200029c400050000003e80000000050 02 faf0".replace(
        " ", ""
    )
    assert len(data) == 40
    assert number_of(data) == 0x1234
    v6 = bytes_of(SYN, Family.IPV6, 0x1234)
    assert v6[:8].hex() == "6000123400140640"
    assert number_of(v6) == 0x1234


def test_options_as_linux_orders_them() -> None:
    everything = TcpOptions(1460, 7, True, (1, 2))
    data = bytes_of(Send(Dir.ORIGINAL, TCP, TcpFlags.SYN, options=everything))
    assert data[40:].hex() == "020405b40402080a000000010000000203030701"
    assert data[32] >> 4 == 10
    sack = TcpOptions(sack=((1, 2), (3, 4)))
    data = bytes_of(Send(Dir.ORIGINAL, TCP, TcpFlags.ACK, options=sack))
    assert data[40:].hex() == "0512000000010000000200000003000000040101"
    assert data[32] >> 4 == 10


def test_options_that_do_not_fit() -> None:
    options = TcpOptions(timestamps=(1, 2), sack=((1, 2),) * 4)
    with pytest.raises(ScenarioError, match="a header has 40"):
        bytes_of(Send(Dir.ORIGINAL, TCP, options=options))


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("length", [0, 1, 2, 1001])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_checksums(protocol: str, length: int, family: Family) -> None:
    number = {"tcp": TCP, "udp": UDP, "icmp": ICMP if family is Family.IPV4 else ICMPV6}[protocol]
    for seed in range(300):
        good_one = Send(
            Dir.ORIGINAL,
            number,
            length=length,
            seq=seed * 0x01234567 & 0xFFFFFFFF,
            icmp_id=seed * 219 & 0xFFFF,
            icmp_type=8,
        )
        ends = V4 if family is Family.IPV4 else V6
        ends = Flow(ends.saddr, seed * 217 & 0xFFFF, ends.daddr, seed)
        good = build(good_one, ends, family, seed + 1).data
        assert is_valid(good)
        data = build(replace(good_one, has_bad_checksum=True), ends, family, seed + 1).data
        assert not is_valid(data)
        if number == UDP:
            # RFC 768: zero says that there is no checksum.
            start = 20 if family is Family.IPV4 else 40
            assert data[start + 6 : start + 8] != b"\0\0" != good[start + 6 : start + 8]


@pytest.mark.parametrize("family", Family)
def test_errors_quote_what_was_received(family: Family) -> None:
    number = ICMP if family is Family.IPV4 else ICMPV6
    syn = bytes_of(SYN, family)
    error = Send(Dir.REPLY, number, icmp_type=3, icmp_code=4, icmp_seq=1400)
    data = bytes_of(error, family, quoted=syn[:-1])
    start = 20 if family is Family.IPV4 else 40
    assert data[start + 8 :] == syn[:-1]
    assert data[start : start + 2] == b"\x03\x04"
    assert data[start + 6 : start + 8] == (1400).to_bytes(2, "big")
    assert is_valid(data)
    assert build(error, V4 if start == 20 else V6, family, 1, syn).key is None


@pytest.mark.parametrize("family", Family)
def test_reading_back(family: Family) -> None:
    ends = ("10.1.0.2", "10.2.0.2") if family is Family.IPV4 else ("fd01::2", "fd02::2")
    options = TcpOptions(1460, 7, True)
    tcp = Send(Dir.ORIGINAL, TCP, TcpFlags.parse("FPA"), 7, 8, 9, length=100, options=options)
    found = read(bytes_of(tcp, family)[:88])
    assert found == (TCP, ends[0], 40000, ends[1], 80, "FPA", 7, 8, 9, 100)
    udp = read(bytes_of(Send(Dir.ORIGINAL, UDP, length=5), family))
    assert udp == (UDP, ends[0], 40000, ends[1], 80, None, 0, 0, 0, 5)
    other = read(bytes_of(Send(Dir.ORIGINAL, 99, length=6), family))
    assert other == (99, ends[0], 0, ends[1], 0, None, 0, 0, 0, 6)
    number = ICMP if family is Family.IPV4 else ICMPV6
    echo = Send(Dir.ORIGINAL, number, icmp_type=129, icmp_id=77, length=56)
    assert read(bytes_of(echo, family)) == (number, ends[0], 77, ends[1], 129, None, 0, 0, 0, 56)


def test_too_long() -> None:
    assert len(bytes_of(Send(Dir.ORIGINAL, UDP, length=65535 - 28))) == 65535
    with pytest.raises(ScenarioError, match="65535 bytes"):
        bytes_of(Send(Dir.ORIGINAL, UDP, length=65535 - 27))
