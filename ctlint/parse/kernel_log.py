# SPDX-License-Identifier: GPL-2.0-only
"""Reads the kernel's log for what netfilter and TCP say in it.

``grammar/kernel_log.lark`` says what a line may be. Most lines of a log say nothing of the network:
they are passed over by the words that those which do have in them. Packets as the LOG target writes
them run one regular expression instead of the grammar; it accepts less and reads the same.
"""

from __future__ import annotations

import re
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Final

from ctlint.ir.evidence import KernelLog, LoggedEvent, LoggedPacket
from ctlint.parse.lines import MAX_LINE
from ctlint.resources import grammar_text
from ctlint.wire.addresses import Family, parse_exact_address
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.tcp_flags import TcpFlags

if TYPE_CHECKING:
    from lark import Lark, Token

MAX_PACKETS: Final = 200_000
"""Logged packets that are kept: the newest."""

MAX_EVENTS: Final = 1_000
"""Messages that are kept: the newest."""

_STAMP: Final = (
    r"(?:(?:<\d{1,3}>)?\[ *(\d{1,9})\.(\d{1,6})\] |"
    r"(?:<\d{1,3}>)?\[\w{3} \w{3} +\d+ [\d:]+ \d{4}\] |"
    r"(?:[A-Z][a-z]{2} +\d+ [\d:]+|\d{4}-\d\d-\d\dT[\d:.,+Z-]+) \S{1,255} kernel: "
    r"(?:\[ *(\d{1,9})\.(\d{1,6})\] )?)?"
)
_PLAIN: Final = re.compile(
    rf"{_STAMP}((?:(?!IN=)[ -~]){{0,200}}?)IN=\S* OUT=\S* (?:MAC=\S* )?"
    r"SRC=(\S+) DST=(\S+) (?:[A-Z]+=\S* |DF |CE )*PROTO=TCP SPT=(\d{1,5}) DPT=(\d{1,5}) "
    r"(?:(?:SEQ|ACK|WINDOW|RES)=\S+ )*((?:(?:CWR|ECE|URG|ACK|PSH|RST|SYN|FIN) )*)URGP=\d+ ?"
    r"(?:OPT \([0-9A-F]*\) ?)?(?:[A-Z]+=\S+ ?)*"
)
_FLAGS: Final = ("CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN")
_OF_CONNTRACK: Final = re.compile(r"nf_ct_(?:proto_\d+|tcp|generic): ")
_STAMP_TIME: Final = re.compile(r"\[ *(\d{1,9})\.(\d{1,6})\]")
_PORT: Final = re.compile(r"on port (?:\S*[:.])?(\d{1,5})\b")


def parse_kernel_log(text: str, file: str) -> KernelLog:
    """Read the messages, the oldest first. A log holds anything: no line is an error."""
    packets: deque[LoggedPacket] = deque(maxlen=MAX_PACKETS)
    events: deque[LoggedEvent] = deque(maxlen=MAX_EVENTS)
    seen = 0
    for number, line in enumerate(text.split("\n"), 1):
        if " OUT=" in line:
            packet = _packet(line, number) if len(line) <= MAX_LINE else None
            if packet is not None:
                packets.append(packet)
                seen += 1
        elif "table full" in line or "SYN flooding" in line:
            event = _event(line[:MAX_LINE], number)
            if event is not None:
                events.append(event)
    return KernelLog(file, tuple(packets), tuple(events), seen - len(packets))


def _packet(line: str, number: int) -> LoggedPacket | None:
    """A logged packet of TCP; None for others, and for lines that are not whole."""
    plain = _PLAIN.fullmatch(line.rstrip("\r"))
    if plain is None:
        return _by_grammar(line, number)
    whole, part, whole2, part2, prefix, src, dst, sport, dport, flags = plain.groups()
    return _logged(
        prefix,
        (src, dst, sport, dport),
        flags.split(),
        _moment(whole or whole2, part or part2),
        number,
    )


def _by_grammar(line: str, number: int) -> LoggedPacket | None:
    tokens = _tokens(line)
    prefix = ""
    moment: Micros | None = None
    pairs: dict[str, str] = {}
    flags: list[str] = []
    for token in tokens:
        if token.type == "STAMP":
            found = _STAMP_TIME.search(token)
            moment = None if found is None else _moment(found[1], found[2])
        elif token.type in ("PREFIX", "CONNTRACK"):
            prefix = str(token)
        elif token.type == "PAIR":
            key, _, value = str(token).partition("=")
            pairs.setdefault(key, value)
        elif token.type == "MARK" and token in _FLAGS:
            flags.append(str(token))
    if pairs.get("PROTO") != "TCP" or "URGP" not in pairs:
        return None
    words = tuple(pairs.get(key, "") for key in ("SRC", "DST", "SPT", "DPT"))
    return _logged(prefix, (words[0], words[1], words[2], words[3]), flags, moment, number)


def _logged(
    prefix: str,
    words: tuple[str, str, str, str],
    flags: list[str],
    moment: Micros | None,
    number: int,
) -> LoggedPacket | None:
    family = Family.IPV6 if ":" in words[0] else Family.IPV4
    if not all(re.fullmatch(r"[0-9]{1,5}", port) for port in words[2:]):
        return None
    sport, dport = int(words[2]), int(words[3])
    if max(sport, dport) > 65_535:
        return None
    try:
        saddr, daddr = (parse_exact_address(text, family) for text in words[:2])
        named = TcpFlags.parse(",".join(dict.fromkeys(flags)))
    except ValueError:
        return None
    by_conntrack = _OF_CONNTRACK.match(prefix) is not None
    return LoggedPacket(
        prefix.strip(), by_conntrack, family, saddr, daddr, sport, dport, named, moment, number
    )


def _moment(whole: str | None, part: str | None) -> Micros | None:
    if whole is None or part is None:
        return None
    return int(whole) * SECOND + int(part.ljust(6, "0"))


def _event(line: str, number: int) -> LoggedEvent | None:
    for token in _tokens(line):
        text = str(token).strip()
        if token.type == "TABLE_FULL":
            return LoggedEvent("table full", None, text, number)
        if token.type == "SYN_FLOOD":
            found = _PORT.search(text)
            port = int(found[1]) if found is not None else None
            return LoggedEvent("SYN flooding", port, text, number)
    return None


def _tokens(line: str) -> list[Token]:
    from lark import UnexpectedInput

    try:
        tree = _parser().parse(line.replace("\r", " "))
    except UnexpectedInput:
        return []
    return list(tree.scan_values(lambda _: True))


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(
        grammar_text("kernel_log"), parser="lalr", lexer="contextual", maybe_placeholders=False
    )
