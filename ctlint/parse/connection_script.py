# SPDX-License-Identifier: GPL-2.0-only
"""Connection scripts as statements: ``grammar/connection_script.lark`` says what each may be.

What the words of a statement mean (whether there is such a rule, what a sequence number is) is not
grammar: see ctlint/scenario/script.py.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem, expected_terminals
from ctlint.resources import grammar_text

if TYPE_CHECKING:
    from lark import Lark, Token, Tree, UnexpectedInput

MAX_SCRIPT: Final = 1 << 20
"""Characters of a script."""

_SHOWN: Final = 40

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
_QUOTED: Final = re.compile(r'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"')
"""What the grammar calls STRING."""
_AFTER_TEXT: Final = "the end of the statement: a new line or ';'"
# What is looked for, by a terminal that stands for it: the first that is among those expected. The
# words are what may have been meant.
_EXPECTED: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
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
_STATEMENT: Final = "a statement: client, server, connect, idle, expire, test, or a setting"


class Word(NamedTuple):
    """A word and its place. `is_quoted`: it stood in quotes, which are no part of it."""

    text: str
    span: Span
    is_quoted: bool = False


Pair: TypeAlias = tuple[Word, Word]
"""A key and its value."""


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
    found = re.match(r"(?:\s|#[^\n]*(?:\n|\Z)|;)*([A-Za-z0-9_]+)(?=[\s;\"]|\Z)", text)
    return found is not None and found[1] in STATEMENTS


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file

    def read(self) -> tuple[Statement, ...]:
        from lark import UnexpectedInput

        if len(self.text) > MAX_SCRIPT:
            self.refuse(0, 0, f"longer than {MAX_SCRIPT >> 20} MiB")
        found = re.search("[\ud800-\udfff\ufeff\0]", self.text)
        if found is not None:
            what = "a byte order mark" if found[0] == "\ufeff" else "not UTF-8 text"
            self.refuse(found.start(), found.end(), what)
        try:
            tree = _parser().parse(self.text)
        except UnexpectedInput as error:
            self.refuse_syntax(error)
        return tuple(self.statement(child) for child in tree.children)  # type: ignore[arg-type]

    # Places

    def span(self, start: int, end: int) -> Span:
        """A place within one line of the text."""
        begin = self.text.rfind("\n", 0, start) + 1
        line = self.text.count("\n", 0, start) + 1
        return Span(self.file, line, start - begin + 1, end - begin + 1)

    def place(self, token: Token) -> Span:
        line, column = token.line or 1, token.column or 1
        return Span(self.file, line, column, column + len(token))

    def refuse(self, start: int, end: int, message: str, hint: str | None = None) -> NoReturn:
        raise ParseError((Problem(self.span(start, end), message, hint),))

    def refuse_syntax(self, error: UnexpectedInput) -> NoReturn:
        expected, is_end = expected_terminals(error)
        start = len(self.text.rstrip()) if is_end else error.pos_in_stream
        position = len(self.text) if start is None else start
        found = self.word_at(position)
        what, meant = next(
            ((said, words) for name, said, words in _EXPECTED if name in expected),
            (_AFTER_TEXT, ()),
        )
        if "TEST" in expected:
            what, meant = _STATEMENT, STATEMENTS
        if not found:
            end = "the end of the line" if position < len(self.text) else "the end"
            if self.text[position : position + 1] == ";":
                end = "';'"
            self.refuse(position, position, f"expected {what}, found {end}")
        self.refuse(
            position,
            position + len(found),
            f"expected {what}, found {found!r}",
            self.about_quotes(position) or _meant(found, meant) or _advice(found, expected),
        )

    def about_quotes(self, position: int) -> str | None:
        """What is wrong with a text in quotes that begins here."""
        if self.text[position] != '"' or _QUOTED.match(self.text, position):
            return None
        return "no quote ends this text on its line"

    def word_at(self, position: int) -> str:
        found = re.compile(r"=>|\"[^\"\n]*\"?|[^\s;]+").match(self.text, position)
        word = found[0] if found else ""
        if word[:1] not in ("[", '"') and not word.startswith("=>"):
            word = re.split(r"(?<=.),", word)[0] if not _is_flags(word) else word
        return word[:_SHOWN]

    # Statements

    def word(self, token: Token) -> Word:
        place = self.place(token)
        if token.type != "STRING":
            return Word(str(token).rstrip(), place)
        try:
            text = json.loads(str(token), strict=False)
        except ValueError:
            text = None
        if not isinstance(text, str) or re.search("[\ud800-\udfff]", text):
            start = token.start_pos or 0
            hint = r'a backslash stands before " \ / b f n r t, and before u and four hex digits'
            self.refuse(start, start + len(token), "a text with a backslash that is not one", hint)
        return Word(text, place, is_quoted=True)

    def words(self, tree: Tree[Token]) -> list[Word]:
        return [self.word(token) for token in _tokens(tree)]

    def pairs(self, tree: Tree[Token], name: str = "assignment") -> tuple[Pair, ...]:
        found = []
        for each in _trees(tree, name):
            key, value = self.words(each)
            found.append((key, value))
        return tuple(found)

    def whole(self, tree: Tree[Token]) -> Span:
        """The place of a statement; of several lines, the part in the first."""
        start, end = tree.meta.start_pos, tree.meta.end_pos
        line, column = tree.meta.line, tree.meta.column
        if tree.meta.end_line != line:
            end = self.text.find("\n", start)
        return Span(self.file, line, column, column + end - start)

    def statement(self, tree: Tree[Token]) -> Statement:
        kind = str(tree.data)
        if kind == "packet":
            return self.packet(tree)
        if kind == "exchange":
            return self.exchange(tree)
        if kind == "topology":
            return self.topology(tree)
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

    def topology(self, tree: Tree[Token]) -> TopologyText:
        kinds = [child for child in _trees(tree) if child.data in ("forward", "host")]
        interfaces = []
        role = None
        for kind in kinds:
            role = next(iter(self.words(kind)), None)
            for each in _trees(kind, "interface"):
                words = self.words(each)
                interfaces.append((words[0], words[1] if len(words) > 1 else None))
        return TopologyText(
            str(kinds[0].data) if kinds else "lo",
            self.whole(tree),
            role,
            tuple(interfaces),
            any(token.type == "V6" for token in _tokens(tree)),
        )

    def fact(self, tree: Tree[Token]) -> FactText:
        (inner,) = _trees(tree)
        words = self.words(inner)
        return FactText(
            str(inner.data), self.whole(tree), words[0] if words else None, self.pairs(inner)
        )

    def packet(self, tree: Tree[Token]) -> PacketText:
        words: dict[str, Word] = {}
        marks: list[Word] = []
        for token in _tokens(tree):
            if token.type in ("AGAIN", "BADSUM"):
                marks.append(self.word(token))
            else:
                words[token.type] = self.word(token)
        sender = words.pop("CLIENT", None) or words.pop("SERVER")
        load = words.pop("LENGTH", None) or words.pop("STRING", None)
        what, *operand = words.values()
        quoted = [word for each in _trees(tree, "quoting") for word in self.words(each)]
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
            for expect in _trees(tree, "expect")
            for claim in _trees(expect)
        )


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(
        grammar_text("connection_script"),
        parser="lalr",
        lexer="contextual",
        maybe_placeholders=False,
        propagate_positions=True,
    )


def _tokens(tree: Tree[Token]) -> Iterator[Token]:
    from lark import Token

    return (child for child in tree.children if isinstance(child, Token))


def _trees(tree: Tree[Token], name: str | None = None) -> Iterator[Tree[Token]]:
    from lark import Tree

    for child in tree.children:
        if isinstance(child, Tree) and name in (None, child.data):
            yield child


# Hints


def _is_flags(word: str) -> bool:
    return re.fullmatch(r"[A-Za-z]{2,4}(,[A-Za-z]{2,4})+", word) is not None


def _meant(word: str, known: Iterable[str]) -> str | None:
    """What a misspelled word may have been."""
    by_case = {each.lower(): each for each in known}
    lower = word.lower()
    if lower in by_case:
        return f"did you mean {by_case[lower]}?"
    close = difflib.get_close_matches(lower, list(by_case), n=1, cutoff=0.6)
    return f"did you mean {by_case[close[0]]}?" if close else None


def _advice(word: str, expected: set[str]) -> str | None:
    """What the commonest mistakes look like where reading stops."""
    if word.startswith("=>") and "KEY" not in expected:
        return (
            "only a packet has an answer: '=>' stands behind client …, server …, connect or close"
        )
    if "TEST" in expected and word[:1] in "{[":
        return "this looks like JSON: a scenario, not a script"
    if "TEST" in expected and word.startswith(("*", ":", "-A")):
        return "a rule set is a file of its own: rules FILE"
    return None
