# SPDX-License-Identifier: GPL-2.0-only
"""Words of socket scripts as values, and what is wrong with them, at their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from ctlint.model.world.link import PARTS
from ctlint.parse.script_reader import Word
from ctlint.scenario.script_words import StatementError, read_seconds
from ctlint.scenario.socket_claim import Range
from ctlint.scenario.socket_plan import LONGEST
from ctlint.wire.moments import SECOND, Micros

_UNITS: Final[Mapping[str, int]] = {
    "us": 1,
    "ms": 1_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3_600 * SECOND,
    "d": 86_400 * SECOND,
}
_LAST_PART: Final = re.compile(r"(?:\.(?P<decimals>\d+))?(?P<unit>us|ms|s|m|h|d)$")
_ABOUT: Final = 20
"""`about` is a twentieth more or less."""


def read_micros(word: Word) -> Micros:
    """A span such as 1h30m. Raises StatementError, also for more than a hundred years."""
    span = int(read_seconds(word) * SECOND)
    if span > LONGEST:
        raise StatementError(word.span, "a script lasts at most a hundred years")
    return span


def read_whole_seconds(word: Word) -> int:
    """A span of whole seconds. Raises StatementError."""
    seconds, rest = divmod(read_micros(word), SECOND)
    if rest:
        raise StatementError(word.span, "whole seconds are expected")
    return seconds


def read_count(word: Word, low: int, high: int, what: str) -> int:
    """A number within bounds. Raises StatementError."""
    number = int(word.text) if len(word.text) <= 12 else high + 1
    if not low <= number <= high:
        raise StatementError(word.span, f"{what} is a number from {low} to {high}")
    return number


def read_loss(word: Word) -> int:
    """A share such as 0.5%, in parts of a million. Raises StatementError."""
    parts = (
        Decimal(word.text.removesuffix("%")) * PARTS / 100 if len(word.text) < 16 else Decimal(-1)
    )
    if not 0 <= parts <= PARTS or parts != int(parts):
        raise StatementError(word.span, "a share from 0% to 100%, of at most four decimals")
    return int(parts)


def read_spans(words: Mapping[str, Word]) -> Range | None:
    """How long something is to take: as exact as it is written. Raises StatementError."""
    if "SPANS" in words:
        word = words["SPANS"]
        low, _, high = word.text.partition("..")
        found = Range(*(read_micros(Word(text, word.span)) for text in (low, high)))
        if found.high is not None and found.high < found.low:
            raise StatementError(word.span, "the second span is shorter than the first")
        return found
    if "SPAN" not in words:
        return None
    span = read_micros(words["SPAN"])
    half = _smallest(words["SPAN"].text) // 2
    return _bound(words.get("BOUND"), span, half)


def read_numbers(words: Mapping[str, Word]) -> Range:
    """How many something is to be. Raises StatementError."""
    if "NO" in words:
        return Range(0, 0)
    if "NUMBERS" in words:
        low, _, high = words["NUMBERS"].text.partition("..")
        found = Range(int(low[:12]), int(high[:12]))
        if found.high is not None and found.high < found.low:
            raise StatementError(words["NUMBERS"].span, "the second number is less than the first")
        return found
    return _bound(words.get("BOUND"), int(words["NUMBER"].text[:12]), 0)


def _bound(word: Word | None, value: int, exactness: int) -> Range:
    match "" if word is None else word.text:
        case "at least":
            return Range(value, None)
        case "at most":
            return Range(0, value)
        case "about":
            off = max(value // _ABOUT, exactness)
            return Range(value - off, value + off)
        case _:
            return Range(value - exactness, value + exactness)


def _smallest(text: str) -> Micros:
    """The unit in which a span is written: a tenth of a second for 1.5s."""
    found = _LAST_PART.search(text)
    assert found is not None
    decimals = len(found["decimals"] or "")
    return max(_UNITS[found["unit"]] // int("1" + "0" * decimals), 1)
