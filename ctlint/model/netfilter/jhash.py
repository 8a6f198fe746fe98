# SPDX-License-Identifier: GPL-2.0-only
"""The hash by which the kernel spreads addresses: Bob Jenkins' lookup3.

Source: include/linux/jhash.h, Linux 6.18.
"""

from __future__ import annotations

from typing import Final

_START: Final = 0xDEADBEEF
_WORD: Final = 4
_ALL_BITS: Final = 0xFFFFFFFF
_FINALS: Final = (14, 11, 25, 16, 4, 14, 24)


def jhash_1word(word: int, seed: int) -> int:
    """Port of jhash_1word() for 32-bit values; jhash2() says the same of a single word."""
    a = b = c = _START + _WORD + seed & _ALL_BITS
    a = a + word & _ALL_BITS
    for bits in _FINALS:
        c = (c ^ b) - (b << bits | b >> 32 - bits) & _ALL_BITS
        a, b, c = b, c, a
    return b
