# SPDX-License-Identifier: GPL-2.0-only
"""Line shapes: what Lark and the reader learnt from one rule, applied to the lines alike.

A rule line has sections: its front (``-A CHAIN`` and the conditions of the head, with a match that
``-p`` loads there), one section for each ``-m NAME``, and the target. Tools write few kinds of
them, in many combinations. The first line that holds a kind is read by the grammar; it teaches
which words of the section decide structure and which operand feeds which option. Any line that is
made of known kinds only is then put together from them. That gives what the grammar and the
reader would give, because:

- words that decide structure (options, match names, protocol, target) are the same, with exactly
  one blank between words;
- a section is taught only by a line where each option of the section belongs to the section's own
  extension by its full name. getopt asks the extension that was loaded last first, so no other
  section can take the option;
- an operand is one whole word by the grammar's own terminals, without escapes, and starts with
  neither ``!`` nor ``-``, so it never decides structure;
- what a section needs of the rule around it (protocol, table) is looked at for each
  surrounding (:class:`Scope`), and the values come from the same operand types and checks.

Whatever does not fit goes the slow way, which also finds the words for the error message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from ctlint.ir.rule import AnyMatch, AnyTarget, Counters, Goto, Jump, Match, Option, Rule, Target
from ctlint.parse.extension import Extension, RuleContext
from ctlint.parse.options import RuleError, place_complaint
from ctlint.parse.words import Word
from ctlint.wire.addresses import Family

# A word of a section with quotes: subsets of the terminals PLAIN and QUOTED of the grammar.
_WORD: Final = re.compile(r'"[^"\\]*"|[^ "]+')

# What starts an operand that could decide structure. "" is in every string: no word, no operand.
_NO_OPERAND: Final = "!-"

MAX_SAFE_WORD: Final = 255
"""Words up to this many characters fit into iptables-restore's buffer in any encoding."""

MOST_KEPT: Final = 4096
"""How many heads and targets are kept by their texts: there may be as many as there are rules."""

# Named tuples are made without the call of their constructor, which takes as long again.
_new: Final = tuple.__new__

OneOperandMaker: TypeAlias = Callable[[str, Any], Any]
OperandParser: TypeAlias = Callable[[str, Family], Any]

# What a head says of the sections behind it, and its own matches.
Head: TypeAlias = tuple["Scope", tuple[AnyMatch, ...]]


class SlowLineError(ValueError):
    """A line of known sections that only the slow way can read, or refuse."""


class OptionShape(NamedTuple):
    """One option of a section. ``slots`` are the places of its operands among the section's.

    ``constant`` is the option itself where it has no operand that may vary.
    """

    key: str
    negated: bool
    parsers: tuple[OperandParser, ...]
    slots: tuple[int, ...]
    family: Family
    constant: Option | None = None

    def option(self, operands: Sequence[str]) -> Option:
        """The option with these operands. Raises ValueError."""
        key, negated, parsers, slots, family, constant = self
        if constant is not None:
            return constant
        if len(slots) == 1:
            value = parsers[0](operands[slots[0]], family)
        else:
            pairs = zip(parsers, slots, strict=True)
            value = tuple([parse(operands[slot], family) for parse, slot in pairs])
        return _new(Option, (key, value, negated))


class Scope:
    """What surrounds the sections of a rule: its protocol.

    ``matches`` and ``targets`` keep what was made in it by the sections' texts.
    """

    __slots__ = ("context", "matches", "targets")

    def __init__(self, context: RuleContext) -> None:
        self.context = context
        self.matches: dict[str, Match] = {}
        self.targets: dict[str, Target] = {}


class NodeShape:
    """A kind of match or target section. ``extension`` is None for a verdict."""

    __slots__ = ("_check", "_extension", "_implicit", "_name", "_node", "_options", "_scopes")

    def __init__(
        self,
        node: type[Match] | type[Target],
        name: str,
        extension: Extension | None,
        options: Sequence[OptionShape],
        *,
        implicit: bool = False,
    ) -> None:
        self._node = node
        self._name = name
        self._extension = extension
        self._check = extension.check if extension is not None else None
        self._options = options
        self._implicit = implicit
        self._scopes: set[Scope] = set()

    def make(self, operands: Sequence[str], scope: Scope) -> Any:
        """The match or target with these operands. Raises ValueError, RuleError."""
        if scope not in self._scopes:
            self._enter(scope)
        options = tuple([shape.option(operands) for shape in self._options])
        if self._check is not None and self._check(options, scope.context) is not None:
            raise SlowLineError
        if self._node is Match:
            return _new(Match, (self._name, options, self._implicit))
        return _new(Target, (self._name, options))

    def _enter(self, scope: Scope) -> None:
        if self._extension and place_complaint(self._extension, scope.context) is not None:
            raise SlowLineError
        self._scopes.add(scope)

    def maker_of_one(self) -> OneOperandMaker | None:
        """``make`` for a section of one option with one operand, as most are; or None."""
        if [len(option.slots) for option in self._options] != [1]:
            return None
        ((key, negated, (parse,), _, family, _),) = self._options
        check, scopes, node = self._check, self._scopes, self._node
        name = self._name
        rest = (self._implicit,) if node is Match else ()

        def make(operand: str, scope: Scope) -> Any:
            if scope not in scopes:
                self._enter(scope)
            options = (_new(Option, (key, parse(operand, family), negated)),)
            if check is not None and check(options, scope.context) is not None:
                raise SlowLineError
            return _new(node, (name, options, *rest))

        return make


class HeadShape:
    """A kind of head: ``options`` in the order of the IR, and the matches that ``-p`` loads."""

    __slots__ = ("_implicit", "_options", "_scope")

    def __init__(
        self, scope: Scope, options: Sequence[OptionShape], implicit: Sequence[NodeShape]
    ) -> None:
        self._scope = scope
        self._options = options
        self._implicit = implicit

    def make(self, operands: Sequence[str], _: Scope | None) -> Head:
        """The head with these operands. Raises ValueError, RuleError."""
        matches: tuple[AnyMatch, ...] = ()
        if self._options:
            options = tuple([shape.option(operands) for shape in self._options])
            matches = (_new(Match, ("ip", options, False)),)
        if self._implicit:
            matches += tuple([shape.make(operands, self._scope) for shape in self._implicit])
        return self._scope, matches

    def maker_of_one(self) -> OneOperandMaker | None:
        """``make`` for a head of one option with one operand; or None."""
        if self._implicit or [len(option.slots) for option in self._options] != [1]:
            return None
        ((key, negated, (parse,), _, family, _),) = self._options
        scope = self._scope

        def make(operand: str, _: Scope | None) -> Head:
            option = _new(Option, (key, parse(operand, family), negated))
            return scope, (_new(Match, ("ip", (option,), False)),)

        return make


class _Node:
    """A place in the trie: what may come next."""

    __slots__ = ("operand", "shape", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node] = {}
        self.operand: _Node | None = None
        self.shape: Any = None


class ShapeTrie:
    """The known kinds of one sort of section, by their words (None: an operand)."""

    __slots__ = ("_root", "_tails")

    def __init__(self) -> None:
        self._root = _Node()
        # Kinds of one option with one operand, which then is the last word, by the text before.
        self._tails: dict[str, OneOperandMaker] = {}

    def make(self, section: str, scope: Scope | None) -> Any:
        """What a section means in its scope, or None where it is of no known kind.

        Raises ValueError, RuleError.
        """
        if section[-1:] == '"':
            first, _, operand = section.partition(' "')
            make = self._tails.get(first)
            if make is not None:
                text = operand[:-1]
                if text[:1] in _NO_OPERAND or '"' in text or "\\" in text:
                    return None
                return make(text, scope)
        else:
            first, _, operand = section.rpartition(" ")
            make = self._tails.get(first)
            if make is not None:
                if operand[:1] in _NO_OPERAND or '"' in operand:
                    return None
                return make(operand, scope)
        if '"' in section:
            words = _WORD.findall(section)
            if " ".join(words) != section:
                return None
        else:
            words = section.split(" ")
        node = self._root
        operands: list[str] = []
        for word in words:
            after = node.words.get(word)
            if after is None:
                after = node.operand
                if word[:1] == '"':
                    word = word[1:-1]
                if after is None or word[:1] in _NO_OPERAND:
                    return None
                operands.append(word)
            node = after
        return None if node.shape is None else node.shape.make(operands, scope)

    def learn(self, words: Sequence[str | None], shape: NodeShape | HeadShape) -> None:
        """Add a kind of section."""
        node = self._root
        for word in words:
            if word is not None:
                node = node.words.setdefault(word, _Node())
            else:
                if node.operand is None:
                    node.operand = _Node()
                node = node.operand
        node.shape = shape
        make = shape.maker_of_one()
        if make is not None:
            self._tails[" ".join(word for word in words if word is not None)] = make


class HeadShapes(ShapeTrie):
    """The known kinds of heads of a base chain, or of all user chains; ``made`` keeps heads."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Head] = {}


class RuleShapes:
    """The kinds of sections that the lines of one table have taught.

    ``chains`` holds the rules of all chains of the table, ``jumps`` its user chains. Both belong
    to the table, which changes them.
    """

    def __init__(
        self,
        base_chains: Sequence[str],
        chains: Mapping[str, list[Rule]],
        jumps: Mapping[str, Jump],
    ) -> None:
        self._chains = chains
        self._jumps = jumps
        self._scopes: dict[RuleContext, Scope] = {}
        self._base_heads = {chain: HeadShapes() for chain in base_chains}
        self._user_heads = HeadShapes()
        self.matches = ShapeTrie()
        self.targets = ShapeTrie()

    def scope(self, context: RuleContext) -> Scope:
        """The one scope of a context."""
        return self._scopes.setdefault(context, Scope(context))

    def forget_targets(self) -> None:
        """Unlearn the targets, where a new chain may hide one of them."""
        self.targets = ShapeTrie()
        for scope in self._scopes.values():
            scope.targets.clear()

    def heads(self, chain: str) -> HeadShapes:
        """The kinds of heads for rules of this chain."""
        return self._base_heads.get(chain) or self._user_heads

    def place(
        self, body: str, number: int, line: str = "", counters: Counters | None = None
    ) -> bool:
        """Add the rule of a line to its chain, where all sections of the line are known.

        ``body`` is the rule without counters, ``line`` with them; neither holds a tab or a NUL.
        False: the line has to go the slow way, nothing was changed.
        """
        sections = body.split(" -m ")
        last, arrow, aim = sections[-1].rpartition(" -j ")
        if not arrow:
            last, arrow, aim = sections[-1].rpartition(" -g ")
        if arrow:
            sections[-1] = last
        command, _, front = sections[0].partition(" ")
        chain, blank, text = front.partition(" ")
        rules = self._chains.get(chain)
        if rules is None or (blank and not text):
            return False
        heads = self._base_heads.get(chain) or self._user_heads
        try:
            head: Head | None = heads.made.get(text)
            if head is None:
                head = heads.make(text, None)
                if head is None:
                    return False
                if len(heads.made) < MOST_KEPT:
                    heads.made[text] = head
            scope, matches = head
            if len(sections) > 1:
                made = scope.matches
                for text in sections[1:]:
                    match = made.get(text)
                    if match is None:
                        match = self.matches.make(text, scope)
                        if match is None:
                            return False
                        made[text] = match
                    matches += (match,)
            target: AnyTarget | None = None
            if arrow:
                target = self._jumps.get(aim)
                if arrow == " -g ":
                    target = Goto(aim) if target is not None else None
                elif target is None:
                    target = scope.targets.get(aim) or self._new_target(aim, scope)
                if target is None:
                    return False
        except (ValueError, RuleError):
            return False
        rule = _new(Rule, (chain, matches, target, number, line or body, counters))
        if command == "-A":
            rules.append(rule)
        elif command == "-I":
            rules.insert(0, rule)
        else:
            return False
        return True

    def _new_target(self, section: str, scope: Scope) -> Target | None:
        target: Target | None = self.targets.make(section, scope)
        if target is not None and len(scope.targets) < MOST_KEPT:
            scope.targets[section] = target
        return target


def is_learnable_operand(word: Word, line: str) -> bool:
    """Whether this operand can stand for others: a whole word, plain or quoted, no escapes."""
    token = line[word.start : word.end]
    if word.text[:1] in _NO_OPERAND:
        return False
    return token == (f'"{word.text}"' if word.is_quoted else word.text)
