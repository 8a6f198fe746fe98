# SPDX-License-Identifier: GPL-2.0-only
"""Places in a text: ctlint counts lines that end with LF and characters from 1, the protocol also
lines that end with CR, and code units of an encoding from 0.

Source: Language Server Protocol 3.17, "Text Documents" and "Position".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from typing import Final

from lsprotocol.types import Position, PositionEncodingKind, Range

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_HALF: Final = re.compile("[\ud800-\udfff]")

_UNIT: Final = {
    PositionEncodingKind.Utf8: ("utf-8", 1),
    PositionEncodingKind.Utf16: ("utf-16-le", 2),
    PositionEncodingKind.Utf32: ("utf-32-le", 4),
}
"""How Python calls an encoding, and the bytes of its code unit."""


def whole(text: str) -> str:
    """The text without halves of characters, which JSON may hold and no file; each is replaced by
    one that takes as much room.
    """
    return _HALF.sub("\ufffd", text)


class Places:
    """The places of one text, in one encoding."""

    def __init__(self, text: str, encoding: PositionEncodingKind) -> None:
        self.text = text
        self._codec, self._bytes = _UNIT[encoding]

    def range(self, line: int, column: int, end_column: int) -> Range:
        """A stretch of a line; where it is empty, from its beginning to the end of the line."""
        start = self._offset(line, column)
        end = self._offset(line, end_column) if end_column > column else self._end(line)
        return Range(self.position(start), self.position(max(start, end)))

    def position(self, offset: int) -> Position:
        """The place of the character with this index."""
        line = bisect_right(self._starts, offset) - 1
        return Position(line, self._units(self.text[self._starts[line] : offset]))

    def line(self, position: Position) -> int:
        """The line, as ctlint counts, of a position."""
        start = self._starts[min(position.line, len(self._starts) - 1)]
        return bisect_right(self._rows, start)

    def line_text(self, line: int) -> str:
        """A line as ctlint counts, without its end; empty behind the last one."""
        if not 1 <= line <= len(self._rows):
            return ""
        return self.text[self.start(line) : self._end(line)]

    @property
    def lines(self) -> int:
        """How many lines there are, as ctlint counts; behind a last LF stands an empty one."""
        return len(self._rows)

    # Offsets

    def start(self, line: int) -> int:
        """Where a line begins, as ctlint counts; the end of the text behind the last one."""
        return self._rows[line - 1] if line <= len(self._rows) else len(self.text)

    @cached_property
    def _starts(self) -> list[int]:
        """Where the lines of the protocol begin."""
        return [0, *(found.end() for found in _LINE_END.finditer(self.text))]

    @cached_property
    def _rows(self) -> list[int]:
        """Where the lines of ctlint begin."""
        if "\r" not in self.text.replace("\r\n", ""):
            return self._starts
        lines = self.text.split("\n")
        return list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))

    def _end(self, line: int) -> int:
        """Behind the last character of a line."""
        end = self.start(line + 1)
        while end > self.start(line) and self.text[end - 1] in "\r\n":
            end -= 1
        return end

    def _offset(self, line: int, column: int) -> int:
        return min(self.start(line) + column - 1, self._end(line))

    def _units(self, text: str) -> int:
        if text.isascii():
            return len(text)
        return len(text.encode(self._codec, "surrogatepass")) // self._bytes
