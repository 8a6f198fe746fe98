# SPDX-License-Identifier: GPL-2.0-only
"""Texts in which each line stands for itself: all are read, and what is wrong is collected."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ctlint.ir.span import Span
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem, expected_terminals

if TYPE_CHECKING:
    from lark import UnexpectedInput

MAX_LINE: Final = 10_239
"""Longest line in characters, as in the other texts that are read."""

MAX_WRONG: Final = 1_000
"""Lines that cannot be read before reading stops: a text with so many is another one."""


class LineError(Exception):
    """A line cannot be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_lines(text: str, file: str, read: Callable[[str, int], None]) -> None:
    """Give each line with its number, without the line end, to ``read``.

    Raises ParseError with the problems of all lines for which it raised LineError.
    """
    problems: list[Problem] = []
    wrong = 0
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if len(line) > MAX_LINE:
                message = f"the line is longer than {MAX_LINE:,} characters"
                raise LineError(Problem(Span(file, number), message))
            read(line.removesuffix("\r"), number)
        except LineError as error:
            wrong += 1
            if len(problems) < MAX_PROBLEMS:
                problems.append(error.problem)
            if wrong == MAX_WRONG:
                message = f"… and {wrong - len(problems)} more up to here, where reading stopped"
                raise ParseError((*problems, Problem(Span(file, number), message))) from None
    if wrong > len(problems):
        message = f"… and {wrong - len(problems)} more"
        problems.append(Problem(problems[-1].span, message))
    if problems:
        raise ParseError(tuple(problems))


def line_error(
    error: UnexpectedInput,
    line: str,
    file: str,
    number: int,
    names: dict[str, str],
    hint: str | None = None,
) -> LineError:
    """What a grammar's refusal of a line means: ``names`` says what its terminals are, the first
    that may stand there is named.
    """
    text = line.rstrip(" \t\r")
    expected, is_end = expected_terminals(error)
    position = len(text) if is_end else min(max(error.column - 1, 0), len(text))
    found = text[position:].split(" ")[0][:40]
    wanted = next((what for name, what in names.items() if name in expected), "another word")
    message = f"expected {wanted}, found {found!r}" if found else f"expected {wanted} at the end"
    span = Span(file, number, position + 1, min(position + max(len(found), 1), len(line)) + 1)
    return LineError(Problem(span, message, hint))
