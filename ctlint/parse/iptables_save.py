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
from ctlint.parse.extension import RuleContext
from ctlint.parse.options import (
    HEAD_ORDER,
    MAX_NAME,
    Command,
    Group,
    Item,
    Reading,
    RuleError,
    RuleReader,
    build_options,
    check_options,
)
from ctlint.parse.shapes import Part, Shape, ShapeIndex, operand_pattern
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
    if family is None:
        family = Family.IPV6 if _IPV6_HINT.search(text) else Family.IPV4
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
        self.reader = RuleReader(family, name, self.jumps)
        self.shapes = ShapeIndex()

    def declare(self, chain: str, policy: str | None, span: Span) -> None:
        self.rules.setdefault(chain, [])
        self.policies[chain] = policy
        self.spans[chain] = span
        if policy is None:
            self.jumps.setdefault(chain, Jump(chain))

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
            # The way of nearly all lines: a rule of a known shape.
            if table is not None and line[:1] in ("-", "["):
                if self.rule_count >= MAX_RULES:
                    self.problem(Span(self.file, number), f"more than {MAX_RULES:,} rules")
                    self.open = None
                    return
                self.rule_count += 1
                if self.by_shape(table, line, number):
                    continue
            self.other_line(line, number, lines)

    def by_shape(self, table: _OpenTable, line: str, number: int) -> bool:
        if len(line) > MAX_LINE:
            return False
        found = table.shapes.find(line)
        if found is None:
            return False
        shape, groups = found
        try:
            rule = shape.rule(groups, number, line, table.jumps)
        except (RuleError, _SlowLineError):
            return False
        if rule is None:
            return False
        if shape.chain is None and rule.chain not in table.jumps:
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
        if self.open is not None and self.chain_line(stripped, number):
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
                shape = builder.shape(line, counters is not None)
                if shape is not None:
                    table.shapes.learn(line, shape)
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

    def shape(self, line: str, has_counters: bool) -> Shape | None:
        """What this line teaches, or None where it is no model for others."""
        reading = self.reading
        words = reading.words
        slots: dict[int, int] = {}
        order = [at for item in reading.head for at in item.operands if item.spec.name != "protocol"]
        for group in [*reading.matches, *([reading.target] if reading.target else [])]:
            order += [at for item in group.items for at in item.operands]
        chain_slot = words[reading.chain].text in self.table.jumps
        jump_slot = reading.jump >= 0 and not reading.goto
        # Regex groups are numbered by their place in the line; parts need theirs side by side.
        places = sorted([*order, *([reading.chain] if chain_slot else [])])
        if jump_slot:
            places = sorted([*places, reading.jump])
        first_group = 2 if has_counters else 0
        slots = {at: first_group + index for index, at in enumerate(places)}
        if chain_slot and slots[reading.chain] != first_group:
            return None
        pattern = []
        for at, word in enumerate(words):
            if at in slots:
                operand = operand_pattern(word, line)
                if operand is None:
                    return None
                pattern.append(operand)
            elif word.is_quoted or line[word.start : word.end] != word.text:
                return None
            else:
                pattern.append(re.escape(word.text))
        text = " ".join(pattern)
        if has_counters:
            text = r"\[(\d{1,20}):(\d{1,20})\] " + text
        matches: list[AnyMatch | Part] = []
        texts = [word.text for word in words]
        if reading.head:
            part = self.part([*reading.head], slots, texts, self.build_head)
            if part is None:
                return None
            if isinstance(part, Part):
                matches.append(part)
            else:
                matches.extend(head for head in part if head is not None)
        for group in reading.matches:
            part = self.part(
                group.items, slots, texts, lambda texts, group=group: self.match(group, texts)
            )
            if part is None:
                return None
            matches.append(part)
        target: AnyTarget | None = None
        target_part: Part | None = None
        if reading.target is not None:
            part = self.part(reading.target.items, slots, texts, self.target)
            if part is None:
                return None
            if isinstance(part, Part):
                target_part = part
            else:
                target = part
        elif not jump_slot:
            target = self.target(texts)
        return Shape(
            text,
            has_counters=has_counters,
            chain=None if chain_slot else words[reading.chain].text,
            matches=matches,
            target=target,
            target_part=target_part,
            jump=slots[reading.jump] if jump_slot else None,
        )

    def build_head(self, texts: Sequence[str]) -> Any:
        heads = list(_heads(self.reading.head, texts, self.table.family))
        if len(heads) != 1 or heads[0] is None:
            raise _SlowLineError
        return heads[0]

    def part(self, items: list[Item], slots: dict[int, int], texts: list[str], build: Any) -> Any:
        """The finished node where no word varies, else a Part; None where groups lie apart."""
        wanted = [at for item in items for at in item.operands if at in slots]
        if not wanted:
            if build == self.build_head:
                return tuple(_heads(self.reading.head, texts, self.table.family))
            return build(texts)
        groups = [slots[at] for at in wanted]
        start, end = min(groups), max(groups) + 1
        if end - start != len(groups):
            return None
        template = list(texts)
        places = sorted(wanted)

        def build_from(operands: tuple[str, ...]) -> Any:
            for at, operand in zip(places, operands, strict=True):
                template[at] = operand
            return build(template)

        return Part(start, end, build_from)


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
