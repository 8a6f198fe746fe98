# SPDX-License-Identifier: GPL-2.0-only
"""TOML with the place of each key and value. Source: TOML v1.0.0.

What a text means and whether it is TOML at all says tomllib, which keeps no places. A text that it
has read is gone through once more here for these.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem

MAX_DOTS: Final = 500
"""Dots of one line: tomllib takes quadratic time for keys of many parts."""

TomlPath = tuple[str | int, ...]

_BETWEEN: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BLANKS: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING: Final = re.compile(
    r'''"""(?:[^\\]|\\.)*?""""{0,2}|"(?:[^"\\\n]|\\.)*"'''
    r"""|\'\'\'.*?\'\'\'\'{0,2}|'[^'\n]*'""",
    re.DOTALL,
)
_PLAIN: Final = re.compile(r"[^,\]}#\n]*")
_PLACE: Final = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")


class TomlDocument(NamedTuple):
    """What a text says. ``keys`` are the places of keys and headers, ``spans`` those of values, by
    the path to each: names of keys, and numbers of elements from 0.
    """

    file: str
    values: Mapping[str, Any]
    keys: Mapping[TomlPath, Span]
    spans: Mapping[TomlPath, Span]

    def place(self, path: TomlPath) -> Span:
        """The place of a value, else of its key, else of what it stands in."""
        while path:
            found = self.spans.get(path) or self.keys.get(path)
            if found is not None:
                return found
            path = path[:-1]
        return Span(self.file, 1)


def parse_toml(text: str, file: str) -> TomlDocument:
    """Read a document. ``file`` is its name for messages. Raises ParseError."""
    text = text.replace("\r\n", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MAX_DOTS:
            raise _error(Span(file, number), f"more than {MAX_DOTS} dots in one line")
        bad = re.search("[\ud800-\udfff]", line)
        if bad is not None:
            column = bad.start() + 1
            raise _error(Span(file, number, column, column + 1), "this is not UTF-8")
    try:
        values = tomllib.loads(text)
        scanner = _Scanner(text, file)
        scanner.document()
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, file) from None
    except RecursionError:
        raise _error(Span(file, 1), "arrays or tables stand in each other too deeply") from None
    return TomlDocument(file, values, scanner.keys, scanner.spans)


def _error(span: Span, message: str) -> ParseError:
    return ParseError((Problem(span, message),))


def _syntax_error(message: str, text: str, file: str) -> ParseError:
    place = _PLACE.search(message)
    line, column = text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1
    if place is not None:
        message = message[: place.start()]
        if place[1] is not None:
            line, column = int(place[1]), int(place[2])
    return _error(Span(file, line, column, column + 1), f"no TOML: {message}")


class _Scanner:
    """Goes through a text that is TOML."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.at = 0
        self.keys: dict[TomlPath, Span] = {}
        self.spans: dict[TomlPath, Span] = {}
        self.lengths: dict[TomlPath, int] = {}
        """Of the arrays of tables."""
        self.starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def document(self) -> None:
        table: TomlPath = ()
        while self.skip(_BETWEEN) < len(self.text):
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.key_value(table)

    def skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.at

    def span(self, start: int) -> Span:
        """The place from here to where the scanner is, as far as it is one line."""
        line = bisect_right(self.starts, start)
        begin = self.starts[line - 1]
        end = self.text.find("\n", start, self.at)
        return Span(self.file, line, start - begin + 1, (self.at if end < 0 else end) - begin + 1)

    def key(self) -> Iterator[str]:
        """The parts of a dotted key."""
        while True:
            self.skip(_BLANKS)
            start = self.at
            self.skip(_KEY)
            word = self.text[start : self.at]
            yield tomllib.loads(f"k = {word}")["k"] if word[0] in "\"'" else word
            end = self.at
            self.skip(_BLANKS)
            if not self.text.startswith(".", self.at):
                self.at = end
                return
            self.at += 1

    def header(self) -> TomlPath:
        start = self.at
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        *outer, last = self.key()
        self.skip(_BLANKS)
        self.at += 2 if is_array else 1
        span = self.span(start)
        path: TomlPath = ()
        for part in outer:
            path = self.inside((*path, part), span)
        path = (*path, last)
        if not is_array:
            return self.inside(path, span)
        self.keys.setdefault(path, span)
        number = self.lengths.get(path, 0)
        self.lengths[path] = number + 1
        path = (*path, number)
        self.keys[path] = span
        return path

    def inside(self, path: TomlPath, span: Span) -> TomlPath:
        """The table that a path means: the last one of an array of tables."""
        self.keys.setdefault(path, span)
        return (*path, self.lengths[path] - 1) if path in self.lengths else path

    def key_value(self, table: TomlPath) -> None:
        start = self.at
        parts = list(self.key())
        span = self.span(start)
        path = table
        for part in parts:
            path = (*path, part)
            self.keys.setdefault(path, span)
        self.skip(_BLANKS)
        self.at += 1  # =
        self.skip(_BLANKS)
        self.value(path)

    def value(self, path: TomlPath) -> None:
        start = self.at
        first = self.text[start]
        if first in "\"'":
            self.skip(_STRING)
        elif first == "[":
            self.elements(path)
        elif first == "{":
            self.members(path)
        else:
            self.skip(_PLAIN)
            self.at = start + len(self.text[start : self.at].rstrip())
        self.spans[path] = self.span(start)

    def elements(self, path: TomlPath) -> None:
        self.at += 1
        number = 0
        while self.text[self.skip(_BETWEEN)] != "]":
            self.value((*path, number))
            number += 1
            if self.text[self.skip(_BETWEEN)] == ",":
                self.at += 1
        self.at += 1

    def members(self, path: TomlPath) -> None:
        self.at += 1
        while self.text[self.skip(_BETWEEN)] != "}":
            self.key_value(path)
            if self.text[self.skip(_BETWEEN)] == ",":
                self.at += 1
        self.at += 1
