# SPDX-License-Identifier: GPL-2.0-only
"""The place of a rule, and of its parts, in the text it came from."""

from __future__ import annotations

from ctlint.ir.span import Span


def line_span(file: str, line: int, text: str) -> Span:
    """The rule itself: the first line of its text without counters and blanks around it."""
    first = text.partition("\n")[0].rstrip(" \t\r")
    start = len(first) - len(first.lstrip(" \t"))
    if first[start : start + 1] == "[":
        end = first.find("]", start)
        rest = first[end + 1 :]
        start = end + 1 + len(rest) - len(rest.lstrip(" \t"))
    return Span(file, line, start + 1, len(first) + 1)
