# SPDX-License-Identifier: GPL-2.0-only
"""What people write to allow findings: ``ctlint: allow CT104 because …`` in a comment of the rule,
or in a comment line above it (docs/suppression.md).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ctlint.analysis.location import cause_location
from ctlint.finding import AllowedBy, Location
from ctlint.ir.rule import Match
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset

MARK: Final = "ctlint:"

_SAID: Final = re.compile(r"(?<![\w-])ctlint:[ \t]*", re.ASCII)
_COMMENT: Final = re.compile(r"[ \t]*[#;]")
_COMMENT_MARK: Final = re.compile(r"[ \t]*[#;]+[ \t]*ctlint:[ \t]*")
_ALLOW: Final = re.compile(r"allow(?![\w-])", re.ASCII)
_BECAUSE: Final = re.compile(r"(?:^|\s)because(?=\s|$)", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"[,;\s]+")
_LOOKALIKES: Final = str.maketrans("OIL", "011")
_ID: Final = re.compile(r"CT[0-9]{3}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wording:
    """What a comment says behind ``ctlint:``.

    ``rules`` are the ids that it names, ``unknown`` the words that stand where ids should and are
    none. ``reason`` is empty where none is given. ``is_allow`` is false where it does not say
    ``allow`` and then a rule.
    """

    rules: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    reason: str = ""
    is_allow: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """A comment with ``ctlint:``, where it stands, and the line that it speaks of: 0 for none."""

    by: AllowedBy
    wording: Wording
    place: Location
    line: int

    @property
    def allows(self) -> tuple[str, ...]:
        """The ids of the rules that it allows: none without a reason."""
        return self.wording.rules if self.wording.reason else ()


def read_wording(said: str, ids: Mapping[str, str]) -> Wording:
    """The meaning of what stands behind ``ctlint:``. ``ids`` gives the id of each id and name."""
    verb = _ALLOW.match(said)
    if verb is None:
        return Wording(is_allow=False)
    named, *reasons = _BECAUSE.split(said[verb.end() :], maxsplit=1)
    words = [word for word in _BETWEEN.split(named) if word and word != "and"]
    rules: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for word in words:
        known = ids.get(word.upper()) or ids.get(word)
        if known is not None:
            rules[known] = None
        elif reasons or _ID.fullmatch(word):
            unknown[word] = None
        else:
            break  # A reason without its word.
    reason = reasons[0].strip() if reasons else ""
    return Wording(tuple(rules), tuple(unknown), reason, bool(rules or unknown))


def in_rules(ruleset: Ruleset, ids: Mapping[str, str]) -> Iterator[Written]:
    """What the comments of the rules say (``-m comment``), each line once."""
    seen: set[tuple[int, str]] = set()
    for table, chain, position, rule in ruleset.rules():
        if MARK not in rule.text:
            continue
        for match in rule.matches:
            option = match.get("comment") if isinstance(match, Match) else None
            found = _SAID.search(option.value) if option is not None else None
            if option is None or found is None or (rule.line, option.value) in seen:
                continue
            seen.add((rule.line, option.value))
            wording = read_wording(option.value[found.end() :], ids)
            place = cause_location(ruleset, RuleRef(table, chain.name, position, rule))
            yield Written(AllowedBy.RULE, wording, place, rule.line)


def in_comments(
    file: str, text: str, data: Iterable[range], ids: Mapping[str, str]
) -> Iterator[Written]:
    """What the comment lines of a file say. Each speaks of the next line that is no comment.

    ``data`` are the lines that are no comments, whatever they begin with: those of a quoted comment
    that holds line breaks.
    """
    hidden = {line for lines in data for line in lines}
    waiting: list[tuple[Wording, Location]] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if number not in hidden:
            if not line.strip(" \t"):
                continue
            if _COMMENT.match(line):
                if found := _COMMENT_MARK.match(line):
                    column = len(line) - len(line.lstrip(" \t")) + 1
                    place = Location(file, number, column, len(line) + 1, text=line)
                    waiting.append((read_wording(line[found.end() :], ids), place))
                continue
        for wording, place in waiting:
            yield Written(AllowedBy.COMMENT, wording, place, number)
        waiting.clear()
    for wording, place in waiting:
        yield Written(AllowedBy.COMMENT, wording, place, 0)


class CommentLines(NamedTuple):
    """The lines of a text, and the numbers of those that are data, whatever they begin with."""

    lines: Sequence[str]
    data: frozenset[int]

    def first(self, line: int) -> int:
        """The first of the comment lines that allow something at a line; itself without any."""
        first = at = line
        while at > 1 and at - 1 not in self.data:
            above = self.lines[at - 2]
            if above.strip() and not _COMMENT.match(above):
                break
            at -= 1
            if _COMMENT_MARK.match(above):
                first = at
        return first


def continued_lines(rulesets: Iterable[Ruleset], file: str) -> list[range]:
    """The lines of rules of a file behind the first line of each."""
    return [
        range(rule.line + 1, rule.line + 1 + rule.text.count("\n"))
        for ruleset in rulesets
        if ruleset.file == file
        for *_, rule in ruleset.rules()
        if "\n" in rule.text
    ]


def similar(word: str, known: Sequence[str]) -> str | None:
    """The known word that is most like another, if any is."""
    meant = word[:64]
    if meant.upper().translate(_LOOKALIKES) in known:
        return meant.upper().translate(_LOOKALIKES)
    close = difflib.get_close_matches(meant, known, n=1, cutoff=0.6)
    return close[0] if close else None
