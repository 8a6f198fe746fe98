# SPDX-License-Identifier: GPL-2.0-only
"""Moments and spans of time: integers of microseconds, never floats."""

from __future__ import annotations

from typing import Final, TypeAlias

Micros: TypeAlias = int
"""A moment (since an origin that whoever passes it in has chosen) or a span, in microseconds."""

SECOND: Final[Micros] = 1_000_000


def whole_seconds(span: Micros) -> int:
    """A span in seconds, cut to whole ones as the kernel prints timers; 0 for one that is over."""
    return max(span, 0) // SECOND
