# SPDX-License-Identifier: GPL-2.0-only
"""Reads what ``ss -tan`` prints, with the columns of ``-o``, ``-i``, ``-e`` and ``-p``.

``grammar/ss.lark`` says what a line may be. Lines of the usual shape run one regular expression
instead, which accepts less than the grammar and reads the same. Source: misc/ss.c of iproute2.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from ctlint.ir.evidence import Process, SocketEnd, SocketLine, SocketTable, SocketTimer
from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.lines import LineError, line_error, read_lines
from ctlint.resources import grammar_text
from ctlint.wire.addresses import Family, parse_dotted_quad, parse_ipv6
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.protocols import parse_port

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

MAX_SOCKETS: Final = 2_000_000
"""Of one text; more would need memory without bound."""

_STATES: Final = {
    "ESTAB": "ESTABLISHED",
    "SYN-SENT": "SYN_SENT",
    "SYN-RECV": "SYN_RECV",
    "NEW-SYN-RECV": "SYN_RECV",
    "FIN-WAIT-1": "FIN_WAIT_1",
    "FIN-WAIT-2": "FIN_WAIT_2",
    "TIME-WAIT": "TIME_WAIT",
    "CLOSE-WAIT": "CLOSE_WAIT",
    "LAST-ACK": "LAST_ACK",
    "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
    "UNCONN": "CLOSE",
    "BOUND-INACTIVE": "CLOSE",
    "UNKNOWN": "UNKNOWN",
}
_PLAIN: Final = re.compile(
    rf"({'|'.join(_STATES)})[ \t]+(\d{{1,10}})[ \t]+(\d{{1,10}})[ \t]+([0-9A-Fa-f.:\[\]*]+:[0-9*]+)"
    r"[ \t]+([0-9A-Fa-f.:\[\]*]+:[0-9*]+)(?:[ \t]+"
    r"((?:users:\(\(\"[!#-'*-~]{1,15}+\",pid=\d{1,10},fd=\d{1,10}\)\)(?=[ \t]|$)[ \t]*+)?"
    r"(?:timer:\(([a-z]+),([0-9a-z.]*),(\d{1,10})\)(?=[ \t]|$))?"
    r"(?:[ \t]*+(?:(?!users:|timer:)[a-z_]++:[0-9a-zA-Z_/.:-]++|[<-][>-]++)(?=[ \t]|$))*+))?[ \t]*+"
)
_PLAIN_INFO: Final = re.compile(r"[ \t]++(?:(?!users:|timer:)[!#-~]++[ \t]*+)++")
_OTHER_NETID: Final = re.compile(
    r"(?:nl|p_raw|p_dgr|u_str|u_dgr|u_seq|udp|UNCONN_UDP|raw|icmp6|sctp|dccp|v_str|v_dgr|ti_\w+|xdp"
    r"|\?\?\?)[ \t]"
)
_HEADING: Final = re.compile(r"(?:Netid[ \t]+)?State[ \t]+Recv-Q[ \t]+Send-Q\b.*")
_TIMER: Final = re.compile(r"timer:\(([a-z]+),([0-9a-z.]*),(\d{1,10})\)")
_SPAN: Final = re.compile(r"(?:(\d{1,9})min)?(?:(\d{1,2})(sec|\.(?=\d{3}ms)))?(?:(\d{3})ms)?")
_PROCESS: Final = re.compile(r'\("(.*?)",pid=(\d{1,10}),(?:proc_ctx=[^,]*,)?fd=\d{1,10}')
_MAPPED: Final = 0xFFFF
_EXPECTED: Final = {
    "STATE": "the state of a socket",
    "NUMBER": "a number of bytes",
    "END": "an address with a port",
    "WORD": "a word",
}
_HINT: Final = "this reads what `ss -tanoi` prints"


def parse_ss(text: str, file: str) -> SocketTable:
    """Read the sockets of TCP; those of other protocols are passed over.

    Raises ParseError with the problems of all lines.
    """
    reader = _Reader(file)
    read_lines(text, file, reader.line)
    return reader.finish()


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.sockets: list[SocketLine] = []
        self.ends: dict[str, SocketEnd] = {}
        self.is_other = False
        self.has_owners = self.has_timers = False

    def line(self, line: str, number: int) -> None:
        """Raises LineError."""
        plain = _PLAIN.fullmatch(line)
        if plain is not None:
            state, recv_q, send_q, local, peer, words, kind, left, count = plain.groups()
            timer = None if kind is None else self.timer(kind, left, count, plain.start(8), number)
            ends = (self.end(local, plain.start(4), number), self.end(peer, plain.start(5), number))
            self.add(state, (recv_q, send_q), ends, timer, words or "", line, number)
        elif line[:1] in ("", " ", "\t"):
            self.info(line, number)
        elif _OTHER_NETID.match(line):
            self.is_other = True
        elif _HEADING.fullmatch(line) is None:
            self.other_line(line, number)

    def info(self, line: str, number: int) -> None:
        """What is said of the socket above."""
        words = line.strip(" \t")
        if not words or self.is_other:
            return
        if not self.sockets:
            span = Span(self.file, number, 1, len(line) + 1)
            raise LineError(Problem(span, "no socket stands above this line", _HINT))
        if _PLAIN_INFO.fullmatch(line) is None:
            from lark import UnexpectedInput

            try:
                _parser().parse(line, start="info")
            except UnexpectedInput as error:
                raise line_error(error, line, self.file, number, _EXPECTED, _HINT) from None
        last = self.sockets[-1]
        self.sockets[-1] = last._replace(words=f"{last.words} {words}".strip())

    def other_line(self, line: str, number: int) -> None:
        from lark import UnexpectedInput

        try:
            tree = _parser().parse(line, start="socket")
        except UnexpectedInput as error:
            raise line_error(error, line, self.file, number, _EXPECTED, _HINT) from None
        tokens = _tokens(tree)
        state, recv_q, send_q, local, peer = tokens[:5]
        timer: SocketTimer | None = None
        for token in tokens[5:]:
            if token.type == "TIMER" and (found := _TIMER.fullmatch(token)):
                start = (token.start_pos or 0) + found.start(2)
                timer = self.timer(found[1], found[2], found[3], start, number)
        ends = (
            self.end(str(local), local.start_pos or 0, number),
            self.end(str(peer), peer.start_pos or 0, number),
        )
        words = line[peer.end_pos or 0 :].strip(" \t")
        self.add(str(state), (str(recv_q), str(send_q)), ends, timer, words, line, number)

    def add(
        self,
        state: str,
        queues: tuple[str, str],
        ends: tuple[SocketEnd, SocketEnd],
        timer: SocketTimer | None,
        words: str,
        line: str,
        number: int,
    ) -> None:
        if len(self.sockets) == MAX_SOCKETS:
            span = Span(self.file, number)
            raise ParseError((Problem(span, f"more than {MAX_SOCKETS:,} sockets"),))
        self.is_other = False
        if timer is not None:
            self.has_timers = True
        if " ino:" in f" {words}":
            self.has_owners = True
        processes: tuple[Process, ...] = ()
        if "users:" in words:
            found = _PROCESS.findall(words)
            processes = tuple(dict.fromkeys(Process(name, int(pid)) for name, pid in found))
        span = Span(self.file, number, 1, len(line.rstrip(" \t")) + 1)
        recv_q, send_q = int(queues[0]), int(queues[1])
        self.sockets.append(
            SocketLine(_STATES[state], recv_q, send_q, *ends, timer, processes, words, span)
        )

    def end(self, text: str, start: int, number: int) -> SocketEnd:
        """Reads ``10.0.0.5:22``, ``[fe80::1]%eth0:22``, ``*:*``."""
        known = self.ends.get(text)
        if known is not None:
            return known
        try:
            found = _read_end(text)
        except ValueError as error:
            span = Span(self.file, number, start + 1, start + len(text) + 1)
            message = str(error) or f"{text[:60]!r} is no address with a port"
            raise LineError(Problem(span, message, "use ss -n")) from None
        if len(self.ends) < 100_000:
            self.ends[text] = found
        return found

    def timer(self, kind: str, left: str, count: str, start: int, number: int) -> SocketTimer:
        try:
            least, most = read_span(left)
        except ValueError as error:
            span = Span(self.file, number, start + 1, start + len(left) + 1)
            raise LineError(Problem(span, str(error))) from None
        return SocketTimer(kind, least, most, int(count))

    def finish(self) -> SocketTable:
        return SocketTable(self.file, tuple(self.sockets), self.has_owners, self.has_timers)


def read_span(text: str) -> tuple[Micros, Micros]:
    """A span as print_ms_timer() of ss writes it, and the shortest that it no longer means:
    milliseconds stand only below ten seconds, seconds only below ten minutes. ``6.488ms`` are 6 s
    and 488 ms. Raises ValueError.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no span of time as ss writes them")
    minutes, seconds, _, milliseconds = found.groups()
    span = (int(minutes or 0) * 60 + int(seconds or 0)) * SECOND + int(milliseconds or 0) * 1_000
    if minutes is not None and int(minutes) > 9:
        return span, span + 60 * SECOND
    is_exact = minutes is None and (seconds is None or int(seconds) < 10)
    return span, span + (1_000 if is_exact else SECOND)


def _read_end(text: str) -> SocketEnd:
    """Raises ValueError."""
    address, _, port_text = text.rpartition(":")
    port = None if port_text == "*" else parse_port(port_text)
    address, _, zone = address.partition("%")
    if address.startswith("["):
        if zone.endswith("]"):
            address, zone = f"{address}]", zone[:-1]
        if not address.endswith("]"):
            raise ValueError(f"{text[:60]!r}: the bracket does not close")
        address = address[1:-1]
    if address == "*":
        return SocketEnd(None, None, port, zone)
    if ":" in address:
        number = parse_ipv6(address)
        if number >> 32 == _MAPPED:
            return SocketEnd(Family.IPV4, number & Family.IPV4.full_mask, port, zone)
        return SocketEnd(Family.IPV6, number or None, port, zone)
    return SocketEnd(Family.IPV4, parse_dotted_quad(address) or None, port, zone)


def _tokens(tree: Tree[Token]) -> list[Token]:
    return list(tree.scan_values(lambda _: True))


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(
        grammar_text("ss"),
        parser="lalr",
        lexer="contextual",
        start=["socket", "info"],
        maybe_placeholders=False,
    )
