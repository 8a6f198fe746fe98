# SPDX-License-Identifier: GPL-2.0-only
"""The place of a rule, and of its parts, in the text it came from."""

from __future__ import annotations

from collections.abc import Container

from ctlint.ir.rule import Rule
from ctlint.ir.span import Span
from ctlint.parse.words import WORD


def line_span(file: str, line: int, text: str) -> Span:
    """The rule itself: the first line of its text without counters and blanks around it."""
    first = text.partition("\n")[0].rstrip(" \t\r")
    start = len(first) - len(first.lstrip(" \t"))
    if first[start : start + 1] == "[":
        end = first.find("]", start)
        rest = first[end + 1 :]
        start = end + 1 + len(rest) - len(rest.lstrip(" \t"))
    return Span(file, line, start + 1, len(first) + 1)


def word_span(file: str, rule: Rule, flags: Container[str], name: str) -> Span:
    """The last word ``name`` of a rule that one of the flags stands before; where none does, as in
    ``-jNAME``, the rule itself.
    """
    text = rule.text
    place: tuple[int, int] | None = None
    before = ""
    for found in WORD.finditer(text):
        word = found[0]
        if before in flags and word.strip('"') == name:
            place = found.span()
        before = word
    if place is None:
        return line_span(file, rule.line, text)
    start, end = place
    begin = text.rfind("\n", 0, start) + 1
    row = rule.line + text.count("\n", 0, start)
    return Span(file, row, start - begin + 1, end - begin + 1)
