# SPDX-License-Identifier: GPL-2.0-only
"""Reads what ``ipset save`` prints, and files of that form that people write for restore.

``grammar/ipset_save.lark`` says what a line may be. Lines that give one address, as nearly all of a
dump do, run one regular expression instead; it accepts less than the grammar and reads the same.
Addresses are written in full: ``ipset`` itself reads ``10.1`` and ``010.0.0.1`` as inet_aton(3)
does, which nobody means. Source: ipset(8) and what ipset 7.17 answers on Linux 6.18.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn

from ctlint.ir.ipset import Ipset
from ctlint.ir.span import Span
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.resources import grammar_text
from ctlint.wire.addresses import Family, Net
from ctlint.wire.networks import cover

if TYPE_CHECKING:
    from lark import Lark, Token, Tree, UnexpectedInput

MAX_LINE: Final = 10_239
"""Longest line in characters; a comment, the longest word, has at most 255 bytes."""

MAX_ELEMENTS: Final = 2_000_000
"""Elements of one input; more would need memory without bound."""

MAX_NAME: Final = 31
"""Bytes of a set's name (IPSET_MAXNAMELEN, less the final NUL)."""

MAX_BITMAP: Final = 65_536
"""Elements of a bitmap, ipset(8)."""

_PLAIN_ADD: Final = re.compile(
    r"add ([^ \t\"-][^ \t\"]*) ([0-9A-Fa-f.:]+(?:/\d{1,3})?)"
    r"(?: timeout (\d{1,10}))?(?: packets \d{1,20} bytes \d{1,20})?( nomatch)?"
)
_IPV4: Final = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})")
_NUMERIC: Final = re.compile(r"[0-9./-]+|[0-9A-Fa-f.:/-]*:[0-9A-Za-z.:/%-]*")
_ONE_ADDRESS: Final = ("hash:ip", "hash:net", "bitmap:ip")
_MAX_TIMEOUT: Final = (1 << 32) - 1
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


class _InvalidError(Exception):
    """A value that the set cannot have or hold."""


class _OpenSet:
    """A set while its elements are read."""

    def __init__(self, name: str, kind: str, span: Span) -> None:
        self.name = name
        self.type = kind
        self.span = span
        self.family = Family.IPV4
        self.mask = 0
        self.prefix: int | None = None
        self.range: tuple[int, int] | None = None
        self.has_timeout = False
        self.members: dict[Net, bool] = {}
        self.sets: dict[str, None] = {}
        self.unknown: str | None = None
        if kind not in _ONE_ADDRESS and kind != "list:set":
            self.unknown = f"sets of type {kind} are not modelled"

    def add(self, element: str, *, nomatch: bool, timeout: int | None) -> None:
        """Raises _InvalidError."""
        if timeout is not None and not self.has_timeout:
            raise _InvalidError(f"the set {self.name!r} was created without timeout")
        if timeout:
            self.unknown = self.unknown or "its elements time out"
        if nomatch and "net" not in self.type:
            raise _InvalidError(f"a set of type {self.type} has no nomatch")
        if self.type in _ONE_ADDRESS:
            for net in self.nets(element):
                self.members[net] = not nomatch

    def nets(self, element: str) -> Iterator[Net]:
        """The networks that an element of a set of one address stands for."""
        ends = _ends(element, self.family)
        if ends is None:
            self.unknown = self.unknown or f"the address of {element!r} is not known"
            return
        low, high = ends
        if self.type == "hash:net":
            if high - low == self.family.full_mask:
                raise _InvalidError(f"{element}: a hash:net cannot hold all addresses")
        elif self.range is not None and (low < self.range[0] or high > self.range[1]):
            raise _InvalidError(f"{element} is out of the range of the set {self.name!r}")
        is_range = low != high and (self.type == "hash:ip" or "/" not in element)
        if is_range and self.family is Family.IPV6:
            raise _InvalidError(f"{element}: only IPv4 elements may be ranges")
        for part in cover(low, high, self.family):
            net = Net(self.family, part.address & self.mask, part.mask & self.mask)
            if self.type == "hash:ip" and net.address == 0:
                raise _InvalidError(f"{element}: a hash:ip cannot hold the address zero")
            yield net

    def close(self) -> Ipset:
        is_addressed = self.type in _ONE_ADDRESS and self.unknown is None
        return Ipset(
            self.name,
            self.type,
            None if self.type in ("list:set", "hash:mac", "bitmap:port") else self.family,
            self.span,
            tuple(net for net, truth in self.members.items() if truth) if is_addressed else (),
            tuple(net for net, truth in self.members.items() if not truth) if is_addressed else (),
            tuple(self.sets),
            self.unknown,
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
                    name, element, timeout, nomatch = plain.groups()
                    self.add(name, element, timeout, bool(nomatch), line, number, plain.start(2))
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
        from lark import UnexpectedCharacters, UnexpectedToken

        words = line.rstrip(" \t")
        expected: set[str] = set()
        is_end = False
        if isinstance(error, UnexpectedCharacters):
            expected = set(error.allowed or ())
        elif isinstance(error, UnexpectedToken):
            expected = set(error.accepts or error.expected)
            is_end = error.token.type == "$END"
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
        timeout: str | None = None
        for option in options:
            if option.data == "timeout":
                timeout = _value(option)
        nomatch = any(option.data == "nomatch" for option in options)
        self.add(name, str(words[1]), timeout, nomatch, line, number, words[1].start_pos or 0)

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
            word = option.children[-1]
            try:
                _set_option(opened, str(option.data), value)
            except _InvalidError as error:
                self.refuse(number, word.start_pos or 0, word.end_pos or 0, str(error))  # type: ignore[union-attr]
        opened.mask = opened.mask or opened.family.full_mask
        if opened.type == "bitmap:ip":
            if opened.range is None:
                self.refuse(number, start, end, "a bitmap:ip needs a range")
            size = opened.range[1] - opened.range[0] + 1 >> 32 - (opened.prefix or 32)
            if size > MAX_BITMAP:
                self.refuse(number, start, end, f"the range has more than {MAX_BITMAP:,} elements")
        self.sets[name] = opened
        if " " in name:
            self.blank_names.append(name)

    def add(
        self,
        name: str,
        element: str,
        timeout: str | None,
        nomatch: bool,
        line: str,
        number: int,
        start: int,
    ) -> None:
        self.elements += 1
        end = start + len(element)
        opened = self.sets.get(name)
        if opened is None:
            if name in self.refused:
                return
            at = line.index(name)
            self.refuse(number, at, at + len(name), f"no set {name!r}: a create line is missing")
        seconds: int | None = None
        try:
            if timeout is not None:
                seconds = _seconds(timeout)
            if opened.type == "list:set":
                self.add_set(opened, element)
            opened.add(element, nomatch=nomatch, timeout=seconds)
        except _InvalidError as error:
            self.refuse(number, start, end, str(error))

    def add_set(self, opened: _OpenSet, element: str) -> None:
        member = self.sets.get(element)
        if member is None:
            if element in self.refused:
                return
            raise _InvalidError(f"no set {element!r}: its create line must stand above")
        if member.type == "list:set":
            raise _InvalidError("a list:set cannot hold a list:set")
        opened.sets[element] = None


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


def _seconds(text: str) -> int:
    """Read a timeout. Raises _InvalidError."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else _MAX_TIMEOUT + 1
    if number > _MAX_TIMEOUT:
        raise _InvalidError(f"{text[:20]!r} is no timeout in seconds")
    return number


def _set_option(opened: _OpenSet, name: str, value: str) -> None:
    """Take an option of a create line. Raises _InvalidError."""
    if name == "family":
        if value not in ("inet", "inet6"):
            raise _InvalidError(f"the family is inet or inet6, not {value[:20]!r}")
        opened.family = Family.IPV4 if value == "inet" else Family.IPV6
    elif name == "timeout":
        opened.has_timeout = True
        if _seconds(value):
            opened.unknown = opened.unknown or "its elements time out"
    elif name == "netmask":
        length = int(value) if value.isascii() and value.isdigit() and len(value) < 4 else 0
        if not 1 <= length <= opened.family.bits:
            raise _InvalidError(f"a netmask is 1 to {opened.family.bits}, not {value[:20]!r}")
        opened.prefix = length
        opened.mask = opened.family.full_mask ^ ((1 << opened.family.bits - length) - 1)
    elif name == "bitmask":
        mask = _address(value, opened.family)
        if not mask:
            raise _InvalidError(f"{value[:50]!r} is no bitmask")
        opened.mask = mask
    elif name == "range" and opened.type == "bitmap:ip":
        ends = _ends(value, Family.IPV4)
        if ends is None:
            raise _InvalidError(f"{value[:50]!r} is no range of addresses")
        opened.range = ends


def _ends(text: str, family: Family) -> tuple[int, int] | None:
    """First and last address of ``A``, ``A/LENGTH`` or ``A-B``; None for a host's name.

    Raises _InvalidError.
    """
    address, slash, length = text.partition("/")
    low = _address(address, family)
    if low is not None:
        if not slash:
            return low, low
        is_number = length.isascii() and length.isdigit() and len(length) < 4
        if not is_number or int(length) > family.bits:
            raise _InvalidError(f"{text[:60]}: a prefix length is 0 to {family.bits}")
        free = (1 << family.bits - int(length)) - 1
        return low & ~free, low | free
    first, dash, last = text.partition("-")
    if dash and not slash:
        low, high = _address(first, family), _address(last, family)
        if low is not None and high is not None:
            # As ipset does, the two may stand in either order.
            return min(low, high), max(low, high)
    if _NUMERIC.fullmatch(text):
        name = "IPv4" if family is Family.IPV4 else "IPv6"
        raise _InvalidError(f"{text[:60]!r} is no {name} address or network")
    return None


def _address(text: str, family: Family) -> int | None:
    if family is Family.IPV4:
        found = _IPV4.fullmatch(text)
        if found is None:
            return None
        one, two, three, four = map(int, found.groups())
        if max(one, two, three, four) > 255:
            return None
        return one << 24 | two << 16 | three << 8 | four
    try:
        return int(ipaddress.IPv6Address(text)) if "%" not in text else None
    except ValueError:
        return None
