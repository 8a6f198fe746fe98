# SPDX-License-Identifier: GPL-2.0-only
"""Problems with a mark below their place."""

from __future__ import annotations

import io

import pytest

from ctlint.ir.span import Span
from ctlint.parse.errors import Problem
from ctlint.report.caret import print_marked


def printed(line: str, column: int, end: int, hint: str | None = None) -> list[str]:
    stream = io.StringIO()
    text = f"first\n{line}\nlast"
    problem = Problem(Span("f.ct", 2, column, end), "wrong", hint)
    print_marked([problem], {"f.ct": text}, stream)
    return stream.getvalue().split("\n")


@pytest.mark.parametrize(
    ("line", "column", "end", "shown", "mark"),
    [
        ("client SYNN", 8, 12, "  client SYNN", "         ^~~~"),
        ("client", 7, 7, "  client", "        ^"),
        ("client\r", 7, 7, "  client", "        ^"),
        # A tab and a wide character take as many cells as what is printed for them.
        ("\tclient x", 9, 10, "  \\tclient x", "           ^"),
        ("日本 x", 4, 5, "  日本 x", "       ^"),
        ("a \x1b[31m", 3, 8, "  a \\x1b[31m", "    ^~~~~~~~"),
    ],
)
def test_the_mark_stands_below_the_place(
    line: str, column: int, end: int, shown: str, mark: str
) -> None:
    assert printed(line, column, end) == ["f.ct:2:" + str(column) + ": wrong", shown, mark, ""]


def test_a_line_without_any_text_is_not_shown() -> None:
    assert printed("", 1, 1) == ["f.ct:2:1: wrong", ""]


def test_a_hint_stands_below_the_mark() -> None:
    assert printed("x", 1, 2, "do y")[3] == "  hint: do y"


def test_of_a_long_line_the_part_around_the_place_is_shown() -> None:
    line = "a" * 1_000 + "X" + "b" * 1_000
    _, shown, mark, _ = printed(line, 1_001, 1_002)
    assert len(shown) == 162
    assert shown[mark.index("^")] == "X"
    _, shown, mark, _ = printed(line, 2_002, 2_002)
    assert len(shown) <= 162
    assert mark.index("^") == len(shown)


def test_problems_of_other_files_have_no_line() -> None:
    stream = io.StringIO()
    print_marked([Problem(Span("rules", 1, 1, 2), "wrong")], {"f.ct": "x"}, stream)
    assert stream.getvalue() == "rules:1:1: wrong\n"
    stream = io.StringIO()
    print_marked([Problem(Span("f.ct", 9, 1, 2), "wrong")], {"f.ct": "x"}, stream)
    assert stream.getvalue() == "f.ct:9:1: wrong\n"
