# SPDX-License-Identifier: GPL-2.0-only
"""What a set of connections has in each part of a header, whatever the others hold: enough to see
that most rules of a long list are about none of them, before a set is made of any.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.values import Range


class Outline:
    """The ranges of each part, which are found once they are asked for."""

    def __init__(self, packets: PacketSet) -> None:
        self._packets = packets
        self._ranges: dict[str, tuple[Sequence[int], Sequence[Range]] | None] = {}

    def meets(self, part: str, low: int, high: int) -> bool:
        """Whether a part may be between two numbers, ends included."""
        if part not in self._ranges:
            self._ranges[part] = self._found(part)
        found = self._ranges[part]
        if found is None:
            return True
        lows, ranges = found
        # The last range that begins in time is the one that reaches farthest.
        at = bisect_right(lows, high)
        return at > 0 and ranges[at - 1].high >= low

    def _found(self, part: str) -> tuple[Sequence[int], Sequence[Range]] | None:
        """None where they are too many."""
        try:
            ranges = self._packets.values(part)
        except TooLargeError:
            return None
        return [each.low for each in ranges], ranges
