# SPDX-License-Identifier: GPL-2.0-only
"""Socket scripts as plans of what is done when. docs/sockets.md is their reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ctlint.ir.span import Span
from ctlint.parse.connection_script import (
    BlockText,
    FileText,
    FlowText,
    NameText,
    TopologyText,
)
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.parse.socket_script import (
    Act,
    HostKernelText,
    HostSysctlText,
    LinkText,
    NumberText,
    Setting,
    Statement,
    UntilText,
    UptimeText,
    parse_socket_script,
)
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.script_claims import ClaimReader
from ctlint.scenario.script_settings import Reference, Stage, key_of, references_of
from ctlint.scenario.script_words import StatementError
from ctlint.scenario.socket_acts import ActWriter
from ctlint.scenario.socket_hosts import HostWriter
from ctlint.scenario.socket_plan import AFTERWARDS, LONGEST, Plan
from ctlint.scenario.socket_words import read_micros
from ctlint.wire.addresses import Family

_STAGED: Final = NameText | FileText | TopologyText | FlowText


@dataclass(frozen=True, slots=True)
class SocketScript:
    """A socket script that was read, but not the files that it names."""

    file: str
    statements: tuple[Statement, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The files that it names, in the order of the text."""
        return references_of(self.statements)


def read_socket_script(text: str, file: str) -> SocketScript:
    """The statements of a script. `file` is its name for messages. Raises ParseError."""
    return SocketScript(file, parse_socket_script(text, file))


def socket_plans(
    script: SocketScript,
    contents: Mapping[Reference, str],
    index: Callable[[Reference | None, Family], RuleIndex],
) -> tuple[Plan, ...]:
    """The tests of a script. `contents` are the texts of its references; `index` gives the rules of
    one that is named rules or rules6 (None: of a test that has none).

    Raises ParseError with the problems of all statements, at most MAX_PROBLEMS.
    """
    return _Compiler(script, contents, index).plans()


@dataclass(slots=True)
class _Block:
    """The statements of one test, or those in front of the first."""

    title: str | None
    span: Span
    settings: list[Setting | HostSysctlText | LinkText] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)


class _Compiler:
    def __init__(
        self,
        script: SocketScript,
        contents: Mapping[Reference, str],
        index: Callable[[Reference | None, Family], RuleIndex],
    ) -> None:
        self.script = script
        self.contents = contents
        self.index = index
        self.problems: list[Problem] = []

    def plans(self) -> tuple[Plan, ...]:
        header, blocks = self.blocks()
        plans = []
        for block in blocks or [header]:
            if len(self.problems) >= MAX_PROBLEMS:
                break
            try:
                plan = self.plan(header, block)
            except StatementError as fault:
                self.problems.append(fault.problem)
                continue
            if plan is not None:
                plans.append(plan)
        if self.problems:
            ordered = sorted(self.problems, key=lambda each: (each.span.line, each.span.column))
            raise ParseError(tuple(dict.fromkeys(ordered[:MAX_PROBLEMS])))
        return tuple(plans)

    def blocks(self) -> tuple[_Block, list[_Block]]:
        """What stands in front of the first test, and the tests."""
        header = block = _Block(None, Span(self.script.file, 1))
        blocks: list[_Block] = []
        for each in self.script.statements:
            if isinstance(each, BlockText):
                block = _Block(each.title.text, each.span)
                blocks.append(block)
            elif isinstance(each, HostSysctlText | LinkText):
                if block.acts:
                    block.acts.append(each)
                else:
                    block.settings.append(each)
            elif not isinstance(each, Setting):
                block.acts.append(each)
            elif block.acts:
                self.refuse(_span_of(each), "this stands in front of what is done first")
            elif isinstance(each, NameText) and block is not header:
                self.refuse(each.title.span, "the name of all tests stands in front of the first")
            else:
                block.settings.append(each)
        if blocks and header.acts:
            hint = 'begin with: test "what it is about"'
            span = header.acts[0].span
            self.refuse(span, "this stands in front of the first test, and in none", hint)
        for found in blocks or [header]:
            if not found.acts:
                self.refuse(found.span, "a test in which nothing is done")
        return header, blocks

    def refuse(self, span: Span, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(span, message, hint))

    def plan(self, header: _Block, block: _Block) -> Plan | None:
        """One test; None where a statement has a problem. Raises StatementError."""
        parts = [header] if header is block else [header, block]
        stage = Stage({}, {})
        hosts = HostWriter()
        seed, until = 0, None
        for part in parts:
            once: set[str] = set()
            for each in part.settings:
                key = _key(each)
                if key in once:
                    raise StatementError(_span_of(each), f"{key} stands twice")
                if key:
                    once.add(key)
                match each:
                    case NumberText():
                        seed = int(each.number.text) % 2**64
                    case UntilText():
                        until = each
                    case HostKernelText() | UptimeText() | HostSysctlText() | LinkText():
                        hosts.add(each)
                    case _:
                        stage.given[key_of(each)] = each
        stage.fill((), self.contents)
        wiring = hosts.wire(stage, block.acts)
        rules = stage.rules
        reader = ClaimReader(
            stage.family, partial(self.index, rules, stage.family), has_rules=rules is not None
        )
        writer = ActWriter(wiring, reader, self.problems)
        before = len(self.problems)
        steps = writer.write(block.acts)
        if len(self.problems) > before:
            return None
        end = writer.now + AFTERWARDS
        if until is not None:
            end = read_micros(until.amount)
            if end < writer.now:
                said = "the script goes on longer than that"
                raise StatementError(
                    until.amount.span, said, "leave it out, or name a later moment"
                )
            if end > LONGEST:
                raise StatementError(until.amount.span, "a script lasts at most a hundred years")
        name = stage.given.get("name")
        titles = [
            *([name.title.text] if isinstance(name, NameText) else []),
            *([block.title] if block.title is not None else []),
        ]
        return Plan(
            ": ".join(titles) or None,
            wiring.scenario,
            wiring.box_kernel,
            wiring.hosts,
            steps,
            end,
            seed,
            block.span,
        )


def _key(setting: Setting | HostSysctlText | LinkText) -> str:
    """What may stand only once, by name; empty for what may stand more often."""
    match setting:
        case HostSysctlText() | LinkText():
            return ""
        case UptimeText():
            return f"uptime {setting.host.text}"
        case HostKernelText():
            return "kernel"
        case NumberText():
            return "seed"
        case UntilText():
            return "until"
        case _:
            return key_of(setting)


def _span_of(setting: Setting | HostSysctlText | LinkText) -> Span:
    match setting:
        case NameText():
            return setting.title.span
        case FileText():
            return setting.path.span
        case FlowText():
            return setting.source.span
        case _:
            return setting.span
