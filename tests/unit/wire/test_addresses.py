# SPDX-License-Identifier: GPL-2.0-only
"""Expected values: iptables' own extensions/libipt_standard.t, and iptables(8)."""

from __future__ import annotations

import socket

import pytest

from ctlint.wire.addresses import (
    Family,
    Net,
    format_address,
    format_end,
    parse_exact_address,
    parse_net,
)

V4 = Family.IPV4
V6 = Family.IPV6


@pytest.mark.parametrize(
    ("text", "saved"),
    [
        ("127.0.0.1/32", "127.0.0.1/32"),
        ("0.0.0.0", "0.0.0.0/32"),
        ("10.11.12.13/8", "10.0.0.0/8"),
        ("10.11.12.13/9", "10.0.0.0/9"),
        ("10.11.12.13/30", "10.11.12.12/30"),
        ("10.11.12.13/31", "10.11.12.12/31"),
        ("10.11.12.13/255.0.0.0", "10.0.0.0/8"),
        ("10.11.12.13/255.128.0.0", "10.0.0.0/9"),
        ("10.11.12.13/255.0.255.0", "10.0.12.0/255.0.255.0"),
        ("10.11.12.13/255.0.12.0", "10.0.12.0/255.0.12.0"),
        ("10.1/16", "10.1.0.0/16"),
        ("any/0", "0.0.0.0/0"),
        ("010.0.0.1", "8.0.0.1/32"),
    ],
)
def test_reads_and_prints_as_iptables_saves(text: str, saved: str) -> None:
    assert str(parse_net(text, V4)) == saved


@pytest.mark.parametrize(
    ("text", "saved"),
    [
        ("fe80::1", "fe80::1/128"),
        ("2001:db8::ffff/32", "2001:db8::/32"),
        ("2001:db8::1/ffff:ffff::", "2001:db8::/32"),
        ("::/0", "::/0"),
        ("2001:db8::1/ffff::ffff", "2001::1/ffff::ffff"),
    ],
)
def test_reads_ipv6(text: str, saved: str) -> None:
    assert str(parse_net(text, V6)) == saved


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.256", "1.2.3.4.5", "10.0.0.1/33", "10.0.0.1/255.0", "x", "1..2.3", "10.0.0.0x1/"],
)
def test_refuses_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_net(text, V4)


@pytest.mark.parametrize("text", ["", "10.0.0.1", "fe80::1%eth0", "fe80::1/129", "::g"])
def test_refuses_what_is_no_ipv6_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_net(text, V6)


def test_a_net_contains_what_agrees_under_its_mask() -> None:
    net = Net(V4, 0x0A000C00, 0xFF00FF00)  # 10.0.12.0/255.0.255.0
    assert net.contains(0x0A630C07)
    assert not net.contains(0x0A630D07)
    assert net.prefix_length is None


def test_prints_addresses() -> None:
    assert format_address(V4, 0x0A010203) == "10.1.2.3"
    assert format_address(V6, (0xFD01 << 112) + 2) == "fd01::2"


@pytest.mark.parametrize(
    ("family", "text", "port", "expected"),
    [
        (V6, "2001:db8::1", 80, "[2001:db8::1]:80"),
        (V6, "2001:db8::1", 0, "[2001:db8::1]:0"),
        (V6, "2001:db8::1", None, "2001:db8::1"),
        (V4, "10.1.2.3", 80, "10.1.2.3:80"),
        (V4, "10.1.2.3", None, "10.1.2.3"),
    ],
)
def test_addresses_with_ports(family: Family, text: str, port: int | None, expected: str) -> None:
    """RFC 5952, section 6."""
    assert format_end(family, parse_exact_address(text, family), port) == expected


@pytest.mark.parametrize(
    "text",
    # socket.inet_ntop writes them so; Python's ipaddress did otherwise before 3.13.
    ["::ffff:10.2.0.2", "::1.2.3.4", "::ffff", "::1", "::", "::ffff:0:0:1", "::1:0:0", "fd01::2"],
)
def test_ipv6_addresses_are_written_as_inet_ntop_does(text: str) -> None:
    packed = socket.inet_pton(socket.AF_INET6, text)
    written = format_address(Family.IPV6, int.from_bytes(packed, "big"))
    assert written == socket.inet_ntop(socket.AF_INET6, packed)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "10.1.0.2",
            "0.0.0.0",
            "255.255.255.255",
            "010.1.0.2",
            "10.1",
            "10.1.0.256",
            "10.1.0.2.3",
        ),
        *("0x0a.1.0.2", "10.1.0.2 ", "10.1.0.", "10.1.0.\N{ARABIC-INDIC DIGIT TWO}", ""),
        *("10.1.0.2/32", "1\N{ARABIC-INDIC DIGIT TWO}.1.0.2"),
        *("fd01::2", "::", "::ffff:10.1.0.2", "::ffff:010.1.0.2", "::ffff:10.1", "fd01::2%eth0"),
        *("fd01::2/128", "fd01:::2", "1::2::3", "00fd01::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7"),
    ],
)
@pytest.mark.parametrize("family", Family)
def test_reads_addresses_in_full_as_inet_pton_does(text: str, family: Family) -> None:
    kind = socket.AF_INET if family is V4 else socket.AF_INET6
    try:
        expected = int.from_bytes(socket.inet_pton(kind, text))
    except (OSError, UnicodeError):
        with pytest.raises(ValueError, match=r".*"):
            parse_exact_address(text, family)
    else:
        assert parse_exact_address(text, family) == expected
