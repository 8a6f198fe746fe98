# SPDX-License-Identifier: GPL-2.0-only
"""The trade-off as a plot in Braille dots: stranded connections above, entries below, over one
sysctl, on a logarithmic axis where its values differ much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from ctlint.analysis.override import Sweep
from ctlint.analysis.silence import percent_words
from ctlint.analysis.timeout_sweep import Swept
from ctlint.report.whatif_words import number

LEAST_WIDTH: Final = 20
LEAST_HEIGHT: Final = 2
_GUTTER: Final = 9
_MUCH: Final = 50


class Curve(NamedTuple):
    """Values over the axis, and how its ends are labelled."""

    title: str
    values: Sequence[tuple[int, Fraction]]
    highest: Fraction
    label: Callable[[Fraction], str]


def curves(swept: Swept) -> Iterator[Curve]:
    """The curves of which something is told."""
    shares = [(point.value, point.share) for point in swept.points if point.share is not None]
    if shares:
        yield Curve("stranded", shares, Fraction(1), percent_words)
    totals = [(point.value, point.total) for point in swept.points if point.total is not None]
    if totals:
        highest = max(total for _, total in totals)
        yield Curve("entries", totals, highest or Fraction(1), number)


def plot_lines(swept: Swept, width: int, height: int, mark: int | None = None) -> list[str]:
    """Lines of a plot of at most so many cells and rows, without colours; ``mark`` is a value at
    which a vertical line stands. Empty where nothing is told or there is no room.
    """
    drawn = list(curves(swept))
    rows = (height - 1) // max(len(drawn), 1) - 1
    if not drawn or width < LEAST_WIDTH or rows < LEAST_HEIGHT:
        return []
    lines: list[str] = []
    for curve in drawn:
        lines += _panel(curve, swept, width - _GUTTER - 1, rows, mark)
    return [*lines, _axis(swept, width)]


def _panel(curve: Curve, swept: Swept, width: int, rows: int, mark: int | None) -> Iterator[str]:
    import plotille

    place = _scale(swept.sweep)
    low, high = place(swept.sweep.low), place(swept.sweep.high)
    canvas = plotille.Canvas(width, rows, xmin=low, xmax=high, ymin=0.0, ymax=1.0)
    points = [(place(value), float(each / curve.highest)) for value, each in curve.values]
    for (x, y), (next_x, next_y) in pairwise(points):
        canvas.line(x, y, next_x, y)
        canvas.line(next_x, y, next_x, next_y)
    if mark is not None and swept.sweep.low <= mark <= swept.sweep.high:
        for row in range(rows * 2):
            canvas.point(place(mark), row / (rows * 2))
    yield f"{curve.title:>{_GUTTER}}"
    drawn = canvas.plot().split("\n")
    for row, line in enumerate(drawn):
        label = ""
        if row == 0:
            label = curve.label(curve.highest)
        elif row == len(drawn) - 1:
            label = curve.label(Fraction(0))
        yield f"{label:>{_GUTTER}}│{line}"


def _axis(swept: Swept, width: int) -> str:
    low, high = str(swept.sweep.low), str(swept.sweep.high)
    name = swept.sweep.name.rpartition(".")[2].removeprefix("nf_conntrack_")
    room = width - _GUTTER - 1
    middle = name.center(room - len(low) - len(high) - 2)
    if room < len(low) + len(high) + len(name) + 2:
        middle = " " * max(room - len(low) - len(high), 1)
        return f"{'':{_GUTTER}}└{low}{middle}{high}"
    return f"{'':{_GUTTER}}└{low} {middle} {high}"


def _scale(sweep: Sweep) -> Callable[[int], float]:
    """Where a value stands: by its logarithm where values differ much."""
    if sweep.high < _MUCH * max(sweep.low, 1):
        return float
    return lambda value: math.log10(max(value, 1))
