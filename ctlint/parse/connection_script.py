# SPDX-License-Identifier: GPL-2.0-only
"""Connection scripts as statements: ``grammar/connection_script.lark`` says what each may be.

What the words of a statement mean (whether there is such a rule, what a sequence number is) is not
grammar: see ctlint/scenario/script.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ctlint.ir.span import Span
from ctlint.parse.script_reader import (
    Expected,
    Language,
    Pair,
    ScriptReader,
    Word,
    begins_with,
    tokens_of,
    trees_of,
)

if TYPE_CHECKING:
    from lark import Token, Tree

STATEMENTS: Final = (
    *("name", "rules", "rules6", "ipsets", "kernel", "topology", "flow", "fact", "sysctl"),
    *("test", "client", "server", "connect", "close", "idle", "expire", "flush"),
)
"""The words with which a statement may begin."""

_SENT: Final = ("data", "udp", "ping", "pong", "icmp", "ip", "exactly", "close")
_FLAG_WORDS: Final = ("SYN", "FIN", "RST", "ACK", "PSH", "URG", "ECE", "CWR", "SYN,ACK", "FIN,ACK")
_CLAIMS: Final = (
    *("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"),
    *("delivered", "not delivered", "dropped", "rejected", "rule", "entry", "no entry"),
)
_EXPECTED: Final[Expected] = (
    (
        "FLAGS",
        "what it sends: flags such as SYN or FIN,ACK, or data, udp, ping, pong, icmp, ip, exactly",
        (*_FLAG_WORDS, *_SENT),
    ),
    (
        "CTSTATE",
        "an expectation: a ctstate such as NEW, delivered, dropped, rejected, rule, entry",
        _CLAIMS,
    ),
    ("_CTSTATE", "'entry' or 'ctstate' behind 'no'", ("entry", "ctstate")),
    ("ICMP_TYPE", "a type such as port-unreachable, echo-request or 3/4", ()),
    ("PROTOCOL", "the protocol's number or name", ()),
    ("RULE", "a rule such as filter/FORWARD#2 or 'filter/INPUT policy'", ()),
    ("ENDPOINT", "an address and port such as 10.1.0.2:40000 or [fd01::2]:40000", ()),
    ("_ARROW", "'>' between the addresses", ()),
    ("SPAN", "a span such as 130s, 5m, 2h, 1d or 100ms", ()),
    ("SYSCTL_NAME", "a setting such as tcp_loose=0", ()),
    ("NUMBER", "a whole number", ()),
    ("VALUE", "a value", ()),
    ("EQUAL", "'='", ()),
    ("_FORWARD", "forward, host or lo", ("forward", "host", "lo")),
    ("_OWNER", "owner, time or mac", ("owner", "time", "mac")),
    ("MOMENT", "a moment such as 2026-11-21T18:00:00Z", ()),
    ("ADDRESS", "an address such as 02:00:00:00:00:01, or none", ("none",)),
    ("VERSION", "a kernel such as 6.18", ()),
    ("PATH", "a file", ()),
    ("TITLE", "a name", ()),
    ("INTERFACE", "an interface", ()),
    ("CLIENT", "client or server", ("client", "server")),
    ("DELIVERED", "'delivered' behind 'not'", ("delivered",)),
    ("RSQB", "another option, or ']'", ()),
    ("KEY", "an option such as ttl=3 or again, '=>', or the end of the statement", ("again",)),
    ("EXPECT", "'=>', or the end of the statement", ("=>",)),
    ("_COMMA", "',' and more that is expected, or the end of the statement", ()),
)
_LANGUAGE: Final = Language(
    grammar="connection_script",
    statements=STATEMENTS,
    statement="a statement: client, server, connect, idle, expire, test, or a setting",
    opener="TEST",
    expected=_EXPECTED,
    answered=(
        "only a packet has an answer: '=>' stands behind client …, server …, connect or close"
    ),
)


class NameText(NamedTuple):
    """``name Web server``."""

    title: Word


class FileText(NamedTuple):
    """``rules rules.v4``; `kind` is rules, rules6 or ipsets."""

    kind: str
    path: Word


class KernelText(NamedTuple):
    """``kernel 6.18``."""

    version: Word


class TopologyText(NamedTuple):
    """``topology host client eth0 10.1.0.1/16``; each interface with its address, if it has one."""

    kind: str
    span: Span
    role: Word | None
    interfaces: tuple[tuple[Word, Word | None], ...]
    is_v6: bool


class FlowText(NamedTuple):
    """``flow 10.1.0.2:40000 > 10.2.0.2:80``."""

    source: Word
    target: Word


class FactText(NamedTuple):
    """``fact owner uid=0 gid=0`` has pairs, ``fact time …`` and ``fact mac …`` have a value."""

    kind: str
    span: Span
    value: Word | None
    pairs: tuple[Pair, ...]


class BlockText(NamedTuple):
    """``test "a close"``: what stands behind it, up to the next, belongs to it."""

    title: Word
    span: Span


class ClaimText(NamedTuple):
    """One claim of what is expected; `kind` is the grammar's name of it."""

    kind: str
    words: tuple[Word, ...]
    span: Span


class PacketText(NamedTuple):
    """``client data 100 again seq=+1 => …``.

    `what` are flags, or data, udp, ping, pong, icmp, ip or exactly; `operand` is what follows the
    last three; `load` is a length, or a text in quotes.
    """

    sender: Word
    what: Word
    operand: Word | None
    load: Word | None
    quoted: Word | None
    marks: tuple[Word, ...]
    options: tuple[Pair, ...]
    claims: tuple[ClaimText, ...]
    span: Span


class ExchangeText(NamedTuple):
    """``connect``, or ``client close``."""

    what: Word
    sender: Word | None
    claims: tuple[ClaimText, ...]
    span: Span


class IdleText(NamedTuple):
    """``idle 130s``."""

    amount: Word


class OperationText(NamedTuple):
    """``expire`` or ``flush``."""

    word: Word


class SysctlText(NamedTuple):
    """``sysctl tcp_loose=0``: a setting in front of the tests, an operation in one."""

    settings: tuple[Pair, ...]
    span: Span


Statement: TypeAlias = (
    NameText
    | FileText
    | KernelText
    | TopologyText
    | FlowText
    | FactText
    | BlockText
    | PacketText
    | ExchangeText
    | IdleText
    | OperationText
    | SysctlText
)


def parse_connection_script(text: str, file: str) -> tuple[Statement, ...]:
    """The statements of a script, in order. `file` is its name for messages.

    Raises ParseError with the first problem.
    """
    return _Reader(text, file).read()


def begins_as_script(text: str) -> bool:
    """Whether the first word of a text that is no comment is one of a script."""
    return begins_with(text, STATEMENTS)


class _Reader(ScriptReader):
    language = _LANGUAGE

    def read(self) -> tuple[Statement, ...]:
        return tuple(self.statement(child) for child in trees_of(self.tree()))

    def statement(self, tree: Tree[Token]) -> Statement:
        kind = str(tree.data)
        if kind == "packet":
            return self.packet(tree)
        if kind == "exchange":
            return self.exchange(tree)
        if kind == "topology":
            return topology_text(self, tree)
        if kind == "fact":
            return self.fact(tree)
        if kind == "sysctl":
            return SysctlText(self.pairs(tree, "setting"), self.whole(tree))
        words = self.words(tree)
        if kind == "name":
            return NameText(words[0])
        if kind == "rules":
            return FileText(words[0].text, words[1])
        if kind == "ipsets":
            return FileText(kind, words[0])
        if kind == "kernel":
            return KernelText(words[0])
        if kind == "flow":
            return FlowText(*words)
        if kind == "test":
            return BlockText(words[1], self.whole(tree))
        return IdleText(words[0]) if kind == "idle" else OperationText(words[0])

    def fact(self, tree: Tree[Token]) -> FactText:
        (inner,) = trees_of(tree)
        words = self.words(inner)
        return FactText(
            str(inner.data), self.whole(tree), words[0] if words else None, self.pairs(inner)
        )

    def packet(self, tree: Tree[Token]) -> PacketText:
        words: dict[str, Word] = {}
        marks: list[Word] = []
        for token in tokens_of(tree):
            if token.type in ("AGAIN", "BADSUM"):
                marks.append(self.word(token))
            else:
                words[token.type] = self.word(token)
        sender = words.pop("CLIENT", None) or words.pop("SERVER")
        load = words.pop("LENGTH", None) or words.pop("STRING", None)
        what, *operand = words.values()
        quoted = [word for each in trees_of(tree, "quoting") for word in self.words(each)]
        return PacketText(
            sender,
            what,
            operand[0] if operand else None,
            load,
            quoted[0] if quoted else None,
            tuple(marks),
            self.pairs(tree),
            self.claims(tree),
            self.whole(tree),
        )

    def exchange(self, tree: Tree[Token]) -> ExchangeText:
        words = self.words(tree)
        sender = words[0] if len(words) > 1 else None
        return ExchangeText(words[-1], sender, self.claims(tree), self.whole(tree))

    def claims(self, tree: Tree[Token]) -> tuple[ClaimText, ...]:
        return tuple(
            ClaimText(str(claim.data), tuple(self.words(claim)), self.whole(claim))
            for expect in trees_of(tree, "expect")
            for claim in trees_of(expect)
        )


def topology_text(reader: ScriptReader, tree: Tree[Token]) -> TopologyText:
    """The statement of a topology, which both languages of scripts have."""
    kinds = [child for child in trees_of(tree) if child.data in ("forward", "host")]
    interfaces = []
    role = None
    for kind in kinds:
        role = next(iter(reader.words(kind)), None)
        for each in trees_of(kind, "interface"):
            words = reader.words(each)
            interfaces.append((words[0], words[1] if len(words) > 1 else None))
    return TopologyText(
        str(kinds[0].data) if kinds else "lo",
        reader.whole(tree),
        role,
        tuple(interfaces),
        any(token.type == "V6" for token in tokens_of(tree)),
    )
