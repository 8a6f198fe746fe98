# SPDX-License-Identifier: GPL-2.0-only
"""Socket scripts as statements: ``grammar/socket_script.lark`` says what each may be.

What the words of a statement mean (whether there is such a socket, or such a rule) is not grammar:
see ctlint/scenario/socket_script.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ctlint.ir.span import Span
from ctlint.parse.connection_script import (
    BlockText,
    FileText,
    FlowText,
    NameText,
    TopologyText,
    topology_text,
)
from ctlint.parse.script_reader import (
    Expected,
    Language,
    Pair,
    ScriptReader,
    Word,
    tokens_of,
    trees_of,
)

if TYPE_CHECKING:
    from lark import Token, Tree

STATEMENTS: Final = (
    *("name", "rules", "rules6", "ipsets", "kernel", "topology", "flow", "seed", "uptime"),
    *("until", "sysctl", "link", "test", "client", "server", "wait", "at", "flush", "expire"),
    "repeat",
)
"""The words with which a statement may begin."""

_DONE: Final = (
    *("listen", "connect", "reuse port", "send", "shutdown", "close", "abort", "kill"),
    *("keepalive", "linger2"),
)
_ACTS: Final = ("client", "server", "wait", "at", "sysctl", "link", "flush", "expire", "repeat")
_FATES: Final = ("arrive", "are refused", "are dropped", "are rejected", "are lost")
_EXPECTED: Final[Expected] = (
    ("WAIT", "what is done: client, server, wait, at, sysctl, link, flush", _ACTS),
    ("LISTEN", f"what it does: {', '.join(_DONE)}", _DONE),
    (
        "_FAILS",
        "an expectation: client, server, connected, fails, a number of packets, entry, or no",
        ("client", "server", "connected", "fails", "entry", "no", "about", "at least", "at most"),
    ),
    ("_GETS", "a state such as FIN_WAIT_1, or gone, gets, sends", ("gone", "gets", "sends")),
    ("EVENT", "EOF, data, or an error such as ECONNRESET", ("EOF", "data")),
    ("FATE", "what becomes of them: arrive, are refused, dropped, rejected, lost", _FATES),
    ("KIND", "a kind of packet: SYNs, SYN,ACKs, FINs, RSTs, ACKs, segments", ()),
    ("EVER", "'ever', or a span such as 107s, 'about 107s' or 102s..108s", ("ever",)),
    ("SPANS", "a span such as 107s, 'about 107s' or 102s..108s", ()),
    ("NUMBERS", "a number, a range such as 5..7, or 'no'", ()),
    ("ENTRY_STATE", "a state of an entry such as ESTABLISHED", ()),
    ("_ENTRY", "'entry', or a kind of packet", ("entry",)),
    ("RULE", "a rule such as filter/OUTPUT#2 or 'filter/INPUT policy'", ()),
    ("_EVERY", "'every' and a span, as in: repeat 1000 every 10ms { … }", ("every",)),
    ("_OPEN", "'{'", ()),
    ("PERCENT", "a share such as 1% or 0.5%", ()),
    ("_DELAY", "delay or loss", ("delay", "loss", "client", "server")),
    ("ENDPOINT", "an address such as 10.1.0.2, or with a port 10.2.0.2:80", ()),
    ("_ARROW", "'>' between the addresses", ()),
    ("SPAN", "a span such as 130s, 5m, 2h, 1d or 100ms", ()),
    ("SYSCTL_NAME", "a setting such as tcp_fin_timeout=30", ()),
    ("VALUE", "a whole number", ()),
    ("NUMBER", "a whole number", ()),
    ("EQUAL", "'='", ()),
    ("ANY", "a port, or any", ("any",)),
    ("_FORWARD", "forward, host or lo", ("forward", "host", "lo")),
    ("VERSION", "a kernel such as 6.18, or client, server or box", ()),
    ("HOST", "client, server or box", ("client", "server", "box")),
    ("PATH", "a file", ()),
    ("TITLE", "a name", ()),
    ("INTERFACE", "an interface", ()),
    ("CLIENT", "client or server", ("client", "server")),
    ("_BACKLOG", "backlog, leaks, '=>', or the end of the statement", ("backlog", "leaks")),
    ("_FROM", "from, as, leaks, '=>', or the end of the statement", ("from", "as", "leaks")),
    ("LABEL", "the name of a connection, '=>', or the end of the statement", ()),
    ("EXPECT", "'=>', or the end of the statement", ("=>",)),
    ("_COMMA", "',' and more that is expected, or the end of the statement", ()),
)
_LANGUAGE: Final = Language(
    grammar="socket_script",
    statements=STATEMENTS,
    statement="a statement: client, server, wait, at, repeat, test, or a setting",
    opener="TEST",
    expected=_EXPECTED,
    answered="'=>' stands behind what client and server do, wait, at and repeat",
)


class HostKernelText(NamedTuple):
    """``kernel 6.18``, or ``kernel client 6.18 server 5.10``: each host with its version."""

    versions: tuple[tuple[Word | None, Word], ...]
    span: Span


class NumberText(NamedTuple):
    """``seed 7``."""

    number: Word
    span: Span


class UptimeText(NamedTuple):
    """``uptime client2 1h``."""

    host: Word
    amount: Word
    span: Span


class UntilText(NamedTuple):
    """``until 2h``."""

    amount: Word
    span: Span


class HostSysctlText(NamedTuple):
    """``sysctl client tcp_fin_timeout=30``; of all hosts where `host` is None."""

    host: Word | None
    settings: tuple[Pair, ...]
    span: Span


class LinkText(NamedTuple):
    """``link client delay 10ms loss 1%``; all links where `host` is None."""

    host: Word | None
    delay: Word | None
    loss: Word | None
    span: Span


class ClaimText(NamedTuple):
    """One claim of what is expected: `kind` is the grammar's name of it, `words` are by its
    terminals.
    """

    kind: str
    words: dict[str, Word]
    span: Span


class ListenText(NamedTuple):
    """``server listen 80 backlog 128 leaks``."""

    actor: Word
    port: Word | None
    backlog: Word | None
    manners: tuple[Word, ...]
    claims: tuple[ClaimText, ...]
    span: Span


class ConnectText(NamedTuple):
    """``client connect 80 from 45000 as old``, or ``client reuse port``."""

    actor: Word
    what: Word
    port: Word | None
    local_port: Word | None
    label: Word | None
    manners: tuple[Word, ...]
    claims: tuple[ClaimText, ...]
    span: Span


class CallText(NamedTuple):
    """``client send 100 old``: a call on a socket; `operands` are its numbers and spans."""

    actor: Word
    what: Word
    operands: tuple[Word, ...]
    label: Word | None
    claims: tuple[ClaimText, ...]
    span: Span


class WaitText(NamedTuple):
    """``wait 130s``, or ``at 300s``: the script goes on so much later, or at that moment."""

    what: Word
    amount: Word
    claims: tuple[ClaimText, ...]
    span: Span


class TableText(NamedTuple):
    """``flush`` or ``expire``: the entries of the box go."""

    what: Word
    span: Span


class RepeatText(NamedTuple):
    """``repeat 1000 every 10ms { … }``."""

    number: Word
    every: Word
    acts: tuple[Act, ...]
    claims: tuple[ClaimText, ...]
    span: Span


Act: TypeAlias = (
    ListenText
    | ConnectText
    | CallText
    | WaitText
    | TableText
    | RepeatText
    | HostSysctlText
    | LinkText
)
Setting: TypeAlias = (
    NameText
    | FileText
    | HostKernelText
    | TopologyText
    | FlowText
    | NumberText
    | UptimeText
    | UntilText
)
Statement: TypeAlias = Setting | BlockText | Act


def parse_socket_script(text: str, file: str) -> tuple[Statement, ...]:
    """The statements of a script, in order. `file` is its name for messages.

    Raises ParseError with the first problem.
    """
    return _Reader(text, file).read()


class _Reader(ScriptReader):
    language = _LANGUAGE

    def read(self) -> tuple[Statement, ...]:
        return tuple(self.statement(child) for child in trees_of(self.tree()))

    def statement(self, tree: Tree[Token]) -> Statement:
        kind = str(tree.data)
        if kind == "topology":
            return topology_text(self, tree)
        if kind == "kernel":
            return HostKernelText(tuple(self.versions(tree)), self.whole(tree))
        words = self.words(tree)
        span = self.whole(tree)
        if kind == "name":
            return NameText(words[0])
        if kind == "rules":
            return FileText(words[0].text, words[1])
        if kind == "ipsets":
            return FileText(kind, words[0])
        if kind == "flow":
            return FlowText(*words)
        if kind == "seed":
            return NumberText(words[0], span)
        if kind == "uptime":
            return UptimeText(words[0], words[1], span)
        if kind == "until":
            return UntilText(words[0], span)
        if kind == "test":
            return BlockText(words[1], span)
        return self.act(tree)

    def versions(self, tree: Tree[Token]) -> list[tuple[Word | None, Word]]:
        found: list[tuple[Word | None, Word]] = []
        host: Word | None = None
        for token in tokens_of(tree):
            if token.type == "HOST":
                host = self.word(token)
            else:
                found.append((host, self.word(token)))
        return found

    def act(self, tree: Tree[Token]) -> Act:
        kind = str(tree.data)
        span, claims = self.whole(tree), self.claims(tree)
        by_type = {token.type: self.word(token) for token in tokens_of(tree)}
        if kind == "sysctl":
            return HostSysctlText(by_type.get("HOST"), self.pairs(tree, "setting"), span)
        if kind == "link":
            return LinkText(
                by_type.get("HOST"), self.inner(tree, "delay"), self.inner(tree, "loss"), span
            )
        if kind == "operation":
            return TableText(next(iter(by_type.values())), span)
        if kind in ("wait", "at"):
            what, amount = by_type.values()
            return WaitText(what, amount, claims, span)
        if kind == "repeat":
            acts = tuple(self.act(each) for each in trees_of(tree) if each.data != "expect")
            return RepeatText(by_type["NUMBER"], by_type["SPAN"], acts, claims, span)
        actor = by_type.pop("CLIENT", None) or by_type.pop("SERVER")
        manners = tuple(self.word(each) for each in tokens_of(tree) if each.type == "MANNER")
        if kind == "listen":
            return ListenText(
                actor, by_type.get("NUMBER"), self.inner(tree, "backlog"), manners, claims, span
            )
        if kind == "connect":
            return ConnectText(
                actor,
                by_type.get("CONNECT") or by_type["REUSE"],
                by_type.get("NUMBER"),
                self.inner(tree, "from"),
                self.inner(tree, "alias"),
                manners,
                claims,
                span,
            )
        _, what, *operands = (self.word(each) for each in tokens_of(tree) if each.type != "LABEL")
        return CallText(actor, what, tuple(operands), by_type.get("LABEL"), claims, span)

    def inner(self, tree: Tree[Token], name: str) -> Word | None:
        """The word of a part that may be there; it may stand once."""
        found = [word for each in trees_of(tree, name) for word in self.words(each)]
        if len(found) > 1:
            place = found[1].span
            start = self.offset(place)
            self.refuse(start, start + len(found[1].text), f"{name} stands twice")
        return found[0] if found else None

    def offset(self, span: Span) -> int:
        """Where a place is in the text."""
        lines = self.text.split("\n")
        return sum(len(line) + 1 for line in lines[: span.line - 1]) + span.column - 1

    def claims(self, tree: Tree[Token]) -> tuple[ClaimText, ...]:
        return tuple(
            ClaimText(str(claim.data), self.claim_words(claim), self.whole(claim))
            for expect in trees_of(tree, "expect")
            for claim in trees_of(expect)
        )

    def claim_words(self, claim: Tree[Token]) -> dict[str, Word]:
        words = {token.type: self.word(token) for token in tokens_of(claim)}
        for part in trees_of(claim):
            words |= {token.type: self.word(token) for token in tokens_of(part)}
        return words
