# SPDX-License-Identifier: GPL-2.0-only
"""Connection scripts as scenarios. docs/scripts.md is their reference.

A script is a short form of JSON: each test is put together as the object that docs/scenario.md
describes, and read as one, so that a script can say nothing that a scenario cannot. What it adds
are sequence numbers, which ctlint/scenario/ends.py counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple, NoReturn

from ctlint.ir.span import Span
from ctlint.parse.connection_script import (
    BlockText,
    ExchangeText,
    FileText,
    IdleText,
    NameText,
    OperationText,
    PacketText,
    Statement,
    SysctlText,
    parse_connection_script,
)
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.parse.extensions.match_icmp6 import parse_icmp_type
from ctlint.parse.script_reader import Word
from ctlint.scenario.expectation import (
    Claim,
    Delivered,
    Expectation,
)
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.scenario.script_claims import ClaimReader
from ctlint.scenario.script_segments import SegmentWriter, flags_of
from ctlint.scenario.script_settings import Reference, Setting, Stage, key_of, references_of
from ctlint.scenario.script_words import (
    KEY_OF_MESSAGE,
    StatementError,
    place_of,
    plain,
    read_integer,
    read_port,
    read_seconds,
    read_sysctl,
)
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import ICMP, ICMPV6, is_icmp_error, parse_protocol
from ctlint.wire.tcp_flags import TcpFlags

_OWN: Final = ("client", "server")
_DIRS: Final = {"client": "orig", "server": "reply"}
_ANY_OPTIONS: Final = ("ttl", "tos", "saddr", "daddr", "len", "data")
_PORT_OPTIONS: Final = ("sport", "dport")
_TCP_OPTIONS: Final = ("seq", "ack", "win", "mss", "wscale", "sackok", "ts", "sack")
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "tcp": (*_ANY_OPTIONS, *_PORT_OPTIONS, *_TCP_OPTIONS),
    "udp": (*_ANY_OPTIONS, *_PORT_OPTIONS),
    "icmp": (*_ANY_OPTIONS, "code", "id", "seq"),
    "ip": _ANY_OPTIONS,
}
_KNOWN_OPTIONS: Final = sorted({key for keys in _OPTIONS.values() for key in keys})
_PING_ID: Final = 1
# RFC 792 and RFC 4443: the types of echo request and echo reply.
_ECHO: Final = {
    "ping": {Family.IPV4: 8, Family.IPV6: 128},
    "pong": {Family.IPV4: 0, Family.IPV6: 129},
}


class ScriptTest(NamedTuple):
    """One test of a script. `span` is where it begins, `places` are those of its steps."""

    scenario: Scenario
    span: Span
    places: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A script that was read, but not the files that it names."""

    file: str
    statements: tuple[Statement, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The files that it names, in the order of the text."""
        return references_of(self.statements)


def read_script(text: str, file: str) -> Script:
    """The statements of a script. `file` is its name for messages. Raises ParseError."""
    return Script(file, parse_connection_script(text, file))


def script_tests(
    script: Script,
    contents: Mapping[Reference, str],
    index: Callable[[Reference | None, Family], RuleIndex],
) -> tuple[ScriptTest, ...]:
    """The tests of a script. `contents` are the texts of its references; `index` gives the rules of
    one that is named rules or rules6 (None: of a test that has none).

    Raises ParseError with the problems of all statements, at most MAX_PROBLEMS.
    """
    return _Compiler(script, contents, index).tests()


_Action = PacketText | ExchangeText | IdleText | OperationText | SysctlText


@dataclass(slots=True)
class _Block:
    """The statements of one test, or those in front of the first."""

    title: str | None
    span: Span
    settings: list[Setting] = field(default_factory=list)
    actions: list[_Action] = field(default_factory=list)


class _Compiler:
    def __init__(
        self,
        script: Script,
        contents: Mapping[Reference, str],
        index: Callable[[Reference | None, Family], RuleIndex],
    ) -> None:
        self.script = script
        self.contents = contents
        self.index = index
        self.problems: list[Problem] = []

    def tests(self) -> tuple[ScriptTest, ...]:
        header, blocks = self.blocks()
        usual = self.stage(header, None)
        if self.problems:
            raise ParseError(tuple(self.problems))
        assert usual is not None
        if not blocks:
            blocks = [header]
        found: list[ScriptTest] = []
        for block in blocks:
            stage = usual if block is header else self.stage(block, usual)
            if stage is None:
                continue
            test = _TestWriter(stage, block, self)
            try:
                written = test.write()
            except StatementError as fault:
                self.problems.append(fault.problem)
            else:
                found += [written] if written is not None else []
            if len(self.problems) >= MAX_PROBLEMS:
                break
        if self.problems:
            raise ParseError(tuple(self.problems[:MAX_PROBLEMS]))
        return tuple(found)

    def blocks(self) -> tuple[_Block, list[_Block]]:
        """What stands in front of the first test, and the tests."""
        start = Span(self.script.file, 1)
        header = block = _Block(None, start)
        blocks: list[_Block] = []
        for each in self.script.statements:
            if isinstance(each, BlockText):
                block = _Block(each.title.text, each.span)
                blocks.append(block)
            elif isinstance(each, _Action) and (
                not isinstance(each, SysctlText) or block is not header or block.actions
            ):
                block.actions.append(each)
            elif block.actions:
                span, what = place_of(each)
                self.refuse(span, f"{what} stands in front of the first packet of its test")
            elif isinstance(each, NameText) and block is not header:
                self.refuse(each.title.span, "the name of all tests stands in front of the first")
            else:
                block.settings.append(each)
        if blocks and header.actions:
            span, _ = place_of(header.actions[0])
            hint = 'begin with: test "what it is about"'
            self.refuse(span, "this stands in front of the first test, and in none", hint)
        for found in blocks or [header]:
            if not found.actions:
                self.refuse(found.span, "a test without a packet")
        return header, blocks

    def refuse(self, span: Span, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(span, message, hint))

    # Settings

    def stage(self, block: _Block, usual: Stage | None) -> Stage | None:
        """What the settings of a block make of the usual ones; None where they cannot be read."""
        given: dict[str, Setting] = {}
        settings: list[SysctlText] = []
        for each in block.settings:
            if isinstance(each, SysctlText):
                settings.append(each)
                continue
            key = key_of(each)
            if key in given:
                self.refuse(place_of(each)[0], f"{key} stands twice")
            given[key] = each
        stage = Stage({}, {}) if usual is None else usual.copy()
        stage.given |= given
        try:
            stage.fill(settings, self.contents)
        except StatementError as fault:
            self.problems.append(fault.problem)
            return None
        return stage


class _TestWriter:
    """Writes one test as JSON, statement by statement."""

    def __init__(self, stage: Stage, block: _Block, compiler: _Compiler) -> None:
        self.stage = stage
        self.family = stage.family
        self.block = block
        self.compiler = compiler
        self.packets: list[dict[str, Any]] = []
        self.places: list[Span] = []
        self.statements: list[_Action] = []
        self.expectations: list[Expectation] = []
        self.segments = SegmentWriter(self.family)
        self.pings: dict[str, tuple[int, int]] = {}
        rules = stage.rules
        self.claims = ClaimReader(
            self.family, partial(compiler.index, rules, self.family), has_rules=rules is not None
        )

    def write(self) -> ScriptTest | None:
        """The test; None where a statement has a problem. Raises StatementError for what shows only
        when all stands together.
        """
        self.require_rules()
        before = len(self.compiler.problems)
        for each in self.block.actions:
            try:
                self.add(each)
            except StatementError as fault:
                self.compiler.problems.append(fault.problem)
                if len(self.compiler.problems) >= MAX_PROBLEMS:
                    break
        if len(self.compiler.problems) > before:
            return None
        name = self.stage.given.get("name")
        titles = [
            *([name.title.text] if isinstance(name, NameText) else []),
            *([self.block.title] if self.block.title is not None else []),
        ]
        written = self.stage.written | {"packets": self.packets}
        if titles:
            written["name"] = ": ".join(titles)
        try:
            scenario = scenario_from_json(written)
        except ScenarioError as error:
            self.refuse(error)
        scenario = replace(scenario, expectations=tuple(self.expectations))
        return ScriptTest(scenario, self.block.span, tuple(self.places))

    def require_rules(self) -> None:
        """Raises StatementError for a test whose packets would meet no rules, where those of the
        other family are given: nearly any expectation would be met.
        """
        here, other, word, given = "IPv4", "IPv6", "rules", "rules6"
        if self.family is Family.IPV6:
            here, other, word, given = other, here, given, word
        rules = self.stage.given.get(given)
        if self.stage.rules is None and isinstance(rules, FileText):
            span = rules.path.span if self.block.title is None else self.block.span
            said = f"the test is {here}, and its rules are of {other} only"
            raise StatementError(span, said, f"name those of {here}: {word} FILE")

    def refuse(self, error: ScenarioError) -> NoReturn:
        if error.packet is None or error.packet >= len(self.places):
            raise StatementError(self.block.span, plain(error.message))
        span = self.places[error.packet]
        statement = self.statements[error.packet]
        key = KEY_OF_MESSAGE.match(error.message)
        if isinstance(statement, PacketText) and key is not None:
            words = {name.text: value for name, value in statement.options}
            if statement.load is not None:
                words["data" if statement.load.is_quoted else "len"] = statement.load
            if statement.operand is not None:
                words |= {"proto": statement.operand, "type": statement.operand}
            if statement.quoted is not None:
                words["quote"] = statement.quoted
            if key[1] in words:
                span = words[key[1]].span
        raise StatementError(span, plain(error.message))

    def add(self, each: _Action) -> None:
        match each:
            case PacketText():
                self.packet(each)
            case ExchangeText():
                self.exchange(each)
            case IdleText():
                self.step(each, {"op": "wait", "dt": read_seconds(each.amount)})
            case OperationText():
                self.step(each, {"op": each.word.text})
            case SysctlText():
                settings: dict[str, int] = {}
                for pair in each.settings:
                    settings |= read_sysctl(pair)
                self.step(each, {"op": "sysctl", "sysctls": settings})

    def step(self, statement: _Action, written: dict[str, Any]) -> None:
        self.packets.append(written)
        self.places.append(place_of(statement)[0])
        self.statements.append(statement)

    # Packets

    def exchange(self, text: ExchangeText) -> None:
        claims = self.claims.read(text.claims)
        opener = text.sender.text if text.sender is not None else "client"
        other = _OWN[opener == "client"]
        if text.what.text == "connect":
            parts = [("client", "S"), ("server", "SA"), ("client", "A")]
        else:
            parts = [(opener, "FA"), (other, "FA"), (opener, "A")]
        for sender, letters in parts:
            written = {"dir": _DIRS[sender], "flags": letters}
            flags, is_lost = TcpFlags.parse(letters), _is_lost(claims)
            self.segments.write(written, sender, flags, 0, {}, is_again=False, is_lost=is_lost)
            self.expect(claims)
            self.step(text, written)

    def packet(self, text: PacketText) -> None:
        claims = self.claims.read(text.claims)
        options = self.options(text)
        marks: set[str] = set()
        for mark in text.marks:
            if mark.text in marks:
                raise StatementError(mark.span, f"{mark.text} stands twice")
            marks.add(mark.text)
        written: dict[str, Any] = {"dir": _DIRS[text.sender.text]}
        kind = _kind(text)
        if kind == "udp":
            written["proto"] = "udp"
        elif kind == "ip":
            assert text.operand is not None
            written["proto"] = self.protocol(text.operand)
        self.load(text, options, written)
        for key in ("ttl", "tos", "code"):
            if key in options:
                written[key] = read_integer(options[key], options[key].text)
        for key in ("saddr", "daddr"):
            if key in options:
                written[key] = options[key].text
        for key in ("sport", "dport"):
            if key in options:
                written[key] = read_port(options[key])
        if "badsum" in marks:
            written["badsum"] = True
        is_again = "again" in marks
        if kind == "tcp":
            self.segment(text, options, claims, written, is_again=is_again)
        elif kind == "icmp":
            self.message(text, options, written, is_again=is_again)
        elif is_again:
            raise StatementError(
                self.mark(text), "only what has numbers is sent again: leave it out"
            )
        self.expect(claims)
        self.step(text, written)

    def mark(self, text: PacketText) -> Span:
        return next(mark.span for mark in text.marks if mark.text == "again")

    def options(self, text: PacketText) -> dict[str, Word]:
        found: dict[str, Word] = {}
        kind = _kind(text)
        for key, value in text.options:
            name = key.text
            if name not in _KNOWN_OPTIONS:
                close = difflib.get_close_matches(name.lower(), _KNOWN_OPTIONS, n=1)
                hint = f"did you mean {close[0]}?" if close else None
                hint = hint or f"known are {', '.join(_OPTIONS[kind])}"
                raise StatementError(key.span, f"unknown option {name[:40]!r}", hint)
            if name not in _OPTIONS[kind]:
                what = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP"}.get(kind, "this protocol")
                raise StatementError(key.span, f"{name} says nothing of a packet of {what}")
            if name in found:
                raise StatementError(key.span, f"{name} stands twice")
            found[name] = value
        return found

    def load(self, text: PacketText, options: Mapping[str, Word], written: dict[str, Any]) -> None:
        """Payload: its text, its length, or both."""
        if text.load is not None:
            key = "data" if text.load.is_quoted else "len"
            if key in options:
                raise StatementError(options[key].span, f"{key} stands twice")
            options = {**options, key: text.load}
        if "data" in options:
            written["data"] = options["data"].text
        if "len" in options:
            written["len"] = read_integer(options["len"], options["len"].text)

    def protocol(self, word: Word) -> int:
        try:
            number = parse_protocol(word.text)
        except ValueError as error:
            raise StatementError(word.span, str(error)) from None
        if number in (1, 6, 17, 58):
            hint = "write client SYN, client udp, client ping or client icmp TYPE"
            raise StatementError(word.span, "this protocol has statements of its own", hint)
        return number

    def segment(
        self,
        text: PacketText,
        options: Mapping[str, Word],
        claims: Sequence[Claim],
        written: dict[str, Any],
        *,
        is_again: bool,
    ) -> None:
        flags = flags_of(text)
        written["flags"] = flags.letters
        length = written.get("len", len(written.get("data", "").encode()))
        sender, is_lost = text.sender.text, _is_lost(claims)
        if self.segments.write(
            written, sender, flags, length, options, is_again=is_again, is_lost=is_lost
        ):
            return
        raise StatementError(
            self.mark(text), f"the {sender} has not sent this before", _again_hint(text)
        )

    def message(
        self,
        text: PacketText,
        options: Mapping[str, Word],
        written: dict[str, Any],
        *,
        is_again: bool,
    ) -> None:
        written["proto"] = "icmp"
        sender, what = text.sender.text, text.what.text
        for key in ("id", "seq"):
            if key in options:
                written[key] = read_integer(options[key], options[key].text)
        if what == "icmp":
            if is_again:
                raise StatementError(
                    self.mark(text), "only what has numbers is sent again: leave it out"
                )
            assert text.operand is not None
            kind, code, is_error = self.kind(text.operand)
            written |= {"type": kind, "code": written.get("code", code)}
            if text.quoted is not None:
                written["quote"] = _DIRS[text.quoted.text]
            elif is_error:
                written["quote"] = _DIRS[_OWN[sender == "client"]]
            return
        written["type"] = _ECHO[what][self.family]
        if what == "ping":
            number, sequence = self.pings.get(sender, (_PING_ID, 0))
            sequence += not is_again
            if is_again and sender not in self.pings:
                raise StatementError(self.mark(text), f"the {sender} has not sent this before")
            own = written.get("id", number), written.get("seq", sequence)
            self.pings[sender] = own
        else:
            own = self.pings.get(_OWN[sender == "client"], (_PING_ID, 1))
        written.setdefault("id", own[0])
        written.setdefault("seq", own[1])

    def kind(self, word: Word) -> tuple[int, int, bool]:
        """Type, code, and whether it is an error."""
        text = "destination-unreachable" if word.text == "unreachable" else word.text
        try:
            found = parse_icmp_type(text, self.family)
        except ValueError as error:
            hint = "for example port-unreachable, echo-request, 8 or 3/1"
            raise StatementError(word.span, str(error), hint) from None
        protocol = ICMP if self.family is Family.IPV4 else ICMPV6
        return found.type, found.code_low, is_icmp_error(protocol, found.type)

    # Expectations

    def expect(self, claims: tuple[Claim, ...]) -> None:
        if claims:
            self.expectations.append(Expectation(len(self.packets), claims))


def _kind(text: PacketText) -> str:
    """What a packet is of: tcp, udp, icmp or ip."""
    what = text.what.text
    if what in ("udp", "icmp", "ip"):
        return what
    return "icmp" if what in _ECHO else "tcp"


def _again_hint(text: PacketText) -> str:
    return f"'again' repeats a statement of the same end: {text.sender.text} {text.what.text}"


def _is_lost(claims: Sequence[Claim]) -> bool:
    """Whether the packet is expected not to come through."""
    return any(isinstance(claim, Delivered) and not claim.delivered for claim in claims)
