# SPDX-License-Identifier: GPL-2.0-only
"""Reads the counters of the network stack: ``nstat -az``, ``netstat -s``, ``/proc/net/netstat``.

``grammar/counters.lark`` says what a line may be. ``netstat -s`` says in sentences what the kernel
has names for: those that are needed here are in ``_SENTENCES``, the others keep their words.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from ctlint.ir.evidence import CounterTable
from ctlint.ir.span import Span
from ctlint.parse.errors import Problem
from ctlint.parse.lines import LineError, line_error, read_lines
from ctlint.resources import grammar_text

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

MAX_COUNTERS: Final = 20_000
"""Of one text; the kernel has some 500."""

_SENTENCES: Final = {
    # net-tools 2.10, statistics.c, tcpexttab and tcptab; older spellings too.
    "times the listen queue of a socket overflowed": "TcpExtListenOverflows",
    "SYNs to LISTEN sockets dropped": "TcpExtListenDrops",
    "SYNs to LISTEN sockets ignored": "TcpExtListenDrops",
    "passive connections rejected because of time stamp": "TcpExtPAWSPassive",
    "active connections rejected because of time stamp": "TcpExtPAWSActive",
    "SYN cookies sent": "TcpExtSyncookiesSent",
    "SYN cookies received": "TcpExtSyncookiesRecv",
    "connections aborted due to timeout": "TcpExtTCPAbortOnTimeout",
    "other TCP timeouts": "TcpExtTCPTimeouts",
    "segments retransmitted": "TcpRetransSegs",
    "segments retransmited": "TcpRetransSegs",
    "failed connection attempts": "TcpAttemptFails",
    "active connection openings": "TcpActiveOpens",
    "active connections openings": "TcpActiveOpens",
    "passive connection openings": "TcpPassiveOpens",
}
_EXPECTED: Final = {
    "NAME": "the name of a counter",
    "INTEGER": "a number",
    "SECTION": "a section such as Tcp:",
    "SENTENCE": "a counter",
    "KEY": "a name with a colon",
}
_HINT: Final = "this reads what `nstat -az` or `netstat -s` prints"
_PROC: Final = re.compile(r"[A-Za-z0-9]+: [A-Za-z]\w* [A-Za-z]")


def parse_counters(text: str, file: str) -> CounterTable:
    """Read the counters, in whichever of the three forms the text is.

    Raises ParseError with the problems of all lines.
    """
    first = next((line for line in text.split("\n") if line.strip()), "")
    if _PROC.match(first):
        form = "proc"
    elif re.fullmatch(r"[A-Za-z0-9]+:\s*", first) or first[:1] in (" ", "\t"):
        form = "netstat"
    else:
        form = "nstat"
    reader = _Reader(file, form)
    read_lines(text, file, reader.line)
    return CounterTable(file, reader.values)


class _Reader:
    def __init__(self, file: str, form: str) -> None:
        self.file = file
        self.form = form
        self.values: dict[str, int] = {}
        self.section = ""
        self.names: tuple[str, list[str]] = ("", [])

    def line(self, line: str, number: int) -> None:
        """Raises LineError."""
        if not line.strip(" \t"):
            return
        from lark import UnexpectedInput

        try:
            tree = _parser().parse(line, start=self.form)
        except UnexpectedInput as error:
            raise line_error(error, line, self.file, number, _EXPECTED, _HINT) from None
        if len(self.values) > MAX_COUNTERS:
            raise LineError(
                Problem(Span(self.file, number), f"more than {MAX_COUNTERS:,} counters")
            )
        tokens = list(tree.scan_values(lambda _: True))
        if self.form == "proc":
            self.proc(tokens, line, number)
        elif self.form == "nstat":
            if tokens[0].type == "NAME":
                self.values[str(tokens[0])] = int(tokens[1])
        else:
            self.netstat(tree, tokens)

    def netstat(self, tree: Tree[Token], tokens: list[Token]) -> None:
        if tokens[0].type == "SECTION":
            self.section = tokens[0][:-1]
        elif tree.data == "counted":
            sentence = str(tokens[1]).strip()
            self.values[_SENTENCES.get(sentence, f"{self.section}: {sentence}")] = int(tokens[0])
        elif tree.data == "named":
            name = f"{self.section}{tokens[0][:-1].strip()}"
            self.values[_SENTENCES.get(tokens[0][:-1].strip(), name)] = int(tokens[1])

    def proc(self, tokens: list[Token], line: str, number: int) -> None:
        section, rest = tokens[0][:-1], tokens[1:]
        if rest[0].type == "NAME":
            self.names = (section, [str(token) for token in rest])
            return
        named, names = self.names
        if named != section or len(names) != len(rest):
            message = f"these values of {section[:40]} do not fit the names in the line above"
            span = Span(self.file, number, 1, len(line) + 1)
            raise LineError(Problem(span, message, _HINT))
        for name, value in zip(names, rest, strict=True):
            self.values[section + name] = int(value)


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(
        grammar_text("counters"),
        parser="lalr",
        lexer="contextual",
        start=["nstat", "netstat", "proc"],
        maybe_placeholders=False,
    )
