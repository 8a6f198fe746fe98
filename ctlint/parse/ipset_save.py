# SPDX-License-Identifier: GPL-2.0-only
"""Reads what ``ipset save`` prints, and files of that form that people write for restore.

``grammar/ipset_save.lark`` says what a line may be. Lines that give one address, as nearly all of a
dump do, run one regular expression instead; it accepts less than the grammar and reads the same.
Addresses are written in full: ``ipset`` itself reads ``10.1`` and ``010.0.0.1`` as inet_aton(3)
does, which nobody means. Source: ipset(8) and what ipset 7.17 answers on Linux 6.18.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from ctlint.ir.ipset import ALL_BITS, ONE_ADDRESS, Element, Extensions, Ipset
from ctlint.ir.ipset import MAX_ELEMENTS as MOST_IN_A_SET
from ctlint.ir.span import Span
from ctlint.ir.values import Masked
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem, expected_terminals
from ctlint.parse.ipset_elements import (
    TYPES,
    InvalidElementError,
    SetType,
    UnresolvedError,
    address_range,
    element_net,
    elements,
    parse_number,
    port_range,
    read_address,
)
from ctlint.parse.operands import UINT64
from ctlint.resources import grammar_text
from ctlint.wire.addresses import Family

if TYPE_CHECKING:
    from lark import Lark, Token, Tree, UnexpectedInput

MAX_LINE: Final = 10_239
"""Longest line in characters; a comment, the longest word, has at most 255 bytes."""

MAX_ELEMENTS: Final = 2_000_000
"""Elements of one input; more would need memory without bound."""

MAX_NAME: Final = 31
"""Bytes of a set's name (IPSET_MAXNAMELEN, less the final NUL)."""

_PLAIN_ADD: Final = re.compile(
    r"add ([^ \t\"-][^ \t\"]*) ([0-9A-Fa-f.:]+(?:/\d{1,3})?)"
    r"(?: timeout (\d{1,10}))?(?: packets (\d{1,20}) bytes (\d{1,20}))?( nomatch)?"
)
_MAX_TIMEOUT: Final = (1 << 32) - 1
_HEX: Final = re.compile(r"0[xX][0-9a-fA-F]{1,8}")
_EXPECTED: Final = {
    "_CREATE": "create",
    "_ADD": "add",
    "NEW_NAME": "the name of a set",
    "NAME": "the name of a set",
    "TYPE": "a type such as hash:net",
    "ELEMENT": "an element",
    "VALUE": "a value",
}


def parse_ipset_save(text: str, file: str) -> Mapping[str, Ipset]:
    """Read a dump: the sets by name, in the order of the text. A dump without sets is none of the
    reader's problems: ``ipset save`` prints nothing where there is no set.

    Raises ParseError with the problems of all lines.
    """
    reader = _Reader(file)
    reader.read(text)
    return reader.finish()


class _OpenSet:
    """A set while its elements are read."""

    def __init__(self, name: str, kind: str, span: Span) -> None:
        self.name = name
        self.type = kind
        self.span = span
        self.family = Family.IPV4
        self.mask: int | None = None
        self.mark_mask = ALL_BITS
        self.prefix: int | None = None
        self.range: tuple[int, int] | None = None
        self.timeout: int | None = None
        self.max_elements = MOST_IN_A_SET
        self.has_counters = False
        self.has_marks = False
        self.replaces = False
        self.elements: dict[Element, Extensions] = {}
        self.lists: dict[str, Extensions] = {}
        self.unknown: str | None = None
        self.unread: str | None = None
        self.is_one_address = kind in ONE_ADDRESS
        self.set_type: SetType
        self.parts = TYPES.get(kind)
        if self.parts is None:
            self.unread = self.unknown = f"sets of type {kind} are not modelled"
        elif not self.is_one_address and kind != "list:set":
            self.unknown = f"what a set of type {kind} holds is no matter of one address"

    def settle(self) -> None:
        """All options are taken: from now on there may be elements."""
        mask = self.family.full_mask if self.mask is None else self.mask
        self.set_type = SetType(
            self.type, self.family, mask, self.mark_mask, self.range, self.max_elements
        )

    def add(self, element: str, extensions: Extensions, *, is_wildcard: bool) -> int:
        """Returns how many elements that is. Raises InvalidElementError."""
        if extensions.timeout is not None:
            if self.timeout is None:
                raise InvalidElementError(f"the set {self.name!r} was created without timeout")
            if extensions.timeout:
                self.unknown = self.unknown or "its elements time out"
        if extensions.nomatch and "net" not in self.type:
            raise InvalidElementError(f"a set of type {self.type} has no nomatch")
        count = 0
        try:
            if self.is_one_address:
                for net in element_net(element, self.set_type):
                    self.put(net, extensions)
                    count += 1
            elif self.parts is not None and self.type != "list:set":
                for each in elements(element, self.set_type, is_wildcard=is_wildcard):
                    self.put(each, extensions)
                    count += 1
        except UnresolvedError as error:
            self.unread = self.unread or str(error)
            self.unknown = self.unknown or str(error)
        return max(count, 1)

    def put(self, element: Element, extensions: Extensions) -> None:
        """Take an element in, or write it anew."""
        if self.has_counters:
            extensions = extensions.over(self.elements.get(element))
        self.elements[element] = extensions

    def close(self) -> Ipset:
        return Ipset(
            self.name,
            self.type,
            None if self.type in ("list:set", "hash:mac", "bitmap:port") else self.family,
            self.span,
            elements=self.elements,
            lists=self.lists,
            unknown=self.unknown,
            unread=self.unread,
            timeout=self.timeout,
            mask=self.mask,
            mark_mask=self.mark_mask,
            range=self.range,
            max_elements=self.max_elements,
            has_counters=self.has_counters,
            has_marks=self.has_marks,
            replaces=self.replaces,
        )


class _Reader:
    """Reads a dump line by line and goes on behind a line that it cannot read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.sets: dict[str, _OpenSet] = {}
        self.refused: set[str] = set()
        # A name may hold blanks, and ipset prints it without quotes.
        self.blank_names: list[str] = []
        self.problems: list[Problem] = []
        self.dropped_problems = 0
        self.elements = 0

    def read(self, text: str) -> None:
        for number, line in enumerate(text.split("\n"), 1):
            plain = _PLAIN_ADD.fullmatch(line)
            try:
                if plain is not None and len(line) <= MAX_LINE:
                    name, element, timeout, packets, octets, nomatch = plain.groups()
                    words = _ElementWords(timeout, packets, octets, nomatch=bool(nomatch))
                    self.add(name, element, words, line, number, plain.start(2))
                else:
                    self.other_line(line.removesuffix("\r"), number)
            except _LineError as error:
                self.problem(error.problem)
            if self.elements > MAX_ELEMENTS:
                message = f"more than {MAX_ELEMENTS:,} elements"
                self.problem(Problem(Span(self.file, number), message))
                return

    def finish(self) -> Mapping[str, Ipset]:
        if self.problems:
            if self.dropped_problems:
                last = self.problems[-1].span
                self.problems.append(Problem(last, f"… and {self.dropped_problems:,} more"))
            raise ParseError(tuple(self.problems))
        return {name: opened.close() for name, opened in self.sets.items()}

    def problem(self, problem: Problem) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self.dropped_problems += 1

    def refuse(
        self, number: int, start: int, end: int, message: str, hint: str | None = None
    ) -> NoReturn:
        span = Span(self.file, number, start + 1, max(start, end) + 1)
        raise _LineError(Problem(span, message, hint))

    def other_line(self, line: str, number: int) -> None:
        stripped = line.strip(" \t")
        if not stripped or stripped.startswith("#") or stripped == "COMMIT":
            return
        if len(line) > MAX_LINE:
            self.refuse(number, 0, len(line), f"the line is longer than {MAX_LINE:,} characters")
        for name in self.blank_names:
            if stripped.startswith(f"add {name} "):
                line = f'add "{name}"{stripped[4 + len(name) :]}'
        from lark import UnexpectedInput

        try:
            tree = _parser().parse(line)
        except UnexpectedInput as error:
            words = stripped.split(" ")
            if words[0] in ("create", "n", "-N") and len(words) > 1:
                self.refused.add(words[1])
            self.refuse_syntax(error, line, number)
        self.run(tree, line, number)

    def refuse_syntax(self, error: UnexpectedInput, line: str, number: int) -> NoReturn:
        words = line.rstrip(" \t")
        expected, is_end = expected_terminals(error)
        position = len(words) if is_end else min(error.column - 1, len(words))
        found = words[position:].split(" ")[0][:40]
        if "_CREATE" in expected:
            first = words.lstrip(" \t").split(" ")[0][:40]
            self.refuse(
                number,
                position,
                len(words),
                f"expected create or add, found {first!r}",
                "this reads what `ipset save` prints",
            )
        named = [text for name, text in _EXPECTED.items() if name in expected]
        what = named[0] if named else "an option such as timeout"
        self.refuse(
            number,
            position,
            len(words),
            f"expected {what}, found {found!r}" if found else f"expected {what} at the end",
        )

    def run(self, tree: Tree[Token], line: str, number: int) -> None:
        from lark import Token, Tree

        words = [child for child in tree.children if isinstance(child, Token)]
        words = [word for word in words if word.type != "EXIST"]
        options = [child for child in tree.children if isinstance(child, Tree)]
        name = str(words[0]).strip('"')
        if tree.data == "create":
            is_repeatable = any(getattr(child, "type", "") == "EXIST" for child in tree.children)
            try:
                self.create(name, words[0], words[1], options, number, is_repeatable=is_repeatable)
            except _LineError:
                self.refused.add(name)
                raise
            return
        given = {str(option.data): _value(option) for option in options}
        element_words = _ElementWords(
            given.get("timeout"),
            given.get("packets"),
            given.get("bytes"),
            given.get("skbmark"),
            nomatch="nomatch" in given,
            is_wildcard="wildcard" in given,
        )
        self.add(name, str(words[1]), element_words, line, number, words[1].start_pos or 0)

    def create(
        self,
        name: str,
        name_word: Token,
        kind: Token,
        options: list[Tree[Token]],
        number: int,
        *,
        is_repeatable: bool,
    ) -> None:
        span = Span(self.file, number, 1, (name_word.end_pos or 0) + 1)
        start, end = name_word.start_pos or 0, name_word.end_pos or 0
        if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
            self.refuse(number, start, end, f"the name of the set is longer than {MAX_NAME} bytes")
        if name in self.sets:
            if is_repeatable:
                return
            self.refuse(number, start, end, f"the set {name!r} is created twice")
        opened = _OpenSet(name, str(kind), span)
        # The family says what a netmask may be.
        for option in sorted(options, key=lambda option: option.data != "family"):
            value = _value(option)
            word = option.children[-1] if option.children else name_word
            try:
                _set_option(opened, str(option.data), value)
            except InvalidElementError as error:
                self.refuse(number, word.start_pos or 0, word.end_pos or 0, str(error))  # type: ignore[union-attr]
        if opened.type.startswith("bitmap:"):
            if opened.range is None:
                self.refuse(number, start, end, f"a {opened.type} needs a range")
            size = opened.range[1] - opened.range[0] + 1 >> 32 - (opened.prefix or 32)
            if size > MOST_IN_A_SET:
                most = f"{MOST_IN_A_SET:,}"
                self.refuse(number, start, end, f"the range has more than {most} elements")
        opened.settle()
        self.sets[name] = opened
        if " " in name:
            self.blank_names.append(name)

    def add(
        self,
        name: str,
        element: str,
        words: _ElementWords,
        line: str,
        number: int,
        start: int,
    ) -> None:
        end = start + len(element)
        opened = self.sets.get(name)
        if opened is None:
            self.elements += 1
            if name in self.refused:
                return
            at = line.index(name)
            self.refuse(number, at, at + len(name), f"no set {name!r}: a create line is missing")
        try:
            extensions = _extensions(words)
            if opened.type == "list:set":
                self.add_set(opened, element, extensions)
            self.elements += opened.add(element, extensions, is_wildcard=words.is_wildcard)
        except InvalidElementError as error:
            self.elements += 1
            self.refuse(number, start, end, str(error))

    def add_set(self, opened: _OpenSet, element: str, extensions: Extensions) -> None:
        member = self.sets.get(element)
        if member is None:
            if element in self.refused:
                return
            raise InvalidElementError(f"no set {element!r}: its create line must stand above")
        if member.type == "list:set":
            raise InvalidElementError("a list:set cannot hold a list:set")
        opened.lists[element] = extensions.over(opened.lists.get(element))


class _LineError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(
        grammar_text("ipset_save"), parser="lalr", lexer="contextual", maybe_placeholders=False
    )


def _value(option: Tree[Token]) -> str:
    return str(option.children[-1]).strip('"') if option.children else ""


class _ElementWords(NamedTuple):
    """What stands behind an element."""

    timeout: str | None = None
    packets: str | None = None
    bytes: str | None = None
    mark: str | None = None
    nomatch: bool = False
    is_wildcard: bool = False


_PLAIN: Final = Extensions()
_PLAIN_EXCEPTION: Final = Extensions(nomatch=True)


def _extensions(words: _ElementWords) -> Extensions:
    """Raises InvalidElementError."""
    timeout, packets, octets, mark, nomatch, _ = words
    if timeout is packets is octets is mark is None:
        return _PLAIN_EXCEPTION if nomatch else _PLAIN
    return Extensions(
        nomatch,
        None if timeout is None else _seconds(timeout),
        None if packets is None else parse_number(packets, UINT64),
        None if octets is None else parse_number(octets, UINT64),
        None if mark is None else _mark(mark),
    )


def _mark(text: str) -> Masked:
    """Read ``MARK[/MASK]``, in hexadecimal. Raises InvalidElementError."""
    value, slash, mask = text.partition("/")
    if not _HEX.fullmatch(value) or (slash and not _HEX.fullmatch(mask)):
        raise InvalidElementError(f"{text[:40]!r} is not MARK or MARK/MASK in hexadecimal")
    return Masked(int(value, 16), int(mask, 16) if slash else ALL_BITS)


def _seconds(text: str) -> int:
    """Read a timeout. Raises InvalidElementError."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else _MAX_TIMEOUT + 1
    if number > _MAX_TIMEOUT:
        raise InvalidElementError(f"{text[:20]!r} is no timeout in seconds")
    return number


def _set_option(opened: _OpenSet, name: str, value: str) -> None:
    """Take an option of a create line. Raises InvalidElementError."""
    if name == "family":
        if value not in ("inet", "inet6"):
            raise InvalidElementError(f"the family is inet or inet6, not {value[:20]!r}")
        opened.family = Family.IPV4 if value == "inet" else Family.IPV6
    elif name == "timeout":
        opened.timeout = _seconds(value)
        if opened.timeout:
            opened.unknown = opened.unknown or "its elements time out"
    elif name == "netmask":
        length = int(value) if value.isascii() and value.isdigit() and len(value) < 4 else 0
        if not 1 <= length <= opened.family.bits:
            raise InvalidElementError(f"a netmask is 1 to {opened.family.bits}, not {value[:20]!r}")
        opened.prefix = length
        opened.mask = opened.family.full_mask ^ ((1 << opened.family.bits - length) - 1)
    elif name == "bitmask":
        mask = read_address(value, opened.family)
        if not mask:
            raise InvalidElementError(f"{value[:50]!r} is no bitmask")
        opened.mask = mask
    elif name == "markmask":
        opened.mark_mask = parse_number(value, ALL_BITS)
    elif name == "maxelem":
        opened.max_elements = parse_number(value, ALL_BITS)
    elif name == "range" and opened.type == "bitmap:port":
        opened.range = port_range(value)
    elif name == "range" and opened.type.startswith("bitmap:ip"):
        try:
            opened.range = address_range(value, Family.IPV4)
        except UnresolvedError:
            raise InvalidElementError(f"{value[:50]!r} is no range of addresses") from None
    elif name in _SWITCHES:
        setattr(opened, _SWITCHES[name], True)


_SWITCHES: Final = {"counters": "has_counters", "skbinfo": "has_marks", "forceadd": "replaces"}
