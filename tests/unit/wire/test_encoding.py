# SPDX-License-Identifier: GPL-2.0-only
"""The bytes of packets, by the layouts of the RFCs."""

from __future__ import annotations

import pytest

from ctlint.wire.addresses import Family
from ctlint.wire.encoding import encode, tcp_options, total_length
from ctlint.wire.packet import Defect, Packet, TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

V4, V6 = Family.IPV4, Family.IPV6


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (None, ""),
        (TcpOptions(), ""),
        (TcpOptions(mss=1460), "020405b4"),
        (TcpOptions(wscale=7), "03030701"),
        (TcpOptions(1460, 7, True, (1, 2)), "020405b4 0402 080a0000000100000002 030307 01"),
        (TcpOptions(sack=((1, 2),)), "050a0000000100000002 0101"),
        (TcpOptions(stripped=((2, 4),), wscale=7), "01010101 030307 01"),
        (
            TcpOptions(100, stripped=((2, 4), (8, 10))),
            "02040064 01010101 0101010101010101 0101 0101",
        ),
    ],
)
def test_tcp_options(options: TcpOptions | None, text: str) -> None:
    assert tcp_options(options) == bytes.fromhex(text)


def test_ipv4() -> None:
    packet = Packet(
        *(V4, 0x0A000001, 0x0A000002, TCP, 0x1234, 80, TcpFlags.SYN | TcpFlags.ACK),
        *(None, None, 3, 0x01020304, 0x05060708, 0x1000, TcpOptions(mss=1460)),
        ttl=9,
        tos=0x2E,
        data=b"A",
    )
    found = encode(packet)
    assert found is not None
    assert found.data == bytes.fromhex(
        "452e002f 00000000 09060000 0a000001 0a000002"
        "12340050 01020304 05060708 60121000 00000000 020405b4 410000"
    )
    # The identification, the header's checksum, the segment's checksum.
    assert found.unknown == dict.fromkeys((4, 5, 10, 11, 36, 37), 0xFF)
    assert found.transport == 20
    assert total_length(packet) == len(found.data) == 47


def test_ipv6() -> None:
    packet = Packet(V6, 1, 2, UDP, 53, 53, payload=2, tos=0xB8, ttl=255)
    found = encode(packet)
    assert found is not None
    addresses = f"{1:032x}{2:032x}"
    assert found.data == bytes.fromhex(f"6b800000 000a11ff {addresses} 00350035 000a0000 0000")
    # Of the second byte the lower half is the flow label's.
    assert found.unknown == {1: 0x0F, 2: 0xFF, 3: 0xFF, 46: 0xFF, 47: 0xFF}
    assert total_length(packet) == 50


def test_icmp_errors_quote_so_many_bytes() -> None:
    quoted = Packet(V4, 1, 2, UDP, 7, 9, payload=500)
    error = Packet(V4, 3, 4, ICMP, icmp_type=3, icmp_code=1, quoted=quoted)
    found = encode(error)
    assert found is not None
    assert total_length(error) == len(found.data) == 20 + 8 + 128
    inner = encode(quoted)
    assert inner is not None
    assert found.data[28:] == inner.data[:128]
    assert found.unknown[28 + 4] == 0xFF
    short = quoted._replace(payload=0)
    assert total_length(error._replace(quoted=short)) == 20 + 8 + 28


def test_the_checksum_and_sequence_of_a_query_are_not_known() -> None:
    ping = encode(Packet(V6, 1, 2, ICMPV6, icmp_type=128, icmp_code=0, icmp_id=0x4D))
    assert ping is not None
    assert ping.data[40:] == bytes.fromhex("8000 0000 004d 0000")
    assert set(ping.unknown) == {1, 2, 3, 42, 43, 46, 47}


def test_a_length_that_lies_leaves_the_bytes_open() -> None:
    lying = Packet(V4, 1, 2, UDP, 7, 9, defect=Defect.TRUNCATED)
    assert encode(lying) is None
    assert encode(Packet(V4, 3, 4, ICMP, icmp_type=3, icmp_code=1, quoted=lying)) is None


def test_other_protocols_are_their_payload() -> None:
    found = encode(Packet(V4, 1, 2, 50, payload=6, data=b"\x00\x00\x01\xf4"))
    assert found is not None
    assert found.data[found.transport :] == b"\x00\x00\x01\xf4\x00\x00"
