# SPDX-License-Identifier: GPL-2.0-only
"""Line shapes: what Lark and the reader learnt from one rule, applied to the lines alike.

Dumps of tools hold few shapes: the same options in the same order with other operands. The first
line of a shape is read by the grammar; it teaches which words decide structure and which operand
feeds which option. A later line of that shape gives the same structure, because structure never
depends on an operand (see :mod:`ctlint.parse.options`):

- words that decide structure (options, match names, protocol, target) must be the same, with
  exactly one blank between words;
- an operand is one word by the grammar's own terminals, without escapes, and neither ``!`` nor
  anything that starts with ``-``;
- values come from the same operand types as in the slow way, and are kept by their text.

Whatever does not fit goes the slow way, which also finds the words for the error message.

Shapes stand in a trie of words. One that often follows the same shape gets a regular expression
and is tried first there: tools repeat sequences of shapes too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ctlint.ir.rule import AnyMatch, AnyTarget, Counters, Jump, Rule
from ctlint.parse.words import Word

# One operand, plain or in quotes: subsets of the terminals PLAIN and QUOTED of the grammar.
_PLAIN_OPERAND: Final = r'([^ \t\n"!\-][^ \t\n"]*)'
_QUOTED_OPERAND: Final = r'"([^"\\\n]*)"'
_WORDS: Final = re.compile(r'"[^"\\\n]*"|[^ \t\n"]+')

HITS_BEFORE_COMPILING: Final = 16
"""How often a shape must be where it is expected before it gets an expression: compiling one costs
as much as a hundred walks through the trie.
"""

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

    def node(self, groups: Sequence[str]) -> Any:
        """The node for these operands; raises what building raises."""
        key: Any = groups[self.start] if self.is_single else tuple(groups[self.start : self.end])
        found = self.nodes.get(key)
        if found is None:
            found = self.build((key,) if self.is_single else key)
            self.nodes[key] = found
        return found


class Shape:
    """A learnt line: its words, and what its operands feed.

    ``words`` holds the words that must be the same, and None for an operand (``quoted`` says
    which operands stand in quotes). Operands count from 0: the chain (where ``chain`` is None),
    those of the matches in order, those of the target.
    """

    __slots__ = (
        "chain",
        "fullmatch",
        "hits",
        "jump",
        "matches",
        "next",
        "parts",
        "quoted",
        "target",
        "target_part",
        "words",
    )

    def __init__(
        self,
        words: tuple[str | None, ...],
        quoted: tuple[bool, ...],
        *,
        chain: str | None,
        matches: list[AnyMatch | Part],
        target: AnyTarget | None,
        target_part: Part | None,
        jump: int | None,
    ) -> None:
        self.words = words
        self.quoted = quoted
        self.chain = chain
        # Without operands the tuple is shared by all rules of the shape.
        varies = any(isinstance(match, Part) for match in matches)
        self.parts: list[Any] | None = matches if varies else None
        self.matches: tuple[Any, ...] = () if varies else tuple(matches)
        self.target = target
        self.target_part = target_part
        self.jump = jump
        self.hits = 0
        self.fullmatch: Callable[[str], re.Match[str] | None] | None = None
        self.next: Shape | None = None

    def compile(self) -> None:
        """Make the expression: worth its cost for a shape that is met often."""
        quoted = iter(self.quoted)
        pattern = " ".join(
            re.escape(word)
            if word is not None
            else (_QUOTED_OPERAND if next(quoted) else _PLAIN_OPERAND)
            for word in self.words
        )
        self.fullmatch = re.compile(pattern).fullmatch

    def rule(
        self,
        operands: Sequence[str],
        line: int,
        text: str,
        counters: Counters | None,
        jumps: Mapping[str, Jump],
    ) -> Rule | None:
        """The rule, or None where a name is not (yet) a chain. Raises what building raises."""
        chain = self.chain
        if chain is None:
            chain = operands[0]
            if chain not in jumps:
                return None
        parts = self.parts
        if parts is None:
            matches = self.matches
        else:
            matches = tuple([m.node(operands) if m.__class__ is Part else m for m in parts])
        target: AnyTarget | None
        if self.jump is not None:
            target = jumps.get(operands[self.jump])
            if target is None:
                return None
        elif self.target_part is not None:
            target = self.target_part.node(operands)
        else:
            target = self.target
        return Rule(chain, matches, target, line, text, counters)


def is_learnable_operand(word: Word, line: str) -> bool:
    """Whether this operand can stand for others: plain or quoted, without escapes."""
    token = line[word.start : word.end]
    pattern = _QUOTED_OPERAND if word.is_quoted else _PLAIN_OPERAND
    return re.fullmatch(pattern, token) is not None


class _Node:
    """A place in the trie: what may come next."""

    __slots__ = ("plain", "quoted", "shape", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node] = {}
        self.plain: _Node | None = None
        self.quoted: _Node | None = None
        self.shape: Shape | None = None


class ShapeIndex:
    """The shapes of one table."""

    __slots__ = ("_last", "_root")

    def __init__(self) -> None:
        self._root = _Node()
        self._last: Shape | None = None

    def find(self, line: str) -> tuple[Shape, Sequence[str]] | None:
        """The shape of a line (without counters) and the texts of its operands."""
        last = self._last
        if last is not None:
            guess = last.next
            if guess is not None and guess.fullmatch is not None:
                match = guess.fullmatch(line)
                if match is not None:
                    self._last = guess
                    return guess, match.groups()
        found = self._walk(line)
        if found is not None:
            shape = found[0]
            if last is not None:
                if last.next is shape:
                    shape.hits += 1
                    if shape.hits == HITS_BEFORE_COMPILING:
                        shape.compile()
                else:
                    last.next = shape
            self._last = shape
        return found

    def _walk(self, line: str) -> tuple[Shape, Sequence[str]] | None:
        words = _WORDS.findall(line)
        if " ".join(words) != line:
            return None
        node = self._root
        operands: list[str] = []
        for word in words:
            after = node.words.get(word)
            if after is None:
                first = word[0]
                if first == '"':
                    after = node.quoted
                    word = word[1:-1]
                elif first in "!-":
                    return None
                else:
                    after = node.plain
                if after is None:
                    return None
                operands.append(word)
            node = after
        shape = node.shape
        return None if shape is None else (shape, operands)

    def learn(self, shape: Shape) -> None:
        """Add a shape."""
        node = self._root
        quoted = iter(shape.quoted)
        for word in shape.words:
            if word is not None:
                node = node.words.setdefault(word, _Node())
            elif next(quoted):
                if node.quoted is None:
                    node.quoted = _Node()
                node = node.quoted
            else:
                if node.plain is None:
                    node.plain = _Node()
                node = node.plain
        node.shape = shape
        if self._last is not None:
            self._last.next = shape
        self._last = shape
