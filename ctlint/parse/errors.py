# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a text, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ctlint.ir.span import Span

if TYPE_CHECKING:
    from lark import UnexpectedInput

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


def expected_terminals(error: UnexpectedInput) -> tuple[set[str], bool]:
    """The terminals of the grammar that may stand where its parser stopped, and whether that is the
    end of the text.
    """
    from lark import UnexpectedCharacters, UnexpectedToken

    if isinstance(error, UnexpectedCharacters):
        return set(error.allowed or ()), False
    if isinstance(error, UnexpectedToken):
        return set(error.accepts or error.expected), error.token.type == "$END"
    return set(), False
