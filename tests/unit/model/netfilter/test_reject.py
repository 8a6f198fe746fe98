# SPDX-License-Identifier: GPL-2.0-only
"""The box's own answers. Expectations are nf_reject_ipv4.c's, nf_reject_ipv6.c's, icmp.c's, RFC
9293's (3.10.7.1) and those of include/uapi/linux/icmp.h and icmpv6.h.
"""

from __future__ import annotations

import pytest

from ctlint.model.netfilter.host import Host, Route
from ctlint.model.netfilter.reject import (
    ICMP_ERRORS,
    TIME_EXCEEDED,
    IcmpError,
    checksum_holds,
    error_for,
    reset_for,
)
from ctlint.wire.addresses import Family, Net
from ctlint.wire.packet import Defect, Packet
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.netfilter.addresses import ROUTER_ADDRESSES, family_of, ip

V4, V6 = Family.IPV4, Family.IPV6
ERROR = IcmpError(3, 3)
HOST = Host(ROUTER_ADDRESSES, [Route(Net(family, 0, 0), "eth1") for family in Family])
LONELY = Host(ROUTER_ADDRESSES)


def segment(flags: str, seq: int = 1000, ack: int = 5000, payload: int = 0) -> Packet:
    ends = ip("10.1.0.2"), ip("10.2.0.2"), TCP, 40000, 80
    return Packet(V4, *ends, TcpFlags.parse(flags), payload=payload, seq=seq, ack=ack)


def datagram(saddr: str = "10.1.0.2", daddr: str = "10.2.0.2", *, tos: int = 0) -> Packet:
    return Packet(family_of(saddr), ip(saddr), ip(daddr), UDP, 40000, 53, tos=tos)


def message(kind: int, family: Family = V4) -> Packet:
    if family is V6:
        return Packet(V6, ip("fd01::2"), ip("fd02::2"), ICMPV6, icmp_type=kind, icmp_code=0)
    return Packet(V4, ip("10.1.0.2"), ip("10.2.0.2"), ICMP, icmp_type=kind, icmp_code=0)


# RST


@pytest.mark.parametrize(
    ("of", "flags", "seq", "ack"),
    [
        (segment("S", ack=0), "RA", 0, 1001),
        (segment("SF", payload=10), "RA", 0, 1012),
        (segment("F"), "RA", 0, 1001),
        (segment("", payload=7), "RA", 0, 1007),
        (segment("S", seq=0xFFFFFFFF), "RA", 0, 0),
        (segment("A"), "R", 5000, 0),
        (segment("SA"), "R", 5000, 0),
        (segment("FPUA", payload=100), "R", 5000, 0),
    ],
)
def test_a_reset_fits_the_segment_it_answers(of: Packet, flags: str, seq: int, ack: int) -> None:
    assert reset_for(of) == Packet(
        V4,
        *(ip("10.2.0.2"), ip("10.1.0.2"), TCP, 80, 40000, TcpFlags.parse(flags)),
        seq=seq,
        ack=ack,
        window=0,
    )


@pytest.mark.parametrize(
    "of",
    [
        segment("R"),
        segment("RA"),
        segment("S")._replace(defect=Defect.CHECKSUM),
        segment("S")._replace(flags=None, defect=Defect.TRUNCATED),
        segment("S")._replace(flags=None),
        datagram(),
    ],
)
def test_no_reset_answers(of: Packet) -> None:
    assert reset_for(of) is None


# ICMP errors


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("icmp-net-unreachable", (3, 0)),
        ("icmp-host-unreachable", (3, 1)),
        ("icmp-proto-unreachable", (3, 2)),
        ("icmp-port-unreachable", (3, 3)),
        ("icmp-net-prohibited", (3, 9)),
        ("icmp-host-prohibited", (3, 10)),
        ("icmp-admin-prohibited", (3, 13)),
        ("icmp6-no-route", (1, 0)),
        ("icmp6-adm-prohibited", (1, 1)),
        ("icmp6-addr-unreachable", (1, 3)),
        ("icmp6-port-unreachable", (1, 4)),
        ("icmp6-policy-fail", (1, 5)),
        ("icmp6-reject-route", (1, 6)),
    ],
)
def test_types_and_codes(name: str, error: tuple[int, int]) -> None:
    assert ICMP_ERRORS[name] == error


def test_time_exceeded_in_transit() -> None:
    assert TIME_EXCEEDED == {V4: (11, 0), V6: (3, 0)}


def test_an_error_quotes_what_it_is_about() -> None:
    of = datagram(tos=0xFF)
    error = error_for(of, ERROR, HOST, "eth0")
    assert error == Packet(
        V4,
        *(ip("10.1.0.1"), ip("10.1.0.2"), ICMP),
        icmp_type=3,
        icmp_code=3,
        quoted=of,
        # The whole is 576 bytes at most: RFC 1812, 4.3.2.3; internetwork control and the TOS bits.
        most_quoted=576 - 20 - 8,
        tos=0xDE,
    )
    of = datagram("fd01::2", "fd02::2", tos=0xFF)
    assert error_for(of, IcmpError(1, 4), HOST, "eth0") == Packet(
        V6,
        *(ip("fd01::1"), ip("fd01::2"), ICMPV6),
        icmp_type=1,
        icmp_code=4,
        quoted=of,
        most_quoted=1280 - 40 - 8,
    )


@pytest.mark.parametrize(
    ("saddr", "daddr", "interface", "speaks"),
    [
        # Who was meant speaks, ...
        ("10.1.0.2", "10.1.0.1", "eth0", "10.1.0.1"),
        ("10.1.0.2", "10.2.0.1", "eth0", "10.2.0.1"),
        ("fd01::2", "fd02::1", "eth0", "fd02::1"),
        # ... else the way back, wherever the packet came from, ...
        ("9.9.9.9", "10.1.0.7", "eth0", "10.2.0.1"),
        # ... or where the packet came from.
        ("2001:db8::1", "fd02::2", "eth0", "fd01::1"),
        ("2001:db8::1", "fd02::2", "", "fd02::1"),
        # The box's own packets.
        ("10.2.0.1", "10.1.0.7", "", "10.2.0.1"),
        ("127.0.0.1", "10.1.0.7", "", "127.0.0.1"),
    ],
)
def test_who_speaks(saddr: str, daddr: str, interface: str, speaks: str) -> None:
    error = error_for(datagram(saddr, daddr), ERROR, HOST, interface)
    assert error is not None
    assert (error.saddr, error.daddr) == (ip(speaks), ip(saddr))


def test_no_error_goes_where_no_route_leads() -> None:
    assert error_for(datagram("9.9.9.9"), ERROR, LONELY, "eth0") is None
    # IPv6 knows with which address it would speak.
    assert error_for(datagram("2001:db8::1", "fd02::2"), ERROR, LONELY, "eth0") is None


def test_an_address_of_the_box_alone_speaks_to_nobody_else() -> None:
    assert error_for(datagram("10.1.0.2", "127.0.0.1"), ERROR, HOST, "eth0") is None


@pytest.mark.parametrize("daddr", ["10.1.255.255", "255.255.255.255", "224.0.0.5"])
def test_no_error_answers_what_was_for_many(daddr: str) -> None:
    assert error_for(datagram(daddr=daddr), ERROR, HOST, "eth0") is None


def test_nor_does_one_of_ipv6() -> None:
    assert error_for(datagram("fd01::2", "ff02::1"), ERROR, HOST, "eth0") is None


@pytest.mark.parametrize("kind", range(256))
def test_no_error_answers_an_error(kind: int) -> None:
    # icmp_pointers in net/ipv4/icmp.c; types from 19 on are not in it.
    queries = {0, 8, 13, 14, 15, 16, 17, 18}
    assert (error_for(message(kind), ERROR, HOST, "eth0") is not None) is (kind in queries)
    # RFC 4443, 2.1: errors have the high bit clear.
    error = error_for(message(kind, V6), ERROR, HOST, "eth0")
    assert (error is not None) is (kind >= 128)


# Checksums

UNKNOWN4 = Packet(V4, ip("10.1.0.2"), ip("10.2.0.2"), 253)
UNKNOWN6 = Packet(V6, ip("fd01::2"), ip("fd02::2"), 253)


@pytest.mark.parametrize(
    "of", [segment("S"), datagram(), message(8), message(128, V6)], ids=["tcp", "udp", "4", "6"]
)
def test_a_wrong_checksum_is_not_answered(of: Packet) -> None:
    assert checksum_holds(of)
    assert not checksum_holds(of._replace(defect=Defect.CHECKSUM))
    assert checksum_holds(of._replace(defect=Defect.TRUNCATED))


@pytest.mark.parametrize(
    ("data", "payload", "holds"),
    [
        (b"", 0, True),
        (b"", 100, True),
        (b"\xff\xff", 2, True),
        (b"\x12\x34\xed\xcb", 4, True),
        (b"\0\1", 2, False),
        # An odd byte is the first of two, and what is behind the payload does not count.
        (b"\xff\0\0\xff", 4, True),
        (b"\xff", 1, False),
        (b"\0\0\1", 2, True),
    ],
)
def test_of_other_protocols_all_bytes_are_summed_up(data: bytes, payload: int, holds: bool) -> None:
    assert checksum_holds(UNKNOWN4._replace(data=data, payload=payload)) is holds


@pytest.mark.parametrize("protocol", [47, 50, 51, 132, 136])
def test_some_are_known_to_have_none(protocol: int) -> None:
    assert checksum_holds(UNKNOWN4._replace(protocol=protocol, data=b"\0\1", payload=2))
    assert checksum_holds(UNKNOWN6._replace(protocol=protocol, data=b"\0\1", payload=2))
    # An IPv6 packet with nothing behind its header is cut off.
    assert not checksum_holds(UNKNOWN6._replace(protocol=protocol))


def test_zeros_have_no_pseudo_header() -> None:
    assert not checksum_holds(UNKNOWN6._replace(payload=100))
