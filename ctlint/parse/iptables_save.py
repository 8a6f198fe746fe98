# SPDX-License-Identifier: GPL-2.0-only
"""Reads what iptables-save and ip6tables-save print, and what people write for iptables-restore.

The order of lines follows iptables/iptables-restore.c of iptables 1.8.11: tables open with ``*``
and close with COMMIT, chains are declared, rules are commands. Where this reader takes more than
the real restore does (each is listed in docs/input.md): CRLF, a missing final newline, blanks
around a line, a quoted comment over several lines, the old ``--option ! value``, host names, a
chain that is declared after its first use, and extensions without a table row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput

from ctlint.ir.rule import (
    AnyMatch,
    AnyTarget,
    Counters,
    Goto,
    Jump,
    Match,
    Option,
    Rule,
    Target,
    UnknownMatch,
    UnknownTarget,
)
from ctlint.ir.ruleset import BUILTIN_CHAINS, Chain, Ruleset, Table
from ctlint.ir.span import Span
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.parse.extension import Kind, RuleContext
from ctlint.parse.options import (
    HEAD_ORDER,
    MAX_NAME,
    VERDICTS,
    Command,
    Group,
    Item,
    Reading,
    RuleError,
    RuleReader,
    build_options,
    check_options,
)
from ctlint.parse.shapes import Part, Shape, ShapeIndex, is_learnable_operand
from ctlint.parse.registry import find_extension
from ctlint.parse.words import Word, unquote
from ctlint.resources import grammar_text
from ctlint.wire.addresses import Family

MAX_LINE: Final = 10_239
"""Longest line in bytes that iptables-restore reads (its buffer, less the final NUL)."""

MAX_RULES: Final = 2_000_000
"""Rules of one input; more would need memory without bound."""

MAX_CONTINUATION: Final = 32
"""Physical lines that one quoted comment may span (a comment has at most 255 bytes)."""

_CHAIN_LINE = re.compile(r":([^ \t\n\"]{1,28}) ([A-Z]+|-)(?: \[(\d{1,20}):(\d{1,20})\])?")
_HINT_LENGTH: Final = 1 << 16
_COUNTED = re.compile(r"\[(\d{1,20}):(\d{1,20})\] ")
_SAVED_BY = re.compile(r"#\s*(?:Generated|Completed) by (ip6?)tables(?:-nft|-legacy)?-save\b")
_IPV6_HINT = re.compile(
    r"(?:^|\s)-(?:s|d|-source|-src|-destination|-dst)\s+(?:!\s+)?[0-9a-fA-F]*:[0-9a-fA-F:]*[/\s]"
    r"|(?:ipv6-icmp|icmpv6|icmp6|-m (?:hl|rt|frag|hbh|dst|ipv6header|eui64)|-j (?:HL|DNPT|SNPT))\s"
)


def _lark() -> Lark:
    return Lark(
        grammar_text("iptables_save"), parser="lalr", lexer="contextual", maybe_placeholders=False
    )


class LineGrammar:
    """The Lark grammar of one logical line."""

    def __init__(self) -> None:
        self._parser: Lark | None = None

    def parse(self, line: str) -> Tree[Token]:
        """The tree of a line. Raises lark.exceptions.UnexpectedInput."""
        if self._parser is None:
            self._parser = _lark()
        tree = self._parser.parse(line)
        assert isinstance(tree, Tree)
        return tree


def parse_rulesets(
    text: str, file: str, family: Family | None = None, *, learn_shapes: bool = True
) -> tuple[Ruleset, ...]:
    """Read a dump. Usually one rule set comes back; two where both families stand in one text.

    ``family`` is what the caller knows (a file's name); the dump's own header lines win, and
    without either the operands decide. ``learn_shapes=False`` reads every line by the grammar.
    A table that stands twice counts as it stood last, as iptables-restore would load it.

    Raises ParseError with the problems of all lines.
    """
    guessed = family is None
    if family is None:
        family = Family.IPV6 if _IPV6_HINT.search(text, 0, _HINT_LENGTH) else Family.IPV4
    try:
        return _read(text, file, family, learn_shapes=learn_shapes)
    except ParseError:
        if not guessed:
            raise
        other = Family.IPV4 if family is Family.IPV6 else Family.IPV6
        try:
            return _read(text, file, other, learn_shapes=learn_shapes)
        except ParseError:
            pass
        raise


def _read(text: str, file: str, family: Family, *, learn_shapes: bool) -> tuple[Ruleset, ...]:
    reader = _DumpReader(file, family, learn_shapes=learn_shapes)
    reader.read(text)
    return reader.finish()


class _OpenTable:
    """A table between its ``*`` line and COMMIT."""

    def __init__(self, name: str, family: Family, span: Span) -> None:
        self.name = name
        self.family = family
        self.span = span
        self.policies: dict[str, str | None] = dict.fromkeys(BUILTIN_CHAINS[name], "ACCEPT")
        self.counters: dict[str, Counters] = {}
        self.spans: dict[str, Span] = {}
        self.rules: dict[str, list[Rule]] = {chain: [] for chain in BUILTIN_CHAINS[name]}
        self.jumps: dict[str, Jump] = {}
        self.early: list[tuple[int, str]] = []
        # Options made by line shapes, by table row and negation, then by the operands' text.
        self.made: dict[tuple[int, bool], dict[Any, Option]] = {}
        self.reader = RuleReader(family, name, self.jumps)
        self.shapes = ShapeIndex()

    def declare(self, chain: str, policy: str | None, span: Span) -> None:
        self.rules.setdefault(chain, [])
        self.policies[chain] = policy
        self.spans[chain] = span
        # A chain with the name of a target cannot be jumped to: the target is meant.
        if policy is None and chain not in self.jumps and not self.names_target(chain):
            self.jumps[chain] = Jump(chain)

    def names_target(self, chain: str) -> bool:
        return chain in VERDICTS or find_extension(chain, Kind.TARGET, self.family) is not None

    def close(self) -> Table:
        order = [*(c for c in self.spans), *(c for c in self.rules if c not in self.spans)]
        return Table(
            self.name,
            {
                name: Chain(
                    name,
                    self.policies[name],
                    tuple(self.rules[name]),
                    self.counters.get(name),
                    self.spans.get(name),
                )
                for name in sorted(order, key=lambda c: self.policies[c] is None)
            },
            self.span,
        )


class _DumpReader:
    """Reads a dump line by line and goes on behind a line that it cannot read."""

    def __init__(self, file: str, family: Family, *, learn_shapes: bool) -> None:
        self.file = file
        self.family = family
        self.learn_shapes = learn_shapes
        self.grammar = LineGrammar()
        self.problems: list[Problem] = []
        self.dropped_problems = 0
        self.tables: dict[Family, dict[str, Table]] = {}
        self.open: _OpenTable | None = None
        self.rule_count = 0
        self.last_line = 0

    # Lines

    def read(self, text: str) -> None:
        lines = iter(enumerate(text.split("\n"), 1))
        for number, line in lines:
            self.last_line = number
            table = self.open
            # The way of nearly all lines: a rule of a known shape, or a chain.
            if table is not None:
                first = line[:1]
                if first == "-" or first == "[":
                    if self.rule_count >= MAX_RULES:
                        self.problem(Span(self.file, number), f"more than {MAX_RULES:,} rules")
                        self.open = None
                        return
                    self.rule_count += 1
                    if self.by_shape(table, line, number):
                        continue
                elif first == ":" and self.chain_line(line, number):
                    continue
            self.other_line(line, number, lines)

    def by_shape(self, table: _OpenTable, line: str, number: int) -> bool:
        if len(line) > MAX_LINE:
            return False
        counters: Counters | None = None
        body = line
        if line[0] == "[":
            prefix = _COUNTED.match(line)
            if prefix is None:
                return False
            counters = Counters(int(prefix[1]), int(prefix[2]))
            body = line[prefix.end() :]
        found = table.shapes.find(body)
        if found is None:
            return False
        shape, operands = found
        try:
            rule = shape.rule(operands, number, line, counters, table.jumps)
        except (RuleError, ValueError, _SlowLineError):
            return False
        if rule is None:
            return False
        table.rules[rule.chain].append(rule)
        return True

    def other_line(self, line: str, number: int, lines: Iterator[tuple[int, str]]) -> None:
        if line.endswith("\r"):
            line = line[:-1]
        stripped = line.strip(" \t")
        if not stripped:
            return
        if stripped.startswith("#"):
            saved_by = _SAVED_BY.match(stripped)
            if saved_by:
                self.family = Family.IPV6 if saved_by[1] == "ip6" else Family.IPV4
            return
        if len(line.encode("utf-8", "surrogateescape")) > MAX_LINE:
            self.problem(
                Span(self.file, number),
                f"the line is longer than {MAX_LINE:,} bytes",
                "iptables-restore reads no longer line",
            )
            return
        if "\0" in line:
            column = line.index("\0") + 1
            self.problem(
                Span(self.file, number, column, column + 1), "a NUL byte: this is not a text file"
            )
            return
        if stripped[0] == ":" and self.open is not None and self.chain_line(stripped, number):
            return
        if '"' in line:
            line = self.logical_line(line, number, lines)
            stripped = line.strip(" \t")
        try:
            tree = self.grammar.parse(line)
        except UnexpectedInput as error:
            self.syntax_problem(error, line, number)
            return
        self.by_grammar(tree, line, number)

    def chain_line(self, line: str, number: int) -> bool:
        """``:CHAIN POLICY [n:n]`` in the form that iptables-save prints."""
        found = _CHAIN_LINE.fullmatch(line)
        if found is None:
            return False
        name, policy, packets, octets = found.groups()
        counters = Counters(int(packets), int(octets)) if packets else None
        self.declare(name, policy, counters, Span(self.file, number, 1, len(line) + 1))
        return True

    def logical_line(self, line: str, number: int, lines: Iterator[tuple[int, str]]) -> str:
        """The line with those that follow, as long as a quote is open.

        An unclosed quote takes no line away: they are read again, one by one.
        """
        if not _is_open(line):
            return line
        taken: list[tuple[int, str]] = []
        joined = line
        for follower in lines:
            taken.append(follower)
            more = follower[1]
            joined += "\n" + more.removesuffix("\r")
            if not _is_open(joined):
                self.last_line = follower[0]
                return joined
            if len(taken) >= MAX_CONTINUATION or len(joined) > MAX_LINE:
                break
        for again, text in taken:
            self.last_line = again
            self.other_line(text, again, iter(()))
        return line

    # Problems

    def problem(self, span: Span, message: str, hint: str | None = None) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(span, message, hint))
        else:
            self.dropped_problems += 1

    def span(self, line: str, number: int, start: int, end: int) -> Span:
        """The place of characters ``start`` to ``end`` of a logical line."""
        newlines = line.count("\n", 0, start)
        if newlines:
            begin = line.rindex("\n", 0, start) + 1
            return Span(self.file, number + newlines, start - begin + 1, max(end, start) - begin + 1)
        stop = line.find("\n", start, end)
        return Span(self.file, number, start + 1, (end if stop < 0 else stop) + 1)

    def syntax_problem(self, error: UnexpectedInput, line: str, number: int) -> None:
        start = error.pos_in_stream if error.pos_in_stream is not None else 0
        start = max(0, min(start, len(line)))
        if isinstance(error, UnexpectedCharacters):
            if '"' in line[start:]:
                quote = line.index('"', start)
                self.problem(self.span(line, number, quote, quote + 1), "a quote that never closes")
                return
            start = len(line) if start >= len(line) else start
        first = line.strip(" \t").partition(" ")[0][:40]
        if first.startswith(("iptables", "ip6tables", "/sbin/", "/usr/sbin/", "sudo")):
            self.problem(
                self.span(line, number, 0, len(line)),
                "a shell command, not a line of a dump",
                "run the script and lint what iptables-save prints",
            )
        elif first == "COMMIT":
            self.problem(self.span(line, number, 0, len(line)), "COMMIT stands alone on its line")
        elif first.startswith(":"):
            self.problem(
                self.span(line, number, 0, len(line)), "expected :CHAIN POLICY [packets:bytes]"
            )
        elif first.startswith("*"):
            self.problem(self.span(line, number, 0, len(line)), "expected *TABLE")
        else:
            self.problem(
                self.span(line, number, start, len(line)),
                "expected *TABLE, :CHAIN, a rule such as -A CHAIN …, COMMIT or a # comment",
                "this reads iptables-save and iptables-restore files",
            )

    # By the grammar

    def by_grammar(self, tree: Tree[Token], line: str, number: int) -> None:
        kind = str(tree.data)
        whole = self.span(line, number, 0, len(line))
        if kind == "table":
            self.open_table(str(tree.children[0]), whole)
        elif self.open is None:
            self.problem(
                whole,
                "outside of a table",
                "a line such as *filter opens a table, COMMIT closes it",
            )
        elif kind == "commit":
            self.commit(self.open)
        elif kind == "chain":
            name, policy = str(tree.children[0]), str(tree.children[1])
            counters = _counters(tree.children[2]) if len(tree.children) > 2 else None
            self.declare(name, policy, counters, whole)
        else:
            self.rule_line(self.open, tree, line, number)

    def open_table(self, name: str, span: Span) -> None:
        if self.open is not None:
            self.problem(
                span,
                f"the table {name} opens before COMMIT of the table {self.open.name}",
                "was the dump cut off?",
            )
            self.commit(self.open)
        if name not in BUILTIN_CHAINS:
            self.problem(
                span, f"unknown table {name!r}", "the tables are " + ", ".join(BUILTIN_CHAINS)
            )
            # Its lines are read against filter, so that their own faults are found too.
            name = "filter"
        self.open = _OpenTable(name, self.family, span)

    def commit(self, table: _OpenTable) -> None:
        self.resolve_early(table)
        self.tables.setdefault(table.family, {}).pop(table.name, None)
        self.tables[table.family][table.name] = table.close()
        self.open = None

    def resolve_early(self, table: _OpenTable) -> None:
        """Targets that were no chain when their rule was read, but are one now."""
        for number, chain in table.early:
            rules = table.rules.get(chain, [])
            for index, rule in enumerate(rules):
                if rule.line != number or not isinstance(rule.target, UnknownTarget | Goto):
                    continue
                if isinstance(rule.target, Goto):
                    if rule.target.chain not in table.jumps:
                        self.problem(
                            Span(self.file, number, 1, len(rule.text.split("\n")[0]) + 1),
                            f"no chain {rule.target.chain!r} to go to",
                        )
                elif not rule.target.words and rule.target.name in table.jumps:
                    rules[index] = rule._replace(target=table.jumps[rule.target.name])

    def declare(self, name: str, policy: str, counters: Counters | None, span: Span) -> None:
        table = self.open
        assert table is not None
        if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
            self.problem(span, f"the chain name is longer than {MAX_NAME} bytes")
            return
        if policy == "-":
            if name in BUILTIN_CHAINS[table.name]:
                # As iptables-nft prints a chain whose policy it does not know.
                table.declare(name, "ACCEPT", span)
            else:
                table.declare(name, None, span)
        elif name not in BUILTIN_CHAINS[table.name]:
            self.problem(
                span,
                f"{name!r} is no base chain of the table {table.name}, so it has no policy",
                f"base chains: {', '.join(BUILTIN_CHAINS[table.name])}; a user chain has policy -",
            )
            table.declare(name, None, span)
        elif policy not in ("ACCEPT", "DROP"):
            self.problem(span, f"{policy!r} is no policy", "ACCEPT or DROP")
        else:
            table.declare(name, policy, span)
        if counters is not None:
            table.counters[name] = counters

    # Rules

    def rule_line(self, table: _OpenTable, tree: Tree[Token], line: str, number: int) -> None:
        counters: Counters | None = None
        words: list[Word] = []
        for child in tree.children:
            if isinstance(child, Tree):
                if child.data == "counters":
                    counters = _counters(child)
                    continue
                child = child.children[0]
                assert isinstance(child, Token)
            start, end = child.start_pos or 0, child.end_pos or 0
            if child.type == "QUOTED":
                words.append(Word(unquote(str(child)), start, end, True))
            else:
                words.append(Word(str(child), start, end))
        try:
            self.run_command(table, words, counters, line, number)
        except RuleError as error:
            self.rule_problem(error, words, line, number)

    def rule_problem(self, error: RuleError, words: Sequence[Word], line: str, number: int) -> None:
        first = min(error.first, len(words) - 1)
        last = min(error.last, len(words) - 1)
        span = self.span(line, number, words[first].start, words[last].end)
        self.problem(span, error.message, error.hint)

    def run_command(
        self,
        table: _OpenTable,
        words: list[Word],
        counters: Counters | None,
        line: str,
        number: int,
    ) -> None:
        reading = table.reader.read(words)
        if reading.command is None:
            raise RuleError(0, "no command such as -A CHAIN", None, len(words) - 1)
        name = reading.words[reading.chain].text if reading.chain >= 0 else ""
        command = reading.command
        if command in (Command.APPEND, Command.INSERT, Command.REPLACE, Command.DELETE):
            if name not in table.rules:
                raise RuleError(reading.chain, f"no chain {name!r} in the table {table.name}")
            if reading.counters is not None:
                counters = Counters(*reading.counters)
            self.rule_command(table, reading, command, name, counters, line, number)
        else:
            self.chain_command(table, reading, command, name, line, number)

    def rule_command(
        self,
        table: _OpenTable,
        reading: Reading,
        command: Command,
        name: str,
        counters: Counters | None,
        line: str,
        number: int,
    ) -> None:
        rules = table.rules[name]
        index = int(reading.words[reading.number].text) - 1 if reading.number >= 0 else None
        if command is Command.DELETE and index is not None:
            if index >= len(rules):
                raise RuleError(reading.number, f"{name} has only {len(rules)} rules")
            del rules[index]
            return
        builder = _RuleBuilder(table, reading, name)
        made = [
            Rule(name, matches, target, number, line, counters)
            for matches, target in builder.variants()
        ]
        if command is Command.APPEND:
            rules.extend(made)
            if self.learn_shapes and reading.learnable and len(made) == 1:
                shape = builder.shape(line)
                if shape is not None:
                    table.shapes.learn(shape)
        elif command is Command.INSERT:
            at = index or 0
            if at > len(rules):
                raise RuleError(reading.number, f"{name} has only {len(rules)} rules")
            # Each rule is inserted at the same number: the last one comes first.
            for rule in made:
                rules.insert(at, rule)
        elif command is Command.REPLACE:
            if index is None or index >= len(rules):
                raise RuleError(reading.number, f"{name} has only {len(rules)} rules")
            if len(made) > 1:
                raise RuleError(reading.number, "-R takes one source and one destination")
            rules[index] = made[0]
        else:
            for rule in made:
                same = (
                    at
                    for at, old in enumerate(rules)
                    if (old.matches, old.target) == (rule.matches, rule.target)
                )
                found = next(same, None)
                if found is None:
                    raise RuleError(0, "no such rule to delete", None, len(reading.words) - 1)
                del rules[found]
        if any(isinstance(rule.target, UnknownTarget | Goto) for rule in made):
            table.early.append((number, name))

    def chain_command(
        self,
        table: _OpenTable,
        reading: Reading,
        command: Command,
        name: str,
        line: str,
        number: int,
    ) -> None:
        if reading.matches or reading.head or reading.target or reading.jump >= 0:
            raise RuleError(0, "this command takes no rule", None, len(reading.words) - 1)
        span = self.span(line, number, 0, len(line))
        if command is Command.NEW_CHAIN:
            if name in table.rules:
                raise RuleError(reading.chain, f"the chain {name!r} exists already")
            self.declare(name, "-", None, span)
            return
        if name and name not in table.rules:
            raise RuleError(reading.chain, f"no chain {name!r} in the table {table.name}")
        if command is Command.POLICY:
            self.declare(name, reading.words[reading.policy].text, None, span)
        elif command is Command.FLUSH:
            for chain in [name] if name else list(table.rules):
                table.rules[chain].clear()
        elif command is Command.DELETE_CHAIN:
            for chain in [name] if name else list(table.jumps):
                if chain not in table.jumps:
                    raise RuleError(reading.chain, f"{chain!r} is a base chain")
                if table.rules[chain]:
                    raise RuleError(reading.chain, f"the chain {chain!r} is not empty")
                for store in (table.rules, table.policies, table.jumps, table.spans):
                    store.pop(chain, None)  # type: ignore[attr-defined]
        # ZERO: counters are no part of what rules mean.

    def finish(self) -> tuple[Ruleset, ...]:
        if self.open is not None:
            self.problem(
                Span(self.file, self.last_line),
                f"COMMIT is missing: the table {self.open.name} is still open at the end",
                "was the dump cut off?",
            )
            self.resolve_early(self.open)
        if not self.problems and not self.tables:
            self.problem(
                Span(self.file, 1),
                "no table",
                "this reads iptables-save and iptables-restore files, which open with *TABLE",
            )
        if self.problems:
            self.problems.sort(key=lambda problem: problem.span[1:])
            if self.dropped_problems:
                last = self.problems[-1].span
                self.problems.append(Problem(last, f"… and {self.dropped_problems:,} more"))
            raise ParseError(tuple(self.problems))
        return tuple(
            Ruleset(self.file, family, dict(tables)) for family, tables in self.tables.items()
        )


class _SlowLineError(Exception):
    """A line of a known shape whose operands need the slow way (a list of addresses)."""


class _RuleBuilder:
    """Turns a reading into matches and a target, and into a shape."""

    def __init__(self, table: _OpenTable, reading: Reading, chain: str) -> None:
        self.table = table
        self.reading = reading
        self.context = RuleContext(
            table.family,
            table.name,
            chain if chain in BUILTIN_CHAINS[table.name] else "",
            reading.protocol,
            reading.protocol_negated,
        )

    def variants(self) -> Iterator[tuple[tuple[AnyMatch, ...], AnyTarget | None]]:
        """The rules that the line makes: one, or more where it lists addresses."""
        texts = [word.text for word in self.reading.words]
        matches = tuple(self.match(group, texts) for group in self.reading.matches)
        target = self.target(texts)
        for head in _heads(self.reading.head, texts, self.table.family):
            yield ((head, *matches) if head is not None else matches), target

    def match(self, group: Group, texts: Sequence[str]) -> AnyMatch:
        if group.extension is None:
            return UnknownMatch(group.name, tuple(texts[at] for at in group.words))
        options = build_options(group.items, texts.__getitem__, self.table.family)
        check_options(group, options, self.context)
        return Match(group.extension.saved_as or group.name, options, group.implicit)

    def target(self, texts: Sequence[str]) -> AnyTarget | None:
        reading = self.reading
        if reading.jump >= 0:
            name = texts[reading.jump]
            return Goto(name) if reading.goto else self.table.jumps[name]
        if reading.verdict >= 0:
            return Target(texts[reading.verdict])
        group = reading.target
        if group is None:
            return None
        if group.extension is None:
            return UnknownTarget(group.name, tuple(texts[at] for at in group.words))
        options = build_options(group.items, texts.__getitem__, self.table.family)
        check_options(group, options, self.context)
        return Target(group.extension.saved_as or group.name, options)

    def shape(self, line: str) -> Shape | None:
        """What this line teaches, or None where it is no model for others."""
        reading = self.reading
        words = reading.words
        groups = [*reading.matches, *([reading.target] if reading.target else [])]
        varying = {
            at for item in reading.head for at in item.operands if item.spec.name != "protocol"
        }
        varying.update(at for group in groups for item in group.items for at in item.operands)
        chain_varies = words[reading.chain].text in self.table.jumps
        if chain_varies:
            varying.add(reading.chain)
        jump_varies = reading.jump >= 0 and not reading.goto
        if jump_varies:
            varying.add(reading.jump)
        slots = {at: slot for slot, at in enumerate(sorted(varying))}
        if chain_varies and slots[reading.chain] != 0:
            return None
        for at, word in enumerate(words):
            if at in slots:
                if not is_learnable_operand(word, line):
                    return None
            elif word.is_quoted or line[word.start : word.end] != word.text:
                return None
        matches: list[AnyMatch | Part] = []
        texts = [word.text for word in words]
        if reading.head:
            head = self.head_part(slots, texts)
            if head is None:
                return None
            if isinstance(head, Part):
                matches.append(head)
            else:
                matches += [match for match in head if match is not None]
        for group in reading.matches:
            part = self.group_part(group, slots, texts)
            if part is None:
                return None
            matches.append(part)
        target: AnyTarget | None = None
        target_part: Part | None = None
        if reading.target is not None:
            part = self.group_part(reading.target, slots, texts)
            if part is None:
                return None
            if isinstance(part, Part):
                target_part = part
            else:
                target = part
        elif not jump_varies:
            target = self.target(texts)
        return Shape(
            tuple(None if at in slots else word.text for at, word in enumerate(words)),
            tuple(words[at].is_quoted for at in slots),
            chain=None if chain_varies else words[reading.chain].text,
            matches=matches,
            target=target,
            target_part=target_part,
            jump=slots[reading.jump] if jump_varies else None,
        )

    def head_part(
        self, slots: dict[int, int], texts: list[str]
    ) -> Part | tuple[Match | None, ...] | None:
        """The head as a part, or finished where no word varies; None: its words lie apart."""
        items = sorted(self.reading.head, key=lambda item: HEAD_ORDER[item.spec.name])
        makers = [_OptionMaker(item, slots, texts, self.table) for item in items]
        span = _span_of(makers)
        if span is None:
            return tuple(_heads(self.reading.head, texts, self.table.family))
        start, end, is_dense = span
        if not is_dense:
            return None

        def build(operands: tuple[str, ...]) -> Match:
            for operand in operands:
                if "," in operand or operand == "+":
                    raise _SlowLineError
            options = [maker.option(operands, start) for maker in makers]
            for option in options:
                if not option.negated and (
                    getattr(option.value, "mask", 1) == 0 or option.value == 0
                ):
                    raise _SlowLineError
            return Match("ip", tuple(options))

        return Part(start, end, build)

    def group_part(self, group: Group, slots: dict[int, int], texts: list[str]) -> Any:
        """A match or target as a part, or finished where no word varies; None: words lie apart."""
        extension = group.extension
        assert extension is not None
        makers = [_OptionMaker(item, slots, texts, self.table) for item in group.items]
        span = _span_of(makers)
        is_match = extension.kind is Kind.MATCH
        if span is None:
            return self.match(group, texts) if is_match else self.target(texts)
        start, end, is_dense = span
        if not is_dense:
            return None
        name = extension.saved_as or group.name
        checked = extension.check is not None
        context = self.context
        implicit = group.implicit

        def build(operands: tuple[str, ...]) -> Match | Target:
            options = tuple([maker.option(operands, start) for maker in makers])
            if checked:
                check_options(group, options, context)
            return Match(name, options, implicit) if is_match else Target(name, options)

        return Part(start, end, build)


class _OptionMaker:
    """Makes one option of a part from its operands; what was made is kept by its text."""

    __slots__ = ("constant", "family", "key", "made", "negated", "operands", "slot", "slots")

    def __init__(self, item: Item, slots: dict[int, int], texts: list[str], table: _OpenTable):
        self.operands = item.spec.operands
        self.key = item.spec.key
        self.negated = item.negated
        self.family = table.family
        self.slots = [slots[at] for at in item.operands if at in slots]
        self.slot = self.slots[0] if len(self.slots) == 1 else -1
        self.constant: Option | None = None
        if not self.slots:
            self.constant = build_options([item], texts.__getitem__, table.family)[0]
        self.made = table.made.setdefault((id(item.spec), item.negated), {})

    def option(self, operands: tuple[str, ...], start: int) -> Option:
        """The option; raises ValueError."""
        if self.constant is not None:
            return self.constant
        key: Any
        if self.slot >= 0:
            key = operands[self.slot - start]
            found = self.made.get(key)
            if found is None:
                value = self.operands[0].parse(key, self.family)
                found = self.made[key] = Option(self.key, value, self.negated)
            return found
        key = tuple([operands[slot - start] for slot in self.slots])
        found = self.made.get(key)
        if found is None:
            pairs = zip(self.operands, key, strict=True)
            value = tuple([operand.parse(text, self.family) for operand, text in pairs])
            found = self.made[key] = Option(self.key, value, self.negated)
        return found


def _span_of(makers: Sequence[_OptionMaker]) -> tuple[int, int, bool] | None:
    """First slot, end, and whether the slots of the makers stand side by side; None: no slots."""
    slots = [slot for maker in makers for slot in maker.slots]
    if not slots:
        return None
    start, end = min(slots), max(slots) + 1
    return start, end, end - start == len(slots)


def _is_open(line: str) -> bool:
    """Whether a quote is open at the end of the line, as iptables-restore reads quotes."""
    is_open = False
    escaped = False
    for character in line:
        if is_open:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                is_open = False
        elif character == '"':
            is_open = True
    return is_open


def _counters(tree: Tree[Token] | Token) -> Counters:
    assert isinstance(tree, Tree)
    packets, _, octets = str(tree.children[0])[1:-1].partition(":")
    return Counters(int(packets[:20]), int(octets[:20]))


def _heads(items: Sequence[Item], texts: Sequence[str], family: Family) -> Iterator[Match | None]:
    """The head as one match, or several where ``-s`` or ``-d`` lists addresses.

    A condition that holds for every packet (``-s 0.0.0.0/0``, ``-i +``, ``-p all``) is none.
    """
    lists: list[list[Option | None]] = []
    for item in sorted(items, key=lambda item: HEAD_ORDER[item.spec.name]):
        name = item.spec.name
        if name in ("source", "destination"):
            at = item.operands[0]
            parts = texts[at].split(",")
            if len(parts) > 1 and item.negated:
                raise RuleError(at, "a list of addresses cannot be negated")
            alternatives: list[Option | None] = []
            for part in parts:
                options = build_options(
                    [item], lambda _, part=part: part.strip(), family  # type: ignore[misc]
                )
                net = options[0].value
                always = not item.negated and getattr(net, "mask", 1) == 0
                alternatives.append(None if always else options[0])
            lists.append(alternatives)
            continue
        option = build_options([item], texts.__getitem__, family)[0]
        always = not option.negated and (
            (name == "protocol" and option.value == 0) or option.value == "+"
        )
        lists.append([None if always else option])
    # Sources vary slowest, as iptables loops over them.
    for combination in product(*lists):
        options = tuple(option for option in combination if option is not None)
        yield Match("ip", options) if options else None
