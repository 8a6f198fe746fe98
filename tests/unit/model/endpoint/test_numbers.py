# SPDX-License-Identifier: GPL-2.0-only
"""Numbers that a host draws: that each depends on what it should, and is spread.

Source: RFC 6528, section 3; net/core/secure_seq.c.
"""

from __future__ import annotations

from ctlint.model.endpoint.numbers import Numbers

ONE = Numbers(1)
OTHER = Numbers(2)


def test_hashes_depend_on_all_of_their_words_and_the_secret() -> None:
    starts = {
        ONE.port_offset(1, 2, 3),
        ONE.port_offset(2, 1, 3),
        ONE.port_offset(1, 2, 4),
        ONE.port_offset(1 << 64, 2, 3),
        ONE.port_offset(1 << 96, 2, 3),
        ONE.port_offset(1, 2 << 100, 3),
        OTHER.port_offset(1, 2, 3),
        ONE.timestamp_offset(1, 2),
        ONE.timestamp_offset(2, 1),
    }
    assert len(starts) == 9
    assert all(0 <= start < 1 << 32 for start in starts)


def test_hashes_are_spread() -> None:
    found = [ONE.port_offset(0x0A010002, 0x0A020002, port) for port in range(4096)]
    for bit in range(32):
        ones = sum(start >> bit & 1 for start in found)
        assert abs(ones - 2048) < 200  # six standard deviations
