# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a text, and where."""

from __future__ import annotations

from typing import NamedTuple

from ctlint.ir.span import Span

MAX_PROBLEMS = 100
"""How many problems of one file are reported; the count of the rest is named."""


class Problem(NamedTuple):
    """One thing that cannot be read, with what was expected."""

    span: Span
    message: str
    hint: str | None = None


class ParseError(Exception):
    """The text has errors; ``problems`` holds them in the order of the text."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{problems[0].span}: {problems[0].message}" if problems else "no text")
        self.problems = problems

    def of_file(self, file: str) -> ParseError:
        """The same errors of a text that stands in this file."""
        return ParseError(
            tuple(
                problem._replace(span=problem.span._replace(file=file)) for problem in self.problems
            )
        )
