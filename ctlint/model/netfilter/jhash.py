# SPDX-License-Identifier: GPL-2.0-only
"""The hash by which the kernel spreads addresses: Bob Jenkins' lookup3.

Source: include/linux/jhash.h, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_START: Final = 0xDEADBEEF
_ALL_BITS: Final = 0xFFFFFFFF
_MIXES: Final = (4, 6, 8, 16, 19, 4)
_FINALS: Final = (14, 11, 25, 16, 4, 14, 24)


def jhash_1word(word: int, seed: int) -> int:
    """Port of jhash_1word(), which says the same as jhash2() of one word."""
    return jhash2((word,), seed)


def jhash2(words: Sequence[int], seed: int) -> int:
    """Port of jhash2(): the hash of one or more words of 32 bits."""
    a = b = c = _START + (len(words) << 2) + seed & _ALL_BITS
    at = 0
    while len(words) - at > 3:
        a, b, c = (old + new & _ALL_BITS for old, new in zip((a, b, c), words[at:], strict=False))
        for bits in _MIXES:
            a = (a - c & _ALL_BITS) ^ _rotated(c, bits)
            a, b, c = b, c + b & _ALL_BITS, a
        at += 3
    rest = (*words[at:], 0, 0, 0)
    a, b, c = a + rest[0] & _ALL_BITS, b + rest[1] & _ALL_BITS, c + rest[2] & _ALL_BITS
    for bits in _FINALS:
        c = (c ^ b) - _rotated(b, bits) & _ALL_BITS
        a, b, c = b, c, a
    return b


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _ALL_BITS
