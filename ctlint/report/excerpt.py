# SPDX-License-Identifier: GPL-2.0-only
"""A line of an input, cut to the width that there is, with an underline below the place that it is
about.
"""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from ctlint.finding import Location
from ctlint.report.escape import visible


class Excerpt(NamedTuple):
    """A line cut to a width, and where its underline stands in it, in cells."""

    text: str
    offset: int
    length: int


def cut_excerpt(
    location: Location, room: int, *, encoding: str = "utf-8", ellipsis: str = "…"
) -> Excerpt:
    """The line of a location in at most ``room`` cells, cut around the place that it names.

    The underline covers at least one cell; a place behind the end of the line is drawn there.
    """
    from rich.cells import cell_len

    shown = [visible(char, encoding) for char in location.text]
    edges = list(accumulate((cell_len(piece) for piece in shown), initial=0))
    first = min(max(location.column - 1, 0), len(shown))
    last = min(max(location.end_column - 1, first), len(shown))
    if edges[-1] <= room:
        length = edges[last] - edges[first]
        return Excerpt("".join(shown), edges[first], max(length, 1))

    mark = cell_len(ellipsis)
    left = 0
    end = edges[min(max(last, first + 1), len(shown))]
    if end > room - mark and edges[first] > room // 2:
        # The underline begins behind the middle: a quarter of the room shows what precedes it.
        wanted = min(edges[first] - room // 4, edges[-1] - (room - mark))
        left = next(index for index, edge in enumerate(edges) if edge >= wanted)
    head = mark if left else 0
    right = left
    while right < len(shown) and edges[right + 1] - edges[left] <= room - head - mark:
        right += 1
    if edges[-1] - edges[left] <= room - head:
        right = len(shown)
    text = "".join(shown[left:right])
    if left:
        text = ellipsis + text
    if right < len(shown):
        text += ellipsis
    length = edges[min(last, right)] - edges[min(first, right)]
    return Excerpt(text, head + edges[first] - edges[left], max(length, 1))
