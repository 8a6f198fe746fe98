# SPDX-License-Identifier: GPL-2.0-only
"""Spans of time in words."""

from __future__ import annotations

import pytest

from ctlint.scenario.span_words import say_span


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (0, "0 s"),
        (50, "50 µs"),
        (1_500, "1.5 ms"),
        (12_345, "12.3 ms"),
        (999_900, "1 s"),
        (1_000_000, "1 s"),
        (107_568_000, "108 s"),
        (60_416_000, "60.4 s"),
        (924_600_000, "925 s"),
        (7_875_000_000, "2 h 11 min"),
        (86_400_000_000, "1 d"),
        (90_061_000_000, "1 d 1 h"),
    ],
)
def test_a_span_is_said_to_three_figures(span: int, words: str) -> None:
    assert say_span(span) == words
