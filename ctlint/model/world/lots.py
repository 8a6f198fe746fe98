# SPDX-License-Identifier: GPL-2.0-only
"""Lots that fall the same way again: the same seed gives the same run, on every machine.

Source: Sebastiano Vigna's SplitMix64 (public domain, as in java.util.SplittableRandom).
"""

from __future__ import annotations

from typing import Final

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15


class Lots:
    """A source of lots; :meth:`draw` is what the model takes for one."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def draw(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included; the bias is below 2**-32 for
        spans below 2**32.
        """
        self._state = state = (self._state + _GAMMA) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return low + (state ^ (state >> 31)) % (high - low + 1)
