# SPDX-License-Identifier: GPL-2.0-only
"""Spans and numbers that are expected: docs/sockets.md says how exact each is."""

from __future__ import annotations

import pytest

from ctlint.ir.span import Span
from ctlint.parse.script_reader import Word
from ctlint.scenario.socket_claim import Range
from ctlint.scenario.socket_words import read_loss, read_numbers, read_spans
from ctlint.wire.moments import SECOND

MILLI = SECOND // 1000


def word(text: str) -> Word:
    return Word(text, Span("f", 1))


@pytest.mark.parametrize(
    ("bound", "text", "low", "high"),
    [
        ("", "107s", 106_500 * MILLI, 107_500 * MILLI),
        ("", "107.0s", 106_950 * MILLI, 107_050 * MILLI),
        ("", "1h30m", 5_370 * SECOND, 5_430 * SECOND),
        ("", "20ms", 19_500, 20_500),
        ("", "5us", 5, 5),
        ("about", "100s", 95 * SECOND, 105 * SECOND),
        ("about", "1s", 500 * MILLI, 1_500 * MILLI),
        ("at least", "3s", 3 * SECOND, None),
        ("at most", "3s", 0, 3 * SECOND),
    ],
)
def test_a_span_is_as_exact_as_it_is_written(
    bound: str, text: str, low: int, high: int | None
) -> None:
    words = {"SPAN": word(text)} | ({"BOUND": word(bound)} if bound else {})
    assert read_spans(words) == Range(low, high)


def test_a_range_is_exact() -> None:
    assert read_spans({"SPANS": word("1s..2m")}) == Range(SECOND, 120 * SECOND)
    assert read_spans({}) is None


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        ({"NUMBER": "9"}, 9, 9),
        ({"NO": "no"}, 0, 0),
        ({"NUMBERS": "5..7"}, 5, 7),
        ({"BOUND": "at least", "NUMBER": "3"}, 3, None),
        ({"BOUND": "about", "NUMBER": "100"}, 95, 105),
    ],
)
def test_numbers(words: dict[str, str], low: int, high: int | None) -> None:
    assert read_numbers({key: word(text) for key, text in words.items()}) == Range(low, high)


@pytest.mark.parametrize(("text", "parts"), [("1%", 10_000), ("0.0001%", 1), ("100%", 1_000_000)])
def test_a_share(text: str, parts: int) -> None:
    assert read_loss(word(text)) == parts
