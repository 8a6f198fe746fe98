# SPDX-License-Identifier: GPL-2.0-only
"""Places in a text."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of one line. Lines and columns count from 1, columns count characters.

    ``end_column`` is the column behind the last character.
    """

    file: str
    line: int
    column: int = 1
    end_column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
