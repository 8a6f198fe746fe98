# SPDX-License-Identifier: GPL-2.0-only
"""TCP flags: values of RFC 9293 section 3.1 and RFC 3168, and their spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.wire.tcp_flags import TcpFlags


def test_values_are_the_octet_of_the_header() -> None:
    assert {flag.name: flag.value for flag in TcpFlags} == {
        "FIN": 1,
        "SYN": 2,
        "RST": 4,
        "PSH": 8,
        "ACK": 16,
        "URG": 32,
        "ECE": 64,
        "CWR": 128,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("  ", 0),
        ("S", 0x02),
        ("SA", 0x12),
        ("AS", 0x12),
        ("fa", 0x11),
        ("FIN,ACK", 0x11),
        ("fin, ack", 0x11),
        ("F,ACK", 0x11),
        ("ECE", 0x40),
        ("EC", 0xC0),
        ("CWR", 0x80),
        ("SFRPAUEC", 0xFF),
    ],
)
def test_parse(text: str, value: int) -> None:
    assert TcpFlags.parse(text) == value


@pytest.mark.parametrize("text", ["X", "FINN", "SS", "SYN,S", "S A", "S,", ",", "FINACK", ".", "ſ"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"TCP flag"):
        TcpFlags.parse(text)


@pytest.mark.parametrize(
    ("value", "letters"), [(0, ""), (0x12, "SA"), (0x11, "FA"), (0x19, "FPA"), (0xFF, "SFRPAUEC")]
)
def test_letters(value: int, letters: str) -> None:
    assert TcpFlags(value).letters == letters


@given(st.integers(0, 255))
def test_letters_are_read_back(value: int) -> None:
    assert TcpFlags.parse(TcpFlags(value).letters) == value


@given(st.text(max_size=12))
def test_parse_raises_only_value_error(text: str) -> None:
    try:
        flags = TcpFlags.parse(text)
    except ValueError:
        return
    assert 0 <= flags <= 255


def test_bits_beyond_the_octet_are_refused() -> None:
    with pytest.raises(ValueError, match="256"):
        TcpFlags(256)
