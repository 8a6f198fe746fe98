# SPDX-License-Identifier: GPL-2.0-only
"""Changes of a rule set as edits of the text that it was read from.

A dump in which every rule is appended has its rules in the order of its lines. Where a text has
other commands too (``-I``, ``-D``), the edited text is read again, and no edit comes out unless it
says what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from ctlint.analysis.variant import Change, Insertion, altered
from ctlint.finding import Edit
from ctlint.ir.rule import Rule
from ctlint.ir.ruleset import Ruleset, Table
from ctlint.ir.sysctl import Setting
from ctlint.lint.suppression import MARK, CommentLines, continued_lines
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_rule
from ctlint.wire.addresses import Family

MAX_READ_AGAIN: Final = 2_000
"""Rules of a text that is read again for one edit; a larger one must be plain."""

_OTHER_COMMAND: Final = re.compile(r"^[ \t]*(?:\[[^\]\n]*\][ \t]*)?-(?!A[ \t])", re.MULTILINE)
_INSERT: Final = re.compile(
    r"[ \t]*(?:\[[^\]]*\][ \t]*)?(?:-I|--insert)[ \t]+[^ \t]+(?:[ \t]+(?P<number>[0-9]+)(?=[ \t]))?"
)
_APPEND: Final = re.compile(r"[ \t]*(?:\[[^\]]*\][ \t]*)?(?:-A|--append)[ \t]")


class RuleEditor:
    """Makes edits of the text of one rule set. ``text`` is the whole file."""

    def __init__(self, ruleset: Ruleset, text: str) -> None:
        self._ruleset = ruleset
        self._text = text
        self._is_plain = _OTHER_COMMAND.search(text) is None

    @cached_property
    def _comments(self) -> CommentLines | None:
        """The comment lines; None where none of them allows anything."""
        if MARK not in self._text:
            return None
        data = continued_lines((self._ruleset,), self._ruleset.file)
        return CommentLines(self._text.split("\n"), frozenset(row for rows in data for row in rows))

    def _above(self, line: int) -> int:
        """Where something stands that comes before a line: above what allows findings there."""
        comments = self._comments
        return line if comments is None else comments.first(line)

    def edits(self, changes: Iterable[Change]) -> tuple[Edit, ...]:
        """The edits that make the changes; empty where the text cannot be edited so."""
        changes = tuple(changes)
        found = self._all(changes, self._edit)
        if self._is_plain or not found:
            return found
        wanted = altered(self._ruleset, changes)
        if self._says(found, wanted):
            return found
        # Commands with numbers in between: what is inserted last of all meets the chain as it is.
        found = self._all(changes, self._last_insertion)
        return found if found and self._says(found, wanted) else ()

    def _all(
        self, changes: Iterable[Change], make: Callable[[Change], Edit | None]
    ) -> tuple[Edit, ...]:
        found = [make(change) for change in changes]
        whole = [edit for edit in found if edit is not None]
        return tuple(whole) if len(whole) == len(found) else ()

    def _edit(self, change: Change) -> Edit | None:
        if isinstance(change, Insertion):
            return self._insertion(change)
        old = change.ref.rule
        lines = self._lines(change.rules, _has_counters(old))
        inserted = _INSERT.match(old.text)
        if inserted is not None:
            lines = _inserting(lines, inserted["number"])
        elif not _APPEND.match(old.text):
            return None
        return Edit(self._ruleset.file, old.line, _height(old), lines)

    def _insertion(self, change: Insertion) -> Edit | None:
        table = self._ruleset.tables[change.table]
        rules = table.chains[change.chain].rules
        file, at = self._ruleset.file, change.position - 1
        if at == len(rules):
            if not rules and table.chains[change.chain].span is None:
                return None
            lines = self._lines(change.rules, any(map(_has_counters, _rules_of(table))))
            return Edit(file, _last_line(table, rules) + 1, 0, lines)
        before = rules[at]
        lines = self._lines(change.rules, _has_counters(before))
        if _APPEND.match(before.text):
            return Edit(file, self._above(before.line), 0, lines)
        inserted = _INSERT.match(before.text)
        if inserted is None:
            return None
        # What is inserted later at the same number stands before it.
        line = before.line + _height(before)
        return Edit(file, line, 0, _inserting(lines, inserted["number"]))

    def _last_insertion(self, change: Change) -> Edit | None:
        """Rules that are inserted by number right before the table ends."""
        if not isinstance(change, Insertion):
            return None
        table = self._ruleset.tables[change.table]
        line = _last_line(table, tuple(_rules_of(table)))
        lines = self._text.split("\n")
        while line < len(lines) and lines[line].strip() != "COMMIT":
            line += 1
        counted = any(map(_has_counters, _rules_of(table)))
        new = _inserting(self._lines(change.rules, counted), str(change.position))
        return Edit(self._ruleset.file, line + 1, 0, new)

    def _lines(self, rules: Iterable[Rule], counted: bool) -> tuple[str, ...]:
        prefix = "[0:0] " if counted else ""
        return tuple(f"{prefix}{print_rule(rule, self._ruleset.family)}" for rule in rules)

    def _says(self, edits: Iterable[Edit], wanted: Ruleset) -> bool:
        """Whether the edited text is read as these rules."""
        if self._ruleset.rule_count > MAX_READ_AGAIN:
            return False
        read = read_again(edited(self._text, edits), self._ruleset.file, self._ruleset.family)
        return any(says_the_same(each, wanted) for each in read)


def read_again(text: str, file: str, family: Family) -> tuple[Ruleset, ...]:
    """The rule sets of an edited text; none where it cannot be read."""
    try:
        return parse_rulesets(text, file, family)
    except ParseError:
        return ()


def says_the_same(one: Ruleset, other: Ruleset) -> bool:
    """Whether two rule sets are the same but for lines, counters and comments of the text."""
    return one.family is other.family and _meaning(one) == _meaning(other)


def _meaning(ruleset: Ruleset) -> Mapping[tuple[str, str], object]:
    return {
        (table.name, chain.name): (
            chain.policy,
            [(rule.matches, type(rule.target), rule.target) for rule in chain.rules],
        )
        for table in ruleset.tables.values()
        for chain in table.chains.values()
    }


def edited(text: str, edits: Iterable[Edit]) -> str:
    """A text with edits. Lines that come have the line ends of their neighbours."""
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda edit: (edit.line, edit.delete), reverse=True):
        at = edit.line - 1
        neighbour = lines[min(at, len(lines) - 1)] or lines[max(at - 1, 0)]
        end = "\r" if neighbour.endswith("\r") else ""
        lines[at : at + edit.delete] = [f"{line}{end}" for line in edit.insert]
    return "\n".join(lines)


def setting_edit(setting: Setting, value: int, text: str) -> Edit | None:
    """The edit that gives a setting another value; None where its line sets others too."""
    if setting.is_glob:
        return None
    line = text.split("\n")[setting.span.line - 1].rstrip("\r")
    head, equals, tail = line.partition("=")
    if not equals or tail.strip() != setting.value:
        return None
    blanks = tail[: len(tail) - len(tail.lstrip())]
    new = f"{head}={blanks}{value}"
    return Edit(setting.span.file, setting.span.line, 1, (new,))


def renamed_edit(setting: Setting, name: str, text: str) -> Edit | None:
    """The edit that sets another key to the same value; None where the key is not to be found."""
    line = text.split("\n")[setting.span.line - 1].rstrip("\r")
    head, equals, tail = line.partition("=")
    if setting.is_glob or not equals or head.strip().removeprefix("-") != setting.raw_key:
        return None
    new = f"{head.replace(setting.raw_key, name)}={tail}"
    return Edit(setting.span.file, setting.span.line, 1, (new,))


def _inserting(lines: tuple[str, ...], number: str | None) -> tuple[str, ...]:
    """The rules as ``-I`` puts them in their order: the last one first, each at the same number."""
    found = []
    for line in reversed(lines):
        head, _, rest = line.partition("-A ")
        chain, _, rest = rest.partition(" ")
        found.append(f"{head}-I {chain} {number + ' ' if number else ''}{rest}")
    return tuple(found)


def _has_counters(rule: Rule) -> bool:
    return rule.text.lstrip(" \t").startswith("[")


def _height(rule: Rule) -> int:
    """How many lines a rule takes: a quoted comment may hold line breaks."""
    return rule.text.count("\n") + 1


def _rules_of(table: Table) -> Iterator[Rule]:
    for chain in table.chains.values():
        yield from chain.rules


def _last_line(table: Table, rules: tuple[Rule, ...]) -> int:
    """The last line of the chain's rules; without rules, of all that the table holds."""
    if rules:
        return max(rule.line + _height(rule) - 1 for rule in rules)
    spans = [chain.span.line for chain in table.chains.values() if chain.span is not None]
    others = [rule.line + _height(rule) - 1 for rule in _rules_of(table)]
    return max([table.span.line, *spans, *others])
