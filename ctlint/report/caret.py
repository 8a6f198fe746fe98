# SPDX-License-Identifier: GPL-2.0-only
"""What cannot be read of a text, for standard error: with the line that it stands in and a mark
below its place, where the text is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from ctlint.parse.errors import Problem
from ctlint.report.escape import visible

_MOST: Final = 160
"""Characters of a line that are shown."""
_BEFORE: Final = 60
"""Characters before the place, where the line is longer."""


def print_marked(problems: Sequence[Problem], texts: Mapping[str, str], stream: TextIO) -> None:
    """Writes ``FILE:LINE:COL: MESSAGE`` for each problem, and its hint. Between them stands the
    line with a mark under the place, where the text is given (by the name of its file) and the line
    holds any. What the stream's encoding cannot hold is escaped.
    """
    encoding = stream.encoding or "utf-8"  # a StringIO has none
    lines = {name: text.split("\n") for name, text in texts.items()}
    for problem in problems:
        span = problem.span
        stream.write(visible(f"{span}: {problem.message}", encoding) + "\n")
        known = lines.get(span.file, ())
        if 1 <= span.line <= len(known) and known[span.line - 1].strip():
            stream.write(_marked(known[span.line - 1], span.column, span.end_column, encoding))
        if problem.hint is not None:
            stream.write("  hint: " + visible(problem.hint, encoding) + "\n")


def _marked(line: str, column: int, end: int, encoding: str) -> str:
    line = line.rstrip("\r")
    start = 0
    if len(line) > _MOST:
        start = min(max(0, column - 1 - _BEFORE), len(line) - _MOST)
        line = line[start : start + _MOST]
    begin, stop = column - 1 - start, max(column, end - 1) - start
    before = visible(line[:begin], encoding)
    place = visible(line[begin:stop], encoding)
    rest = visible(line[stop:], encoding)
    mark = "^" + "~" * (_cells(place) - 1)
    return f"  {before}{place}{rest}".rstrip() + f"\n  {' ' * _cells(before)}{mark}\n"


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
