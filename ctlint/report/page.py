# SPDX-License-Identifier: GPL-2.0-only
"""A page of text for a terminal or a file: lines that are wrapped to the width, in few colours.

Text of an input reaches rich only as :class:`rich.text.Text` made of :func:`visible` text, so
that neither markup nor control characters in it have an effect. rich is imported inside the
functions: a report in JSON starts without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctlint.report.escape import is_unicode, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Piece = str | tuple[str, str]
"""A text, or a text with its style."""

LEAST_ROOM = 20
"""A line is never wrapped below so many cells."""


class Page:
    """Lines for one console, whose width and encoding are looked up once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: list[Text] = []
        self.width = console.width
        self.encoding = console.encoding
        self.is_unicode = is_unicode(console.encoding)

    def add(self, *pieces: Piece) -> None:
        """Adds one line that is not wrapped."""
        self._lines.append(self._text(pieces))

    def add_wrapped(
        self, *pieces: Piece, first: Sequence[Piece] = (), indent: int | None = None
    ) -> None:
        """Adds a text in lines of at most the width. ``first`` stands in front of its first line;
        the others begin with ``indent`` blanks, by default as many as ``first`` has cells.
        """
        lead = self._text(first)
        blanks = lead.cell_len if indent is None else indent
        room = max(self.width - max(lead.cell_len, blanks), LEAST_ROOM)
        wrapped = self._text(pieces).wrap(self._console, room, overflow="fold")
        for number, line in enumerate(wrapped):
            line.rstrip()
            self._lines.append(self._text((" " * blanks,)) + line if number else lead + line)

    def flush(self) -> None:
        """Prints the lines as they are: one call is much faster than many."""
        from rich.text import Text

        for line in self._lines:
            line.rstrip()
        text = Text("\n").join(self._lines)
        self._console.print(text, highlight=False, soft_wrap=True, overflow="ignore")
        self._lines.clear()

    def _text(self, pieces: Sequence[Piece]) -> Text:
        from rich.text import Text

        text = Text()
        for piece in pieces:
            content, style = (piece, "") if isinstance(piece, str) else piece
            text.append(visible(content, self.encoding), style)
        return text
