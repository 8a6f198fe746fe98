# SPDX-License-Identifier: GPL-2.0-only
"""Connection scripts as scenarios. docs/scripts.md is their reference.

A script is a short form of JSON: each test is put together as the object that docs/scenario.md
describes, and read as one, so that a script can say nothing that a scenario cannot. What it adds
are sequence numbers, which ctlint/scenario/ends.py counts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn

from ctlint.ir.span import Span
from ctlint.parse.connection_script import (
    BlockText,
    ClaimText,
    ExchangeText,
    FactText,
    FileText,
    FlowText,
    IdleText,
    KernelText,
    NameText,
    OperationText,
    PacketText,
    Pair,
    Statement,
    SysctlText,
    TopologyText,
    Word,
    parse_connection_script,
)
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.parse.extensions.match_icmp import ICMP_TYPES, icmp_type
from ctlint.parse.extensions.match_icmp6 import ICMPV6_TYPES
from ctlint.scenario.ends import WSCALE, Connection, End, Numbers, Offer
from ctlint.scenario.expectation import (
    ENTRY_STATES,
    As,
    By,
    Claim,
    Ctstate,
    Delivered,
    Expectation,
    HasEntry,
    Matched,
    NoEntry,
    Rejected,
    Seen,
    in_order,
)
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.wire.addresses import Family, format_address, parse_address
from ctlint.wire.moments import SECOND
from ctlint.wire.protocols import parse_port, parse_protocol
from ctlint.wire.sequence import LAST, MODULUS
from ctlint.wire.tcp_flags import TcpFlags

_OWN: Final = ("client", "server")
_DIRS: Final = {"client": "orig", "server": "reply"}
_MSS: Final = {Family.IPV4: 1460, Family.IPV6: 1440}
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
_UNITS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3_600 * SECOND,
    "d": 86_400 * SECOND,
}
_SPAN_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(us|ms|s|m|h|d)")
_KEY_OF_MESSAGE: Final = re.compile(r'"(\w+)"')
_ECHO_WORDS: Final = {"ping": ("echo-request", 8, 128), "pong": ("echo-reply", 0, 129)}


class Reference(NamedTuple):
    """A file that a script names. `kind` is rules, rules6 or ipsets; `path` is as it is written."""

    kind: str
    path: str
    span: Span


class ScriptTest(NamedTuple):
    """One test of a script. `span` is where it begins, `places` are those of its steps; `rules` is
    the file of its rules, None where it has none.
    """

    scenario: Scenario
    span: Span
    places: tuple[Span, ...]
    rules: Reference | None


@dataclass(frozen=True, slots=True)
class Script:
    """A script that was read, but not the files that it names."""

    file: str
    statements: tuple[Statement, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The files that it names, in the order of the text."""
        return tuple(
            Reference(each.kind, each.path.text, each.path.span)
            for each in self.statements
            if isinstance(each, FileText)
        )


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


class _FaultError(Exception):
    """What is wrong with a statement, and where."""

    def __init__(self, span: Span, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(span, message, hint)


_Setting = NameText | FileText | KernelText | TopologyText | FlowText | FactText | SysctlText
_Action = PacketText | ExchangeText | IdleText | OperationText | SysctlText


@dataclass(slots=True)
class _Block:
    """The statements of one test, or those in front of the first."""

    title: str | None
    span: Span
    settings: list[_Setting] = field(default_factory=list)
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
                found.append(test.write())
            except _FaultError as fault:
                self.problems.append(fault.problem)
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
                span, what = _place(each)
                self.refuse(span, f"{what} stands in front of the first packet of its test")
            elif isinstance(each, NameText) and block is not header:
                self.refuse(each.title.span, "the name of all tests stands in front of the first")
            else:
                block.settings.append(each)
        if blocks and header.actions:
            span, _ = _place(header.actions[0])
            hint = 'begin with: test "what it is about"'
            self.refuse(span, "this stands in front of the first test, and in none", hint)
        for found in blocks or [header]:
            if not found.actions:
                self.refuse(found.span, "a test without a packet")
        return header, blocks

    def refuse(self, span: Span, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(span, message, hint))

    # Settings

    def stage(self, block: _Block, usual: _Stage | None) -> _Stage | None:
        """What the settings of a block make of the usual ones; None where they cannot be read."""
        given: dict[str, _Setting] = {}
        settings: list[SysctlText] = []
        for each in block.settings:
            if isinstance(each, SysctlText):
                settings.append(each)
                continue
            key = _key(each)
            if key in given:
                self.refuse(_place(each)[0], f"{key} stands twice")
            given[key] = each
        stage = _Stage({}, {}) if usual is None else usual.copy()
        stage.given |= given
        try:
            stage.fill(settings, self.contents)
        except _FaultError as fault:
            self.problems.append(fault.problem)
            return None
        return stage


def _key(setting: _Setting) -> str:
    if isinstance(setting, FileText):
        return setting.kind
    if isinstance(setting, FactText):
        return f"fact {'time' if setting.kind == 'clock' else setting.kind}"
    return {NameText: "name", KernelText: "kernel", TopologyText: "topology", FlowText: "flow"}[
        type(setting)
    ]


def _place(statement: Statement) -> tuple[Span, str]:
    """Where a statement is, and what it is."""
    match statement:
        case NameText():
            return statement.title.span, "a name"
        case FileText():
            return statement.path.span, statement.kind
        case KernelText():
            return statement.version.span, "a kernel"
        case FlowText():
            span = statement.source.span
            return span._replace(end_column=statement.target.span.end_column), "a flow"
        case IdleText():
            return statement.amount.span, "idle"
        case OperationText():
            return statement.word.span, statement.word.text
        case TopologyText():
            return statement.span, "a topology"
        case FactText():
            return statement.span, "a fact"
        case _:
            return statement.span, "this"


@dataclass(slots=True)
class _Stage:
    """Settings as statements by their keys, and as JSON."""

    given: dict[str, _Setting]
    written: dict[str, Any]
    family: Family = Family.IPV4

    def copy(self) -> _Stage:
        return _Stage(dict(self.given), dict(self.written), self.family)

    @property
    def rules(self) -> Reference | None:
        """The file of rules that count."""
        found = self.given.get("rules6" if self.family is Family.IPV6 else "rules")
        if not isinstance(found, FileText):
            return None
        return Reference(found.kind, found.path.text, found.path.span)

    def fill(self, settings: Iterable[SysctlText], contents: Mapping[Reference, str]) -> None:
        """Makes JSON of the statements, which is tried after each. Raises _FaultError."""
        self.family = self._find_family()
        sysctls = dict(self.written.get("sysctls", {}))
        self.written = {"sysctls": sysctls} if sysctls else {}
        # In this order: the flow's defaults are the topology's.
        for key in ("kernel", "topology", "flow", "fact owner", "fact time", "fact mac"):
            setting = self.given.get(key)
            if setting is not None:
                self._add(setting)
        for key, name in (("rules", "ruleset"), ("rules6", "ruleset6"), ("ipsets", "ipsets")):
            setting = self.given.get(key)
            if isinstance(setting, FileText):
                reference = Reference(setting.kind, setting.path.text, setting.path.span)
                self.written[name] = contents[reference]
        for each in settings:
            for pair in each.settings:
                found = _sysctl(pair)
                if found.keys() <= sysctls.keys():
                    raise _FaultError(pair[0].span, f"{pair[0].text} is set twice")
                sysctls |= found
        if sysctls:
            self.written["sysctls"] = sysctls

    def _add(self, setting: _Setting) -> None:
        span, _ = _place(setting)
        match setting:
            case KernelText():
                self.written["kernel"] = setting.version.text
            case TopologyText():
                self.written["topology"] = self._topology(setting)
            case FlowText():
                self.written["flow"] = self._flow(setting)
            case FactText():
                facts = dict(self.written.get("facts", {}))
                facts |= _fact(setting)
                self.written["facts"] = facts
        try:
            scenario_from_json(self.written | {"packets": []})
        except ScenarioError as error:
            raise _FaultError(_narrowed(span, setting, error), _plain(error.message)) from None

    def _find_family(self) -> Family:
        """IPv6 where an address of the topology or the flow is, or the topology says so."""
        topology, flow = self.given.get("topology"), self.given.get("flow")
        words: list[Word] = []
        if isinstance(topology, TopologyText):
            if topology.is_v6:
                return Family.IPV6
            words += [address for _, address in topology.interfaces if address is not None]
        if isinstance(flow, FlowText):
            words += [flow.source, flow.target]
        has_v6 = any(word.text.count(":") > 1 for word in words)
        return Family.IPV6 if has_v6 else Family.IPV4

    def _topology(self, setting: TopologyText) -> dict[str, Any]:
        suffix = "6" if self.family is Family.IPV6 else ""
        written: dict[str, Any] = {"kind": setting.kind, "v6": self.family is Family.IPV6}
        names = ("left_", "right_") if setting.kind == "forward" else ("",)
        for name, (interface, address) in zip(names, setting.interfaces, strict=False):
            written[f"{name}if"] = interface.text
            if address is not None:
                written[f"{name}addr{suffix}"] = address.text
        if setting.role is not None:
            written["role"] = _DIRS[setting.role.text]
        return written

    def _flow(self, setting: FlowText) -> dict[str, Any]:
        if "topology" not in self.written and self.family is Family.IPV6:
            self.written["topology"] = {"kind": "forward", "v6": True}
        written: dict[str, Any] = {}
        for side, word in (("s", setting.source), ("d", setting.target)):
            address, port = _endpoint(word, self.family)
            written[f"{side}addr"] = address
            if port is not None:
                written[f"{side}port"] = port
        return written


def _narrowed(span: Span, setting: _Setting, error: ScenarioError) -> Span:
    """The word of a setting that the message is about, where that can be told."""
    if isinstance(setting, TopologyText):
        key = _KEY_OF_MESSAGE.match(error.message)
        parts = ("left_", "right_") if setting.kind == "forward" else ("",)
        for part, words in zip(parts, setting.interfaces, strict=False):
            for name, word in zip((f"{part}if", f"{part}addr"), words, strict=True):
                if key is not None and word is not None and key[1].removesuffix("6") == name:
                    return word.span
        return span
    if isinstance(setting, FactText):
        if setting.value is not None:
            return setting.value.span
        key = _KEY_OF_MESSAGE.match(error.message)
        return next(
            (value.span for name, value in setting.pairs if key and name.text == key[1]), span
        )
    return span


def _plain(message: str) -> str:
    """A message about JSON without the quotes of its keys."""
    return _KEY_OF_MESSAGE.sub(r"\1", message, count=1) if message.startswith('"') else message


def _sysctl(pair: Pair) -> dict[str, int]:
    """A setting by its full name. Raises _FaultError."""
    key, value = pair
    if len(value.text) > 20:
        raise _FaultError(value.span, "a number of at most 20 digits is expected")
    name = key.text.replace("/", ".")
    try:
        found = scenario_from_json({"sysctls": {name: int(value.text)}, "packets": []})
    except ScenarioError as error:
        span = value.span if error.message.startswith(f'"{name}" must') else key.span
        raise _FaultError(span, _plain(error.message)) from None
    return dict(found.sysctls)


def _fact(setting: FactText) -> dict[str, Any]:
    if setting.kind == "owner":
        owner: dict[str, Any] = {}
        for key, value in setting.pairs:
            if key.text in owner:
                raise _FaultError(key.span, f"{key.text} stands twice")
            if key.text == "groups":
                owner["groups"] = [_integer(value, each) for each in value.text.split(",")]
            else:
                owner[key.text] = _integer(value, value.text)
        return {"owner": owner}
    assert setting.value is not None
    text = setting.value.text
    if setting.kind == "clock":
        return {"time": text}
    return {"mac": None if text == "none" else text}


def _integer(word: Word, text: str) -> int:
    """A whole number, decimal or with 0x. Raises _FaultError at the word."""
    if re.fullmatch(r"\d{1,10}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}", text):
        return int(text, 16)
    raise _FaultError(word.span, f"a whole number is expected, not {text[:40]!r}")


def _endpoint(word: Word, family: Family) -> tuple[str, int | None]:
    """Address and port: `10.1.0.2:80`, `[fd01::2]:80`, or an address alone. Raises _FaultError."""
    text = word.text
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") > 1:
        address, port = text, ""
    else:
        address, _, port = text.partition(":")
    try:
        number = parse_address(address, family)
    except ValueError:
        hint = "write 10.1.0.2:40000, or [fd01::2]:40000"
        raise _FaultError(
            word.span, f"not an IPv{family.value} address: {address!r}", hint
        ) from None
    try:
        return format_address(family, number), parse_port(port) if port else None
    except ValueError as error:
        raise _FaultError(word.span, str(error)) from None


class _TestWriter:
    """Writes one test as JSON, statement by statement."""

    def __init__(self, stage: _Stage, block: _Block, compiler: _Compiler) -> None:
        self.stage = stage
        self.family = stage.family
        self.block = block
        self.compiler = compiler
        self.packets: list[dict[str, Any]] = []
        self.places: list[Span] = []
        self.statements: list[_Action] = []
        self.expectations: list[Expectation] = []
        self.connection = Connection()
        self.pings: dict[str, tuple[int, int]] = {}
        self.sent: dict[tuple[str, str], dict[str, Any]] = {}
        self._index: RuleIndex | None = None

    def write(self) -> ScriptTest:
        for each in self.block.actions:
            try:
                self.add(each)
            except _FaultError as fault:
                self.compiler.problems.append(fault.problem)
                if len(self.compiler.problems) >= MAX_PROBLEMS:
                    break
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
        return ScriptTest(scenario, self.block.span, tuple(self.places), self.stage.rules)

    def refuse(self, error: ScenarioError) -> NoReturn:
        if error.packet is None or error.packet >= len(self.places):
            raise _FaultError(self.block.span, _plain(error.message))
        span = self.places[error.packet]
        statement = self.statements[error.packet]
        key = _KEY_OF_MESSAGE.match(error.message)
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
        raise _FaultError(span, _plain(error.message))

    def add(self, each: _Action) -> None:
        match each:
            case PacketText():
                self.packet(each)
            case ExchangeText():
                self.exchange(each)
            case IdleText():
                self.step(each, {"op": "wait", "dt": _seconds(each.amount)})
            case OperationText():
                self.step(each, {"op": each.word.text})
            case SysctlText():
                settings: dict[str, int] = {}
                for pair in each.settings:
                    settings |= _sysctl(pair)
                self.step(each, {"op": "sysctl", "sysctls": settings})

    def step(self, statement: _Action, written: dict[str, Any]) -> None:
        self.packets.append(written)
        self.places.append(_place(statement)[0])
        self.statements.append(statement)

    # Packets

    def exchange(self, text: ExchangeText) -> None:
        claims = self.claims(text.claims)
        opener = text.sender.text if text.sender is not None else "client"
        other = _OWN[opener == "client"]
        if text.what.text == "connect":
            parts = [("client", "S"), ("server", "SA"), ("client", "A")]
        else:
            parts = [(opener, "FA"), (other, "FA"), (opener, "A")]
        for sender, letters in parts:
            written = {"dir": _DIRS[sender], "flags": letters}
            self.tcp(written, sender, TcpFlags.parse(letters), 0, {}, claims, is_again=False)
            self.expect(text, claims)
            self.step(text, written)

    def packet(self, text: PacketText) -> None:
        claims = self.claims(text.claims)
        options = self.options(text)
        marks: set[str] = set()
        for mark in text.marks:
            if mark.text in marks:
                raise _FaultError(mark.span, f"{mark.text} stands twice")
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
                written[key] = _integer(options[key], options[key].text)
        for key in ("saddr", "daddr"):
            if key in options:
                written[key] = options[key].text
        for key in ("sport", "dport"):
            if key in options:
                written[key] = _port(options[key])
        if "badsum" in marks:
            written["badsum"] = True
        is_again = "again" in marks
        if kind == "tcp":
            self.segment(text, options, claims, written, is_again=is_again)
        elif kind == "icmp":
            self.message(text, options, written, is_again=is_again)
        elif is_again:
            raise _FaultError(self.mark(text), "only what has numbers is sent again: leave it out")
        self.expect(text, claims)
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
                raise _FaultError(key.span, f"unknown option {name[:40]!r}", hint)
            if name not in _OPTIONS[kind]:
                what = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP"}.get(kind, "this protocol")
                raise _FaultError(key.span, f"{name} says nothing of a packet of {what}")
            if name in found:
                raise _FaultError(key.span, f"{name} stands twice")
            found[name] = value
        return found

    def load(self, text: PacketText, options: Mapping[str, Word], written: dict[str, Any]) -> None:
        """Payload: its text, its length, or both."""
        if text.load is not None:
            key = "data" if text.load.is_quoted else "len"
            if key in options:
                raise _FaultError(options[key].span, f"{key} stands twice")
            options = {**options, key: text.load}
        if "data" in options:
            written["data"] = options["data"].text
        if "len" in options:
            written["len"] = _integer(options["len"], options["len"].text)

    def protocol(self, word: Word) -> int:
        try:
            number = parse_protocol(word.text)
        except ValueError as error:
            raise _FaultError(word.span, str(error)) from None
        if number in (1, 6, 17, 58):
            hint = "write client SYN, client udp, client ping or client icmp TYPE"
            raise _FaultError(word.span, "this protocol has statements of its own", hint)
        return number

    # TCP

    def segment(
        self,
        text: PacketText,
        options: Mapping[str, Word],
        claims: Sequence[Claim],
        written: dict[str, Any],
        *,
        is_again: bool,
    ) -> None:
        flags = self.flags(text)
        written["flags"] = flags.letters
        length = written.get("len", len(written.get("data", "").encode()))
        if self.tcp(written, text.sender.text, flags, length, options, claims, is_again=is_again):
            return
        raise _FaultError(
            self.mark(text), f"the {text.sender.text} has not sent this before", _again_hint(text)
        )

    def flags(self, text: PacketText) -> TcpFlags:
        if text.what.text == "data":
            return TcpFlags.PSH | TcpFlags.ACK
        is_exact = text.what.text == "exactly"
        word = text.operand if is_exact else text.what
        assert word is not None
        try:
            flags = TcpFlags.parse("" if word.text == "none" else word.text)
        except ValueError as error:
            raise _FaultError(word.span, str(error)) from None
        # No end sends a FIN that acknowledges nothing.
        if flags is TcpFlags.FIN and not is_exact:
            flags |= TcpFlags.ACK
        return flags

    def tcp(
        self,
        written: dict[str, Any],
        sender: str,
        flags: TcpFlags,
        length: int,
        options: Mapping[str, Word],
        claims: Sequence[Claim],
        *,
        is_again: bool,
    ) -> bool:
        """Numbers and options of a segment; False where it should go again and never went."""
        connection = self.connection
        end, other = connection.client, connection.server
        if sender == "server":
            end, other = other, end
        offer, opts = self.offer(end, flags, options)
        numbers: Numbers | None
        if is_again:
            numbers = connection.again(end, flags, length)
            if numbers is None:
                return False
        else:
            numbers = self.numbers(end, flags, length, offer, options)
        if "win" in options:
            window = _integer(options["win"], options["win"].text)
            numbers = numbers._replace(window=window)
        if "ack" in options:
            numbers = numbers._replace(ack=_number(options["ack"], numbers.ack))
        if "seq" in options and (is_again or not flags & TcpFlags.SYN):
            numbers = numbers._replace(seq=_number(options["seq"], numbers.seq))
        written |= {"seq": numbers.seq, "ack": numbers.ack, "win": numbers.window}
        if opts:
            written["opts"] = opts
        if not any(isinstance(claim, Delivered) and not claim.delivered for claim in claims):
            connection.arrive(other, flags, length, numbers, offer)
        return True

    def numbers(
        self, end: End, flags: TcpFlags, length: int, offer: Offer, options: Mapping[str, Word]
    ) -> Numbers:
        connection = self.connection
        start = None
        if flags & TcpFlags.SYN and "seq" in options:
            start = _number(options["seq"], end.start)
        elif "seq" in options:
            # What a segment with a number of its own says is not what the ends count.
            return connection.peek(end, flags)
        return connection.numbers(end, flags, length, offer=offer, start=start)

    def offer(
        self, end: End, flags: TcpFlags, options: Mapping[str, Word]
    ) -> tuple[Offer, dict[str, Any]]:
        """What a segment offers, and its options: those of a SYN are there unless they are refused,
        and an answer offers only what was offered.
        """
        opts: dict[str, Any] = {}
        is_syn = bool(flags & TcpFlags.SYN) and not flags & TcpFlags.RST
        asked = end.asked_offer if flags & TcpFlags.ACK else Offer()
        if is_syn:
            opts["mss"] = _MSS[self.family]
            if asked.sackok:
                opts["sackok"] = True
            if asked.wscale:
                opts["wscale"] = WSCALE
        for key in ("mss", "wscale"):
            if key in options:
                word = options[key]
                opts.pop(key, None)
                if word.text != "none":
                    opts[key] = _integer(word, word.text)
        if "sackok" in options:
            word = options["sackok"]
            opts.pop("sackok", None)
            if word.text not in ("yes", "no", "none"):
                raise _FaultError(word.span, "yes or no is expected")
            if word.text == "yes":
                opts["sackok"] = True
        if "ts" in options:
            opts["ts"] = _numbers(options["ts"], options["ts"].text, "/")
        if "sack" in options:
            blocks = options["sack"].text.split(",")
            opts["sack"] = [_numbers(options["sack"], block, "-") for block in blocks]
        return Offer("wscale" in opts, "sackok" in opts) if is_syn else end.offer, opts

    # ICMP

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
        is_v6 = self.family is Family.IPV6
        for key in ("id", "seq"):
            if key in options:
                written[key] = _integer(options[key], options[key].text)
        if what == "icmp":
            if is_again:
                raise _FaultError(
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
        _, *kinds = _ECHO_WORDS[what]
        written["type"] = kinds[is_v6]
        if what == "ping":
            number, sequence = self.pings.get(sender, (_PING_ID, 0))
            sequence += not is_again
            if is_again and sender not in self.pings:
                raise _FaultError(self.mark(text), f"the {sender} has not sent this before")
            own = written.get("id", number), written.get("seq", sequence)
            self.pings[sender] = own
        else:
            own = self.pings.get(_OWN[sender == "client"], (_PING_ID, 1))
        written.setdefault("id", own[0])
        written.setdefault("seq", own[1])

    def kind(self, word: Word) -> tuple[int, int, bool]:
        """Type, code, and whether it is an error."""
        is_v6 = self.family is Family.IPV6
        names = ICMPV6_TYPES if is_v6 else ICMP_TYPES
        text = "destination-unreachable" if word.text == "unreachable" else word.text
        try:
            found = icmp_type({k: v for k, v in names.items() if k != "any"}).parse(
                text, self.family
            )
        except ValueError as error:
            hint = "for example port-unreachable, echo-request, 8 or 3/1"
            raise _FaultError(word.span, str(error), hint) from None
        is_error = found.type < 128 if is_v6 else found.type in (3, 4, 5, 11, 12)
        return found.type, found.code_low, is_error

    # Expectations

    def expect(self, text: PacketText | ExchangeText, claims: tuple[Claim, ...]) -> None:
        if claims:
            self.expectations.append(Expectation(len(self.packets), claims, text.span.line))

    def claims(self, texts: Sequence[ClaimText]) -> tuple[Claim, ...]:
        claims: list[Claim] = []
        fates: list[ClaimText] = []
        for text in texts:
            claims += self.claim(text)
            if text.kind in ("delivered", "lost", "dropped", "rejected"):
                fates.append(text)
        if len(fates) > 1:
            said = "the packet is delivered, dropped or rejected: one of them"
            raise _FaultError(fates[1].span, said)
        for kind in (Ctstate, HasEntry | NoEntry):
            if sum(isinstance(claim, kind) for claim in claims) > 1:
                what = "a ctstate" if kind is Ctstate else "an entry"
                places = [text.span for text in texts if text.kind in _SINGLE[what]]
                raise _FaultError(places[1], f"{what} is expected twice")
        return in_order(claims)

    def claim(self, text: ClaimText) -> tuple[Claim, ...]:
        words = text.words
        match text.kind:
            case "ctstate":
                return (Ctstate(words[0].text),)
            case "unseen":
                return (Ctstate(None),)
            case "delivered":
                return (Delivered(True), *([As(self.seen(words))] if len(words) > 1 else []))
            case "lost":
                return (Delivered(False),)
            case "dropped" | "rejected":
                by = (By(self.rule(words[1])),) if len(words) > 1 else ()
                return (Delivered(False), Rejected(text.kind == "rejected"), *by)
            case "matched":
                return (Matched(self.rule(words[0])),)
            case "no_entry":
                return (NoEntry(),)
            case _:
                return (HasEntry(self.state(words[1]) if len(words) > 1 else None),)

    def seen(self, words: Sequence[Word]) -> Seen:
        (source, sport), (target, dport) = (_endpoint(word, self.family) for word in words[1:])
        return Seen(source, sport, target, dport)

    def state(self, word: Word) -> str:
        if word.text in ENTRY_STATES:
            return word.text
        close = difflib.get_close_matches(word.text, ENTRY_STATES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(ENTRY_STATES)}"
        raise _FaultError(word.span, f"{word.text[:40]!r} is no state of an entry of TCP", hint)

    def rule(self, word: Word) -> str:
        """The name of a rule that there is."""
        name = " ".join(word.text.split())
        reference = self.stage.rules
        if self._index is None:
            self._index = self.compiler.index(reference, self.family)
        wrong = self._index.wrong(name)
        if wrong is None:
            return name
        if reference is None:
            rules = "rules6" if self.family is Family.IPV6 else "rules"
            raise _FaultError(word.span, "this test has no rules", f"name a file: {rules} FILE")
        raise _FaultError(word.span, wrong.message, wrong.hint)


_SINGLE: Final = {"a ctstate": ("ctstate", "unseen"), "an entry": ("entry", "no_entry")}


def _kind(text: PacketText) -> str:
    """What a packet is of: tcp, udp, icmp or ip."""
    what = text.what.text
    if what in ("udp", "icmp", "ip"):
        return what
    return "icmp" if what in _ECHO_WORDS else "tcp"


def _again_hint(text: PacketText) -> str:
    return f"'again' repeats a statement of the same end: {text.sender.text} {text.what.text}"


def _port(word: Word) -> int:
    try:
        return parse_port(word.text)
    except ValueError as error:
        raise _FaultError(word.span, str(error)) from None


def _number(word: Word, usual: int) -> int:
    """A sequence number: `+1` and `-1` count from the usual. Raises _FaultError."""
    sign = word.text[:1]
    if sign in ("+", "-"):
        distance = _integer(word, word.text[1:])
        return (usual + (distance if sign == "+" else -distance)) % MODULUS
    number = _integer(word, word.text)
    if number > LAST:
        raise _FaultError(word.span, f"a sequence number is at most {LAST}")
    return number


def _numbers(word: Word, text: str, sign: str) -> list[int]:
    one, found, other = text.partition(sign)
    if not found:
        raise _FaultError(word.span, f"two numbers are expected, as 1{sign}2")
    return [_integer(word, one), _integer(word, other)]


def _seconds(word: Word) -> Decimal:
    """A span such as 1h30m, in seconds."""
    micros = sum(Decimal(amount) * _UNITS[unit] for amount, unit in _SPAN_PART.findall(word.text))
    if _SPAN_PART.sub("", word.text) or micros != int(micros):
        raise _FaultError(word.span, "a span of whole microseconds is expected, as 130s or 1h30m")
    return Decimal(int(micros)).scaleb(-6)
