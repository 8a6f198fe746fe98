# SPDX-License-Identifier: GPL-2.0-only
"""Reads conntrack entries: ``conntrack -L``, ``/proc/net/nf_conntrack`` and its older form.

``grammar/conntrack.lark`` says what a line may be. Entries of TCP and UDP in their usual shape run
one regular expression instead, which accepts less than the grammar and reads the same.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from ctlint.ir.evidence import EntryLine, EntryTuple
from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.lines import LineError, line_error, read_lines
from ctlint.resources import grammar_text
from ctlint.wire.addresses import Family, parse_exact_address

if TYPE_CHECKING:
    from lark import Lark

MAX_ENTRIES: Final = 4_000_000
"""Of one text; more would need memory without bound."""

_TUPLE: Final = (
    r"src=([0-9a-f.:]+) dst=([0-9a-f.:]+) sport=(\d{1,5}) dport=(\d{1,5}) "
    r"((?:packets=\d{1,20} bytes=\d{1,20} )?)"
)
_PLAIN: Final = re.compile(
    r"(?:ipv[46] +(?:2|10) )?(?:tcp|udp) +(6|17) (?:(\d{1,10}) )?(?:([A-Z][A-Z0-9_]*) )?"
    rf"{_TUPLE}((?:\[UNREPLIED\] )?){_TUPLE}((?:\[[A-Z_]+\] )*)"
    r"((?:[a-z][a-z0-9_-]*=[!-Z^-~]* ?)*)[ ]*"
)
_MESSAGE: Final = re.compile(r"conntrack v\S+ \(conntrack-tools\): .*|#.*")
_EXPECTED: Final = {
    "PROTOCOL": "a protocol such as tcp",
    "NUMBER": "a number",
    "PAIR": "a word such as src=10.0.0.5",
}
_HINT: Final = "this reads what `conntrack -L` prints, or /proc/net/nf_conntrack"
_NO_FLAGS: Final[frozenset[str]] = frozenset()


def parse_conntrack(text: str, file: str) -> tuple[EntryLine, ...]:
    """Read the entries, in the order of the text. Raises ParseError with the problems of all
    lines.
    """
    reader = _Reader(file)
    read_lines(text, file, reader.line)
    return tuple(reader.entries)


class _Word(NamedTuple):
    text: str
    start: int


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.entries: list[EntryLine] = []
        self.addresses: dict[str, int] = {}
        self.flags: dict[str, frozenset[str]] = {"": _NO_FLAGS}

    def line(self, line: str, number: int) -> None:
        """Raises LineError."""
        plain = _PLAIN.fullmatch(line)
        entry = None if plain is None else self.plain(plain.groups(""), number)
        if entry is None:
            if not line.strip(" \t") or _MESSAGE.fullmatch(line):
                return
            entry = self.other_line(line, number)
        if len(self.entries) == MAX_ENTRIES:
            span = Span(self.file, number)
            raise ParseError((Problem(span, f"more than {MAX_ENTRIES:,} entries"),))
        self.entries.append(entry)

    def plain(self, words: tuple[str, ...], number: int) -> EntryLine | None:
        protocol, seconds, state, src, dst, sport, dport, _, unreplied = words[:9]
        src2, dst2, sport2, dport2, _, flags, rest = words[9:]
        family = Family.IPV6 if ":" in src else Family.IPV4
        try:
            saddr, daddr = self.address(src, family), self.address(dst, family)
            saddr2, daddr2 = self.address(src2, family), self.address(dst2, family)
        except ValueError:
            return None  # the grammar's way says where
        ports = (int(sport), int(dport), int(sport2), int(dport2))
        if max(ports) > 65_535:
            return None
        both = unreplied + flags
        if both not in self.flags:
            if len(self.flags) > 1_000:
                self.flags = {"": _NO_FLAGS}
            self.flags[both] = frozenset(word.strip("[]") for word in both.split())
        return EntryLine(
            family,
            int(protocol),
            int(seconds) if seconds else None,
            state,
            EntryTuple(saddr, daddr, ports[0], ports[1]),
            EntryTuple(saddr2, daddr2, ports[2], ports[3]),
            self.flags[both],
            rest.strip(),
            number,
        )

    def address(self, text: str, family: Family) -> int:
        """Raises ValueError."""
        known = self.addresses.get(text)
        if known is not None:
            return known
        number = parse_exact_address(text, family)
        if len(self.addresses) < 200_000:
            self.addresses[text] = number
        return number

    def other_line(self, line: str, number: int) -> EntryLine:
        from lark import UnexpectedInput

        try:
            tree = _parser().parse(line)
        except UnexpectedInput as error:
            raise line_error(error, line, self.file, number, _EXPECTED, _HINT) from None
        numbers: list[str] = []
        state = ""
        words: list[_Word] = []
        flags: set[str] = set()
        has_l3 = False
        for token in tree.scan_values(lambda _: True):
            if token.type == "NUMBER":
                numbers.append(str(token))
            elif token.type == "STATE":
                state = str(token)
            elif token.type == "FLAG":
                flags.add(token[1:-1])
            elif token.type == "L3":
                has_l3 = True
            elif token.type != "PROTOCOL":
                words.append(_Word(str(token), token.start_pos or 0))
        if has_l3:
            numbers = numbers[1:]
        protocol = int(numbers[0])
        if protocol > 255:
            self.refuse(number, 0, len(line), f"there is no protocol {protocol}")
        original, reply, rest, family = self.tuples(words, line, number)
        seconds = int(numbers[1]) if len(numbers) > 1 else None
        return EntryLine(
            family, protocol, seconds, state, original, reply, frozenset(flags), rest, number
        )

    def tuples(
        self, words: list[_Word], line: str, number: int
    ) -> tuple[EntryTuple, EntryTuple, str, Family]:
        """Both directions, and the words that say something else."""
        found: list[dict[str, _Word]] = []
        rest: list[str] = []
        for word in words:
            key, is_pair, value = word.text.partition("=")
            if key == "src" and is_pair and len(found) < 2:
                found.append({})
            in_tuple = bool(found) and key in _PARTS and key not in found[-1] and bool(is_pair)
            if in_tuple:
                found[-1][key] = _Word(value, word.start + len(key) + 1)
            elif key not in ("packets", "bytes", "type", "code", "id", "srckey", "dstkey"):
                rest.append(word.text)
        for each in found:
            if "dst" not in each:
                found = []
        if len(found) != 2:
            message = "expected src= and dst= of both directions"
            self.refuse(number, 0, len(line.rstrip(" \t")), message)
        family = Family.IPV6 if ":" in found[0]["src"].text else Family.IPV4
        one, two = (self.one(each, family, number) for each in found)
        return one, two, " ".join(rest), family

    def one(self, words: dict[str, _Word], family: Family, number: int) -> EntryTuple:
        addresses: list[int] = []
        for key in ("src", "dst"):
            word = words[key]
            try:
                addresses.append(self.address(word.text, family))
            except ValueError:
                message = f"not an IP address: {word.text[:50]!r}"
                self.refuse(number, word.start, word.start + len(word.text), message)
        ports: list[int | None] = []
        for key in ("sport", "dport"):
            port = words.get(key)
            if port is None:
                ports.append(None)
                continue
            if re.fullmatch(r"[0-9]{1,5}", port.text) is None or int(port.text) > 65_535:
                message = f"not a port: {port.text[:20]!r}"
                self.refuse(number, port.start, port.start + len(port.text), message)
            ports.append(int(port.text))
        return EntryTuple(addresses[0], addresses[1], ports[0], ports[1])

    def refuse(self, number: int, start: int, end: int, message: str) -> NoReturn:
        span = Span(self.file, number, start + 1, max(start, end) + 1)
        raise LineError(Problem(span, message, _HINT))


_PARTS: Final = frozenset({"src", "dst", "sport", "dport"})


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(
        grammar_text("conntrack"), parser="lalr", lexer="contextual", maybe_placeholders=False
    )
