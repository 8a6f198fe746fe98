# SPDX-License-Identifier: GPL-2.0-only
"""The plot keeps within its room, and shows a step where the answer changes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from rich.cells import cell_len

from ctlint.analysis.override import sweep_of
from ctlint.analysis.timeout_sweep import Swept, curves, sweep
from ctlint.model.kernel.profiles import NEWEST
from ctlint.report.whatif_plot import plot_lines
from tests.unit.analysis.whatif_hosts import asked, incident


@pytest.fixture(scope="module")
def swept() -> Swept:
    question = asked(idle="1s:50%,60s:50%")
    usage = replace(question.usage, rate=Fraction(100), vanish=Fraction(1, 100))
    wanted = sweep_of("tcp_timeout_established=10..1000", NEWEST)
    return sweep(incident(), replace(question, usage=usage), wanted)


@pytest.mark.parametrize(("width", "height"), [(80, 15), (40, 8), (200, 50), (20, 7)])
def test_it_keeps_within_its_room(swept: Swept, width: int, height: int) -> None:
    lines = plot_lines(swept, width, height)
    assert 0 < len(lines) <= height
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), [(19, 15), (80, 6), (0, 0)])
def test_without_room_there_is_none(swept: Swept, width: int, height: int) -> None:
    assert plot_lines(swept, width, height) == []


def test_nothing_is_drawn_of_what_is_not_told() -> None:
    wanted = sweep_of("tcp_timeout_established=10..1000", NEWEST)
    assert plot_lines(sweep(incident(), asked(), wanted), 80, 20) == []


@pytest.mark.parametrize("text", ["tcp_loose=0..1", "tcp_orphan_retries=0..255"])
def test_small_numbers_have_a_plot(text: str) -> None:
    wanted = sweep_of(text, NEWEST)
    assert plot_lines(curves(incident(), asked(idle="60"), wanted), 80, 20, mark=0)


def test_the_share_falls_at_the_threshold(swept: Swept) -> None:
    """Half the connections are silent for 60 s: the last drop of the curve is above that."""
    rows = plot_lines(replace(swept, points=swept.points), 80, 15)
    panel = [row.partition("│")[2] for row in rows[1:7]]
    top = [index for index, char in enumerate(panel[3]) if char != "\u2800"]
    # log(61 / 10) / log(1000 / 10) of 70 cells
    assert abs(max(top) - 27) <= 1
