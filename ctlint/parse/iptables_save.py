# SPDX-License-Identifier: GPL-2.0-only
"""Reads what iptables-save and ip6tables-save print, and what people write for iptables-restore.

The order of lines follows iptables/iptables-restore.c of iptables 1.8.11: tables open with ``*``
and close with COMMIT, chains are declared, rules are commands. docs/input.md lists where this
reader takes more than the real restore does, and where it takes less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lark import Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput

from ctlint.ir.rule import Counters, Rule
from ctlint.ir.ruleset import BUILTIN_CHAINS, Ruleset, Table
from ctlint.ir.span import Span
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.parse.line_grammar import parse_line
from ctlint.parse.open_table import OpenTable
from ctlint.parse.options import MAX_NAME, VERDICTS, Command, Reading, RuleError
from ctlint.parse.rule_builder import RuleBuilder
from ctlint.parse.shapes import MAX_SAFE_WORD
from ctlint.parse.words import WORD, Word, unquote
from ctlint.wire.addresses import Family

MAX_LINE: Final = 10_239
"""Longest line in bytes that iptables-restore reads (its buffer, less the final NUL)."""

MAX_WORDS: Final = 251
"""Most words of a line that iptables-restore takes (MAX_ARGC, less what it adds itself)."""

MAX_RULES: Final = 2_000_000
"""Rules of one input; more would need memory without bound."""

MAX_CONTINUATION: Final = 32
"""Physical lines that one quoted comment may span (a comment has at most 255 bytes)."""

MAX_COUNTER: Final = (1 << 64) - 1
"""Counters are 64-bit numbers (struct xt_counters)."""

GIVE_UP_AFTER: Final = 10 * MAX_PROBLEMS
"""Problems after which the rest of a text is not read: it is no dump, or a broken one."""

# A chain as iptables-save prints it. The first character is one that starts a plain word only.
_CHAIN_LINE: Final = re.compile(
    r":([^ \t\n\"!:*\[-][^ \t\n\"]*) ([A-Z]+|-)(?: \[([0-9]{1,19}):([0-9]{1,19})\])?"
)
_USER_CHAIN: Final = re.compile(r":([A-Z][A-Z0-9_]?[A-Z0-9_a-z.@#:+/-]{0,26}) - \[0:0\]")
_new: Final = tuple.__new__
_COUNTED: Final = re.compile(r"\[([0-9]{1,19}):([0-9]{1,19})\] ")
_SAVED_BY: Final = re.compile(
    r"^[ \t]*#[ \t]*(?:Generated|Completed) by (ip6?)tables(-nft|-legacy)?-save\b.*", re.MULTILINE
)
_HINT_LENGTH: Final = 1 << 16
_IPV6_HINT: Final = re.compile(
    r"(?:^|\s)-(?:s|d|-source|-src|-destination|-dst)\s+(?:!\s+)?[0-9a-fA-F]*:[0-9a-fA-F:]*[/\s]"
    r"|(?:ipv6-icmp|icmpv6|icmp6|-m (?:hl|rt|frag|hbh|dst|ipv6header|eui64)|-j (?:HL|DNPT|SNPT))\s"
)

# Text up to a quote that closes, and text up to one that stays open.
_CLOSING: Final = re.compile(r'(?:[^"\\]++|\\.)*+"', re.DOTALL)
_CLOSED: Final = re.compile(r'(?:[^"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)


def parse_rulesets(
    text: str, file: str, family: Family | None = None, *, learn_shapes: bool = True
) -> tuple[Ruleset, ...]:
    """Read a dump. Usually one rule set comes back; two where both families stand in one text.

    ``family`` is what the caller knows (a file's name); the dump's own header lines win, and
    without either the operands decide. ``learn_shapes=False`` reads every line by the grammar.
    A table that stands twice counts as it stood last, as iptables-restore would load it.

    Raises ParseError with the problems of all lines.
    """
    guess = family
    if guess is None:
        guess = Family.IPV6 if _IPV6_HINT.search(text, 0, _HINT_LENGTH) else Family.IPV4
    reader = _DumpReader(file, guess, learn_shapes=learn_shapes)
    reader.read(text)
    if reader.problems and family is None and not reader.has_header:
        other = Family.IPV4 if guess is Family.IPV6 else Family.IPV6
        second = _DumpReader(file, other, learn_shapes=learn_shapes)
        second.read(text)
        if not second.problems:
            reader = second
    return reader.rulesets()


def _is_nft(saved_by: re.Match[str]) -> bool:
    return saved_by[2] == "-nft" or "(nf_tables)" in saved_by[0]


def is_saved_by_nft(text: str) -> bool:
    """Whether a dump says of itself that iptables-nft has saved it: its table order is another."""
    return any(_is_nft(found) for found in _SAVED_BY.finditer(text))


def fits_shapes(line: str) -> bool:
    """Whether shapes may read the line: no tab, no NUL, no word that could be too long."""
    if "\t" in line or "\0" in line or len(line) > MAX_LINE // 4:
        return False
    if len(line) <= MAX_SAFE_WORD:
        return True
    words = WORD.findall(line)
    return len(words) <= MAX_WORDS and max(map(len, words)) <= MAX_SAFE_WORD


class _DumpReader:
    """Reads a dump line by line and goes on behind a line that it cannot read."""

    def __init__(self, file: str, family: Family, *, learn_shapes: bool) -> None:
        self.file = file
        self.family = family
        self.learn_shapes = learn_shapes
        self.has_header = False
        self.is_nft = False
        self.problems: list[Problem] = []
        self.problem_count = 0
        self.tables: dict[Family, dict[str, Table]] = {}
        self.replaced: dict[Family, list[Span]] = {}
        self.open: OpenTable | None = None
        self.rule_count = 0
        self.lines: Sequence[str] = ()
        self.is_usual = True
        # The last line that was read, and the last one that a line before it has taken.
        self.last_line = 0
        self.taken = 0

    # Lines

    def read(self, text: str) -> None:
        """Read all lines; what is wrong is in ``problems`` then."""
        lines = text.split("\n")
        if "\r" in text:
            lines = [line.rstrip("\r") for line in lines]
        self.lines = lines
        self.is_usual = "\t" not in text and "\0" not in text
        at = 0
        while at < len(lines):
            if self.open is not None and self.learn_shapes:
                at = self.known_lines(self.open, at)
                if at == len(lines):
                    break
            self.last_line = at + 1
            self.other_line(lines[at], at + 1)
            if self.problem_count >= GIVE_UP_AFTER or self.rule_count > MAX_RULES:
                break
            at = max(at + 1, self.taken)
        if self.rule_count > MAX_RULES:
            self.problem(Span(self.file, self.last_line), f"more than {MAX_RULES:,} rules")
        elif self.problem_count < GIVE_UP_AFTER:
            self.last_line = len(lines) if lines[-1] else max(1, len(lines) - 1)
            self.end()

    def known_lines(self, table: OpenTable, start: int) -> int:
        """Read the lines that need no grammar, which are nearly all: rules of known sections, and
        chains. Returns the index of the first line from ``start`` on that needs it.
        """
        lines, is_usual, file = self.lines, self.is_usual, self.file
        place, user_chain = table.shapes.place, _USER_CHAIN.fullmatch
        for at in range(start, len(lines)):
            line = lines[at]
            first = line[:1]
            if first == "-":
                fits = (is_usual and len(line) <= MAX_SAFE_WORD) or fits_shapes(line)
                if fits and place(line, at + 1):
                    continue
            elif first == ":":
                chain = user_chain(line)
                if chain is not None:
                    span = _new(Span, (file, at + 1, 1, len(line) + 1))
                    if table.add_usual_chain(chain[1], span):
                        continue
                if self.chain_line(table, line, at + 1):
                    continue
            elif first == "[" and fits_shapes(line):
                counted = _COUNTED.match(line)
                if counted is not None:
                    counters = Counters(int(counted[1]), int(counted[2]))
                    if place(line[counted.end() :], at + 1, line, counters):
                        continue
            return at
        return len(lines)

    def other_line(self, line: str, number: int) -> None:
        """Read a line that no shape fits."""
        stripped = line.strip(" \t")
        if not stripped:
            return
        if stripped[0] == "#":
            saved_by = _SAVED_BY.match(stripped)
            if saved_by:
                self.has_header = True
                self.is_nft = _is_nft(saved_by)
                self.family = Family.IPV6 if saved_by[1] == "ip6" else Family.IPV4
            return
        if "\0" in line:
            column = line.index("\0") + 1
            self.problem(
                Span(self.file, number, column, column + 1), "a NUL byte: this is not a text file"
            )
            return
        if '"' in line:
            line = self.logical_line(line, number)
        if len(line.encode("utf-8", "surrogateescape")) > MAX_LINE:
            self.problem(
                Span(self.file, number),
                f"the line is longer than {MAX_LINE:,} bytes",
                "iptables-restore reads no longer line",
            )
            return
        if len(line) > MAX_WORDS and len(WORD.findall(line)) > MAX_WORDS:
            self.problem(
                self.span(line, number, 0, len(line)),
                f"the line has more than {MAX_WORDS} words",
                "iptables-restore reads no more",
            )
            return
        try:
            tree = parse_line(line)
        except UnexpectedInput as error:
            self.syntax_problem(error, line, number)
            return
        self.by_grammar(tree, line, number)

    def chain_line(self, table: OpenTable, line: str, number: int) -> bool:
        """Read ``:CHAIN POLICY [n:n]`` in the form that iptables-save prints."""
        found = _CHAIN_LINE.fullmatch(line)
        if found is None or len(line) > MAX_SAFE_WORD or "\0" in line:
            return False
        name, policy, packets, octets = found.groups()
        counters = Counters(int(packets), int(octets)) if packets is not None else None
        self.declare(table, name, policy, counters, Span(self.file, number, 1, len(line) + 1))
        return True

    def logical_line(self, line: str, number: int) -> str:
        """The line with those that follow, as long as a quote is open.

        A quote that stays open takes no line away.
        """
        closed = _CLOSED.match(line)
        assert closed is not None
        if closed.end() == len(line):
            return line
        taken = [line]
        size = len(line)
        for follower in self.lines[number : number + MAX_CONTINUATION]:
            taken.append(follower)
            size += 1 + len(follower)
            if size > MAX_LINE or "\0" in follower:
                break
            # The line break stands inside the quotes, so no escape reaches into this line.
            closing = _CLOSING.match(follower)
            if closing is None:
                continue
            closed = _CLOSED.match(follower, closing.end())
            assert closed is not None
            if closed.end() == len(follower):
                self.taken = self.last_line = number + len(taken) - 1
                return "\n".join(taken)
        return line

    # Problems

    def problem(self, span: Span, message: str, hint: str | None = None) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(span, message, hint))

    def span(self, line: str, number: int, start: int, end: int) -> Span:
        """The place of characters ``start`` to ``end`` of a logical line."""
        begin = line.rfind("\n", 0, start) + 1
        stop = line.find("\n", start, end)
        last = max(start, end) if stop < 0 else stop
        row = number + line.count("\n", 0, start)
        return Span(self.file, row, start - begin + 1, last - begin + 1)

    def syntax_problem(self, error: UnexpectedInput, line: str, number: int) -> None:
        position: int | None = error.pos_in_stream
        start = max(0, min(position or 0, len(line)))
        if isinstance(error, UnexpectedCharacters):
            # Any character may stand in a word, but a quote must close.
            self.problem(self.span(line, number, start, start + 1), "a quote that never closes")
            return
        first = line.strip(" \t").partition(" ")[0][:40]
        if first.startswith(("iptables", "ip6tables", "/sbin/", "/usr/sbin/", "sudo")):
            self.problem(
                self.span(line, number, 0, len(line)),
                "a shell command, not a line of a dump",
                "run the script and lint what iptables-save prints",
            )
        elif first == "COMMIT":
            self.problem(self.span(line, number, 0, len(line)), "COMMIT stands alone on its line")
            if self.open is not None:
                self.commit(self.open)
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
            self.open_table(str(tree.children[1]), whole)
        elif self.open is None:
            self.problem(
                whole,
                "outside of a table",
                "a line such as *filter opens a table, COMMIT closes it",
            )
        elif kind == "commit":
            self.commit(self.open)
        elif kind == "chain":
            _, name, policy, *counted = tree.children
            counters = self.counters(counted[0], line, number) if counted else None
            self.declare(self.open, str(name), str(policy), counters, whole)
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
        self.open = OpenTable(name, self.family, span)

    def commit(self, table: OpenTable) -> None:
        for problem in table.faults():
            self.problem(*problem)
        closed = table.close()
        self.rule_count += closed.rule_count
        tables = self.tables.setdefault(table.family, {})
        if (before := tables.pop(table.name, None)) is not None:
            self.replaced.setdefault(table.family, []).append(before.span)
        tables[table.name] = closed
        self.open = None

    def declare(
        self, table: OpenTable, name: str, policy: str, counters: Counters | None, span: Span
    ) -> None:
        if len(name if name.isascii() else name.encode("utf-8", "surrogateescape")) > MAX_NAME:
            self.problem(span, f"the chain name is longer than {MAX_NAME} bytes")
            return
        if table.is_base_chain(name):
            if policy == "-":
                # iptables-nft prints a base chain so whose policy it does not know.
                policy = "ACCEPT"
            elif policy not in ("ACCEPT", "DROP"):
                self.problem(span, f"{policy!r} is no policy", "ACCEPT or DROP")
                return
            table.declare(name, policy, span)
        elif name in VERDICTS:
            self.problem(span, f"a chain cannot have the name of the verdict {name}")
            return
        else:
            if policy != "-":
                self.problem(
                    span,
                    f"{name!r} is no base chain of the table {table.name}, so it has no policy",
                    f"base chains: {', '.join(BUILTIN_CHAINS[table.name])}; "
                    "a user chain has policy -",
                )
            table.declare(name, None, span)
        if counters is not None:
            table.counters[name] = counters

    def counters(self, tree: Tree[Token] | Token, line: str, number: int) -> Counters | None:
        """The counters of a chain or rule; a problem where they are too large."""
        assert isinstance(tree, Tree)
        token = tree.children[0]
        assert isinstance(token, Token)
        start = token.start_pos or 0
        packets, _, octets = str(token)[1:-1].partition(":")
        # Any number of zeros may stand first; int() itself refuses thousands of digits.
        digits = [text.lstrip("0") or "0" for text in (packets, octets)]
        if any(len(text) > 20 or int(text) > MAX_COUNTER for text in digits):
            self.problem(
                self.span(line, number, start, start + len(token)),
                f"a counter is at most {MAX_COUNTER}",
            )
            return None
        return Counters(int(digits[0]), int(digits[1]))

    # Rules

    def rule_line(self, table: OpenTable, tree: Tree[Token], line: str, number: int) -> None:
        counters: Counters | None = None
        words: list[Word] = []
        for child in tree.children:
            if isinstance(child, Tree):
                counters = self.counters(child, line, number)
                continue
            start, end = child.start_pos or 0, child.end_pos or 0
            if child.type == "QUOTED":
                words.append(Word(unquote(str(child)), start, end, True))
            else:
                words.append(Word(str(child), start, end))
        try:
            self.run_command(table, words, counters, line, number)
        except RuleError as error:
            first = min(error.first, len(words) - 1)
            last = min(error.last, len(words) - 1)
            span = self.span(line, number, words[first].start, words[last].end)
            self.problem(span, error.message, error.hint)

    def run_command(
        self,
        table: OpenTable,
        words: list[Word],
        counters: Counters | None,
        line: str,
        number: int,
    ) -> None:
        reading = table.reader.read(words)
        if reading.is_foreign:
            return
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
        table: OpenTable,
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
        builder = RuleBuilder(table.family, table.name, table.jumps, reading)
        made = [
            Rule(name, matches, target, number, line, counters)
            for matches, target in builder.variants()
        ]
        if command is Command.APPEND:
            rules.extend(made)
        elif command is Command.INSERT:
            at = index or 0
            if at > len(rules):
                raise RuleError(reading.number, f"{name} has only {len(rules)} rules")
            # Each rule is inserted at the same number: the last one comes first.
            rules[at:at] = reversed(made)
        elif command is Command.REPLACE:
            if index is None or index >= len(rules):
                raise RuleError(reading.number, f"{name} has only {len(rules)} rules")
            if len(made) > 1:
                raise RuleError(reading.number, "-R takes one source and one destination")
            rules[index] = made[0]
        else:
            self.delete_rules(rules, made, len(reading.words))
            return
        # Lists of addresses: the other rules are about as many as lines.
        self.rule_count += len(made) - 1
        table.note(reading)
        if self.learn_shapes and reading.learnable and len(made) == 1 and index is None:
            builder.teach(table.shapes, line)

    def delete_rules(self, rules: list[Rule], wanted: Sequence[Rule], word_count: int) -> None:
        for rule in wanted:
            same = (
                at
                for at, old in enumerate(rules)
                # A jump and a goto are equal as tuples.
                if (old.matches, old.target) == (rule.matches, rule.target)
                and type(old.target) is type(rule.target)
            )
            found = next(same, None)
            if found is None:
                raise RuleError(0, "no such rule to delete", None, word_count - 1)
            del rules[found]

    def chain_command(
        self,
        table: OpenTable,
        reading: Reading,
        command: Command,
        name: str,
        line: str,
        number: int,
    ) -> None:
        has_target = reading.target or reading.jump >= 0 or reading.verdict >= 0
        if reading.matches or reading.head or has_target:
            raise RuleError(0, "this command takes no rule", None, len(reading.words) - 1)
        span = self.span(line, number, 0, len(line))
        if command is Command.NEW_CHAIN:
            if name in table.rules:
                raise RuleError(reading.chain, f"the chain {name!r} exists already")
            self.declare(table, name, "-", None, span)
            return
        if name and name not in table.rules:
            raise RuleError(reading.chain, f"no chain {name!r} in the table {table.name}")
        if command is Command.POLICY:
            policy = reading.words[reading.policy].text
            if table.name == "nat" and policy == "DROP":
                # The line :CHAIN DROP is taken.
                raise RuleError(reading.policy, "the nat table takes no DROP by -P")
            self.declare(table, name, policy, Counters(0, 0), span)
        elif command is Command.FLUSH:
            table.flush(name)
        elif command is Command.DELETE_CHAIN:
            complaint = table.delete(name, span)
            if complaint is not None:
                raise RuleError(reading.chain, complaint)
        # ZERO: counters are no part of what rules mean.

    # The end

    def end(self) -> None:
        """Look at what is missing at the end of the text."""
        if self.open is not None:
            self.problem(
                Span(self.file, self.last_line),
                f"COMMIT is missing: the table {self.open.name} is still open at the end",
                "was the dump cut off?",
            )
            for problem in self.open.faults():
                self.problem(*problem)
        if not self.problems and not self.tables:
            self.problem(
                Span(self.file, 1),
                "no table",
                "this reads iptables-save and iptables-restore files, which open with *TABLE",
            )

    def rulesets(self) -> tuple[Ruleset, ...]:
        """What was read. Raises ParseError."""
        if self.problems:
            problems = sorted(self.problems, key=lambda problem: problem.span[1:3])
            more = self.problem_count - len(problems)
            if more:
                message = f"… and {more:,} more"
                if self.problem_count >= GIVE_UP_AFTER:
                    message += f" up to line {self.last_line:,}, where reading stopped"
                problems.append(Problem(problems[-1].span, message))
            raise ParseError(tuple(problems))
        return tuple(
            Ruleset(
                self.file,
                family,
                dict(tables),
                tuple(self.replaced.get(family, ())),
                self.is_nft,
            )
            for family, tables in self.tables.items()
        )
