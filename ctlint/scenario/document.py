# SPDX-License-Identifier: GPL-2.0-only
"""The JSON of a document of scenarios, value by value, in bounded memory.

A document may be long and hostile. What is held at a time is its text and one packet: a scenario's
packets are decoded one by one, where they are asked for. docs/scenario.md has the bounds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

from ctlint.scenario.scenario import ScenarioError

MAX_VALUE: Final = 64 << 10
"""Characters of one packet, and of any other value but a text."""

# Most values are short: a long piece of the text is cut out only for those that are not.
_PIECES: Final = (512, MAX_VALUE)
# A literal, a number or an escape that is cut off fails so far before the end of its piece.
_CUT: Final = 8
_MAX_NUMBER: Final = 64
_SHOWN: Final = 60

_BLANKS: Final = " \t\r\n"
_CLOSING: Final = ("]", "}")
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TABLE: Final = re.compile(r"^(?:\*\w|table |flush |:\w+ )", re.MULTILINE)
_BYTE_ORDER_MARK: Final = "\ufeff"

_COMMENTS: Final = "JSON has no comments"
_NO_COMMAS: Final = (
    "put the scenarios into a list, [ … ], or leave out the commas: JSON Lines have none between "
    "their lines"
)


class ScenarioSyntaxError(ScenarioError):
    """A text that is not JSON, or not a document of scenarios. Line and column count from 1."""

    def __init__(self, message: str, line: int, column: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.hint = hint


class Doubled(dict[str, Any]):
    """An object in which a key stands twice; it is refused where it is looked at."""

    key = ""


class Document:
    """A text, and where in it reading stands."""

    def __init__(self, text: str, most: int) -> None:
        self.text = text
        self.most = most
        """Packets of one scenario."""
        self.at = 0
        """Of what is being read, or was read last."""
        self._end = 0
        self._decoder = json.JSONDecoder(
            object_pairs_hook=_object, parse_float=_decimal, parse_constant=_refuse
        )

    @property
    def line(self) -> int:
        """Where reading stands, from 1."""
        return self.text.count("\n", 0, self.at) + 1

    def scenarios(self) -> Iterator[Iterator[tuple[str, Any]]]:
        """The scenarios, each as its keys and values in the order of the text.

        Each must be read to its end before the next. A list of packets comes as Elements. Raises
        ScenarioError, and ScenarioSyntaxError where the text is no JSON.
        """
        text = self.text
        found = None if text.isascii() else _SURROGATE.search(text)
        if found is not None:
            raise self._error(found.start(), "not UTF-8")
        start = self._after_blanks(0)
        if start == len(text):
            raise self._error(start, "empty: no scenario here")
        if text[start] not in "{[":
            raise self._error(start, "not a scenario: JSON begins with { or [", _beginning(text))
        yield from self._list(start) if text[start] == "[" else self._lines(start)

    def _lines(self, start: int) -> Iterator[Iterator[tuple[str, Any]]]:
        text = self.text
        while start < len(text):
            if text[start] != "{":
                raise self._error(start, "a scenario is an object: { is expected here")
            self.at = start
            yield self._members(start)
            start = self._after_blanks(self._end)
            if start < len(text) and "\n" not in text[self._end : start]:
                hint = _NO_COMMAS if text[start] == "," else None
                raise self._error(start, "not JSON: extra text behind a scenario", hint)

    def _list(self, start: int) -> Iterator[Iterator[tuple[str, Any]]]:
        for at in self._elements(start):
            self.at = at
            yield self._members(at)
        rest = self._after_blanks(self._end)
        if rest < len(self.text):
            raise self._error(rest, "not JSON: extra text behind the list")

    def _elements(self, start: int) -> Iterator[int]:
        """Where each element of the list begins; whoever reads it leaves its end in `_end`, which
        at last is that of the list.
        """
        text = self.text
        at = self._after_blanks(start + 1)
        if text[at : at + 1] == "]":
            self._end = at + 1
            return
        while True:
            yield at
            at = self._after_blanks(self._end)
            if text[at : at + 1] != ",":
                break
            at = self._after_blanks(at + 1)
        if text[at : at + 1] != "]":
            raise self._error(at, "not JSON: Expecting ',' delimiter or ']'")
        self._end = at + 1

    def _members(self, start: int) -> Iterator[tuple[str, Any]]:
        text = self.text
        if text[start : start + 1] != "{":
            self.value(start)
            raise ScenarioError("a scenario must be an object")
        at = self._after_blanks(start + 1)
        if text[at : at + 1] != "}":
            while True:
                if text[at : at + 1] != '"':
                    raise self._error(
                        at, "not JSON: Expecting property name enclosed in double quotes"
                    )
                key, end = self.value(at)
                at = self._after_blanks(end)
                if text[at : at + 1] != ":":
                    raise self._error(at, "not JSON: Expecting ':' delimiter")
                self.at = at = self._after_blanks(at + 1)
                if key == "packets" and text[at : at + 1] == "[":
                    packets = Elements(self, at, start)
                    at = packets.end
                    yield key, packets
                else:
                    value, at = self.value(at)
                    yield key, value
                at = self._after_blanks(at)
                if text[at : at + 1] != ",":
                    break
                at = self._after_blanks(at + 1)
            if text[at : at + 1] != "}":
                raise self._error(at, "not JSON: Expecting ',' delimiter")
        self._end = at + 1
        self.at = start

    def leave(self, end: int, at: int) -> None:
        """Goes back: what was read last ends there, and reading stands at `at`."""
        self._end = end
        self.at = at

    def elements(self, start: int) -> Iterator[Any]:
        """The values of the list that begins there; its end is then in `end`."""
        for at in self._elements(start):
            self.at = at
            value, self._end = self.value(at)
            yield value

    @property
    def end(self) -> int:
        """Behind what was read last."""
        return self._end

    def value(self, start: int) -> tuple[Any, int]:
        """The value that begins there, and where it ends. A text may be long, others may not."""
        text = self.text
        if text[start : start + 1] == '"':
            try:
                return self._decode(text, start)
            except json.JSONDecodeError as error:
                raise self._error(error.pos, f"not JSON: {error.msg}") from None
        for size in _PIECES:
            piece = text[start : start + size]
            try:
                found, end = self._decode(piece, 0)
            except json.JSONDecodeError as error:
                if start + size < len(text) and _is_cut(error, size):
                    continue
                raise self._error(start + error.pos, f"not JSON: {error.msg}") from None
            if end == size and start + size < len(text) and piece[0] in "-0123456789":
                continue  # the number may go on
            return found, start + end
        raise ScenarioError(f"a value of more than {MAX_VALUE >> 10} KiB")

    def _decode(self, piece: str, start: int) -> tuple[Any, int]:
        """The value that begins there, and its end. Also raises JSONDecodeError."""
        try:
            return self._decoder.raw_decode(piece, start)
        except RecursionError:
            raise ScenarioError("lists or objects are nested too deeply") from None
        except (ScenarioError, json.JSONDecodeError):
            raise
        except ValueError:
            # sys.set_int_max_str_digits: Python's own limit.
            raise ScenarioError("a number has too many digits") from None

    def _after_blanks(self, start: int) -> int:
        found = _BLANK.match(self.text, start)
        assert found is not None
        return found.end()

    def _error(self, position: int, message: str, hint: str | None = None) -> ScenarioSyntaxError:
        text = self.text
        line = text.count("\n", 0, position) + 1
        column = position - text.rfind("\n", 0, position)
        return ScenarioSyntaxError(message, line, column, hint or _hint(text, position, message))


class Elements:
    """A list of packets in a text. They are decoded each time that they are asked for."""

    def __init__(self, document: Document, start: int, scenario: int) -> None:
        self._document = document
        self._start = start
        self._scenario = scenario
        count = 0
        try:
            for _ in document.elements(start):
                count += 1
                if count > document.most:
                    break
        except ScenarioSyntaxError:
            raise
        except ScenarioError as error:
            raise ScenarioError(error.message, count) from None
        if count > document.most:
            raise ScenarioError(f"more than {document.most:,} packets")
        self._count = count
        self.end: Final = document.end
        """Behind the list."""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        """The packets; while each is looked at, the document stands there."""
        document = self._document
        end = document.end
        yield from document.elements(self._start)
        document.leave(end, self._scenario)


def _is_cut(error: json.JSONDecodeError, size: int) -> bool:
    """Whether decoding may have failed only because its piece, of that size, ended."""
    return error.pos >= size - _CUT or error.msg.startswith("Unterminated string")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = Doubled(found)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            doubled.key = key
        seen.add(key)
    return doubled


def _decimal(text: str) -> Decimal:
    if len(text) > _MAX_NUMBER:
        raise ScenarioError(f"the number {text[:_SHOWN]}… has more than {_MAX_NUMBER} characters")
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ScenarioError(f"the number {text} is out of all range") from None


def _refuse(word: str) -> NoReturn:
    raise ScenarioError(f"{word} is not a number that JSON has")


# Hints


def _beginning(text: str) -> str | None:
    """What a text that begins with neither { nor [ may be."""
    start = text.lstrip()
    if start.startswith(_BYTE_ORDER_MARK):
        return "remove the byte order mark"
    if start.startswith("---") or re.match(r"[A-Za-z]\w*:[ \n]", start):
        return "this looks like YAML: scenarios are JSON"
    if _TABLE.search(text):
        return 'a rule set is the "ruleset" of a scenario: docs/scenario.md'
    return _COMMENTS if start.startswith(("#", "//", "/*")) else None


def _hint(text: str, position: int, message: str) -> str | None:
    """What the commonest mistakes look like where reading stops."""
    here = text[position : position + 2]
    before = text[max(0, position - MAX_VALUE) : position].rstrip(_BLANKS)[-1:]
    behind = text[position + 1 : position + MAX_VALUE].lstrip(_BLANKS)[:1]
    if here[:1] == _BYTE_ORDER_MARK:
        return "a byte order mark stands inside the text: were files joined? Remove it"
    if here[:1] == "#" or here in ("//", "/*"):
        return _COMMENTS
    if here[:1] == "'":
        return 'JSON knows double quotes only: "'
    # Python 3.13 stops at the comma, earlier ones behind it.
    if (before == "," and here[:1] in _CLOSING) or (here[:1] == "," and behind in _CLOSING):
        return "JSON has no comma behind the last value"
    if "control character" in message:
        return r"inside a text a line break is written \n, a tab \t"
    if message == "not UTF-8":
        return "scenarios are UTF-8 text"
    if here == "--" and text[position : position + 3] == "---":
        return "this looks like YAML: scenarios are JSON"
    return None
