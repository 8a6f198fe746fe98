# SPDX-License-Identifier: GPL-2.0-only
"""Spans of time in words: "107 s", "1.5 ms", "2 h 10 min"."""

from __future__ import annotations

from typing import Final

from ctlint.wire.moments import SECOND, Micros

_HOUR: Final = 3_600 * SECOND
_MINUTE: Final = 60 * SECOND
_DAY: Final = 24 * _HOUR
_NEARLY_A_SECOND: Final = 999_500
_IN_SECONDS: Final = 1_000 * SECOND
"""Below this a span is said in seconds."""


def say_span(span: Micros) -> str:
    """A span, as exact as anyone wants to read it."""
    if span < 1_000:
        return f"{span} µs" if span else "0 s"
    if span < _NEARLY_A_SECOND:
        return f"{_short(span / 1_000)} ms"
    if span < _IN_SECONDS:
        return f"{_short(span / SECOND)} s"
    parts = []
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (SECOND, "s")):
        number, span = divmod(span, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


def _short(value: float) -> str:
    """Three figures, but no cut of whole numbers."""
    text = f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
