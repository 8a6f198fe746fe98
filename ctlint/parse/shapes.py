# SPDX-License-Identifier: GPL-2.0-only
"""Line shapes: what Lark and the reader learnt from one rule, applied to the lines alike.

Dumps of tools hold few shapes: the same options in the same order with other operands. The first
line of a shape is read by the grammar; it teaches a regular expression whose groups are the
operands, and which operand feeds which option. A later line that matches the expression gives the
same structure, because structure never depends on an operand (see :mod:`ctlint.parse.options`):

- words that decide structure (options, match names, protocol, target) stand in the expression as
  they are, with exactly one blank between words;
- an operand is one word by the grammar's own terminals, without escapes, and neither ``!`` nor
  anything that starts with ``-``;
- values come from the same operand types as in the slow way, and are kept by their text.

Whatever does not fit goes the slow way, which also finds the words for the error message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ctlint.ir.rule import AnyMatch, AnyTarget, Counters, Jump, Rule
from ctlint.parse.words import Word

# One operand, plain or in quotes: subsets of the terminals PLAIN and QUOTED of the grammar.
_PLAIN_OPERAND = r'([^ \t\n"!\-][^ \t\n"]*)'
_QUOTED_OPERAND = r'"([^"\\\n]*)"'

Build = Callable[[tuple[str, ...]], Any]


class Part:
    """A match or target with operands. ``nodes`` keeps what was built, by the operands' texts."""

    __slots__ = ("build", "end", "is_single", "nodes", "start")

    def __init__(self, start: int, end: int, build: Build) -> None:
        self.start = start
        self.end = end
        self.is_single = end - start == 1
        self.build = build
        self.nodes: dict[Any, Any] = {}

    def node(self, groups: tuple[str, ...]) -> Any:
        """The node for these operands; raises what building raises."""
        key: Any = groups[self.start] if self.is_single else groups[self.start : self.end]
        found = self.nodes.get(key)
        if found is None:
            found = self.build(groups[self.start : self.end])
            self.nodes[key] = found
        return found


class Shape:
    """A learnt line: the expression and what its groups feed.

    Groups stand in the order: packet and byte counters (with ``has_counters``), the chain
    (where ``chain`` is None), operands of the matches in order, the target's.
    """

    __slots__ = (
        "chain",
        "fullmatch",
        "has_counters",
        "jump",
        "matches",
        "next",
        "target",
        "target_part",
    )

    def __init__(
        self,
        pattern: str,
        *,
        has_counters: bool,
        chain: str | None,
        matches: list[AnyMatch | Part],
        target: AnyTarget | None,
        target_part: Part | None,
        jump: int | None,
    ) -> None:
        self.fullmatch = re.compile(pattern).fullmatch
        self.has_counters = has_counters
        self.chain = chain
        # A tuple where no match has operands: it is then shared by all rules of the shape.
        self.matches: tuple[AnyMatch, ...] | list[AnyMatch | Part] = (
            matches if any(isinstance(m, Part) for m in matches) else tuple(matches)  # type: ignore[arg-type]
        )
        self.target = target
        self.target_part = target_part
        self.jump = jump
        self.next: Shape | None = None

    def rule(
        self,
        groups: tuple[str, ...],
        line: int,
        text: str,
        jumps: Mapping[str, Jump],
    ) -> Rule | None:
        """The rule, or None where a name is not (yet) a chain. Raises what building raises."""
        chain = self.chain
        if self.has_counters:
            counters = Counters(int(groups[0]), int(groups[1]))
            if chain is None:
                chain = groups[2]
        else:
            counters = None
            if chain is None:
                chain = groups[0]
        matches = self.matches
        if matches.__class__ is list:
            matches = tuple(
                [m.node(groups) if m.__class__ is Part else m for m in matches]  # type: ignore[union-attr]
            )
        if self.jump is not None:
            target: AnyTarget | None = jumps.get(groups[self.jump])
            if target is None:
                return None
        elif self.target_part is not None:
            target = self.target_part.node(groups)
        else:
            target = self.target
        return Rule(chain, matches, target, line, text, counters)  # type: ignore[arg-type]


def operand_pattern(word: Word, line: str) -> str | None:
    """The group for an operand like this word, or None where it cannot be learnt."""
    token = line[word.start : word.end]
    if word.is_quoted:
        return _QUOTED_OPERAND if re.fullmatch(_QUOTED_OPERAND, token) else None
    return _PLAIN_OPERAND if re.fullmatch(_PLAIN_OPERAND, token) else None


_OPTION = re.compile(r"(?<= )(?:--?[A-Za-z][A-Za-z0-9-]*|!)(?= |$)")


class ShapeIndex:
    """The shapes of one table. A line is tried on the shape that followed last time, then on
    those with the same options.
    """

    __slots__ = ("_by_options", "_last")

    def __init__(self) -> None:
        self._by_options: dict[str, list[Shape]] = {}
        self._last: Shape | None = None

    def find(self, line: str) -> tuple[Shape, tuple[str, ...]] | None:
        """The shape of a line and the texts of its operands."""
        last = self._last
        if last is not None:
            guess = last.next
            if guess is not None:
                found = guess.fullmatch(line)
                if found is not None:
                    self._last = guess
                    return guess, found.groups()  # type: ignore[return-value]
        for shape in self._by_options.get(" ".join(_OPTION.findall(line)), ()):
            found = shape.fullmatch(line)
            if found is not None:
                if last is not None:
                    last.next = shape
                self._last = shape
                return shape, found.groups()  # type: ignore[return-value]
        return None

    def learn(self, line: str, shape: Shape) -> None:
        """Add the shape of a line that no known shape fits."""
        if shape.fullmatch(line) is None:
            return
        self._by_options.setdefault(" ".join(_OPTION.findall(line)), []).insert(0, shape)
        if self._last is not None:
            self._last.next = shape
        self._last = shape
