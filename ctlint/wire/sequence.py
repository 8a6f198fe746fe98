# SPDX-License-Identifier: GPL-2.0-only
"""Sequence numbers of TCP: 32 bits, compared around the circle.

Source: include/net/tcp.h, before() and after(); RFC 9293, section 3.4.
"""

from __future__ import annotations

from typing import Final

MODULUS: Final = 1 << 32
LAST: Final = MODULUS - 1
"""The highest sequence number, and the mask that keeps one in range."""

_SIGN: Final = 1 << 31


def before(one: int, other: int) -> bool:
    """Port of before: whether `one` comes before `other`, at most half the circle away."""
    return (one - other) & _SIGN != 0


def after(one: int, other: int) -> bool:
    """Port of after: whether `one` comes after `other`."""
    return (other - one) & _SIGN != 0
