# SPDX-License-Identifier: GPL-2.0-only
"""What the readers of both script languages share: words, their places, and what was expected where
reading stops.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem, expected_terminals
from ctlint.resources import grammar_text

if TYPE_CHECKING:
    from lark import Lark, Token, Tree, UnexpectedInput

MAX_SCRIPT: Final = 1 << 20
"""Characters of a script."""

_SHOWN: Final = 40

_QUOTED: Final = re.compile(r'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"')
"""What the grammar calls STRING."""
_AFTER_TEXT: Final = "the end of the statement: a new line or ';'"

Expected: TypeAlias = tuple[tuple[str, str, tuple[str, ...]], ...]
"""What is looked for, by a terminal that stands for it: the first that is among those expected. The
words are what may have been meant.
"""


class Word(NamedTuple):
    """A word and its place. `is_quoted`: it stood in quotes, which are no part of it."""

    text: str
    span: Span
    is_quoted: bool = False


Pair: TypeAlias = tuple[Word, Word]
"""A key and its value."""


class Language(NamedTuple):
    """A language of scripts: the name of its grammar, the words with which a statement may begin,
    what such is called, and what is expected by terminals. `opener` is a terminal that only begins
    a statement; `answered` says what may have an answer.
    """

    grammar: str
    statements: tuple[str, ...]
    statement: str
    opener: str
    expected: Expected
    answered: str


class ScriptReader:
    """Reads a text by the grammar of its language. Raises ParseError with the first problem."""

    language: Language

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file

    def tree(self) -> Tree[Token]:
        """The whole text, as the grammar has it."""
        from lark import UnexpectedInput

        if len(self.text) > MAX_SCRIPT:
            self.refuse(0, 0, f"longer than {MAX_SCRIPT >> 20} MiB")
        found = re.search("[\ud800-\udfff\ufeff\0]", self.text)
        if found is not None:
            what = "a byte order mark" if found[0] == "\ufeff" else "not UTF-8 text"
            self.refuse(found.start(), found.end(), what)
        try:
            return _parser(self.language.grammar).parse(self.text)
        except UnexpectedInput as error:
            self.refuse_syntax(error)

    # Places

    def span(self, start: int, end: int) -> Span:
        """A place within one line of the text."""
        begin = self.text.rfind("\n", 0, start) + 1
        line = self.text.count("\n", 0, start) + 1
        return Span(self.file, line, start - begin + 1, end - begin + 1)

    def place(self, token: Token) -> Span:
        line, column = token.line or 1, token.column or 1
        return Span(self.file, line, column, column + len(token))

    def refuse(self, start: int, end: int, message: str, hint: str | None = None) -> NoReturn:
        raise ParseError((Problem(self.span(start, end), message, hint),))

    def refuse_syntax(self, error: UnexpectedInput) -> NoReturn:
        expected, is_end = expected_terminals(error)
        start = len(self.text.rstrip()) if is_end else error.pos_in_stream
        position = len(self.text) if start is None else start
        found = self.word_at(position)
        what, meant = next(
            ((said, words) for name, said, words in self.language.expected if name in expected),
            (_AFTER_TEXT, ()),
        )
        if self.language.opener in expected:
            what, meant = self.language.statement, self.language.statements
        if not found:
            end = "the end of the line" if position < len(self.text) else "the end"
            if self.text[position : position + 1] == ";":
                end = "';'"
            self.refuse(position, position, f"expected {what}, found {end}")
        self.refuse(
            position,
            position + len(found),
            f"expected {what}, found {found!r}",
            self.about_quotes(position) or self.advice(found, expected) or _meant(found, meant),
        )

    def about_quotes(self, position: int) -> str | None:
        """What is wrong with a text in quotes that begins here."""
        if self.text[position] != '"' or _QUOTED.match(self.text, position):
            return None
        return "no quote ends this text on its line"

    def word_at(self, position: int) -> str:
        found = re.compile(r"=>|\"[^\"\n]*\"?|[^\s;]+").match(self.text, position)
        word = found[0] if found else ""
        if word[:1] not in ("[", '"') and not word.startswith("=>"):
            word = re.split(r"(?<=.),", word)[0] if not _is_flags(word) else word
        return word[:_SHOWN]

    def advice(self, word: str, expected: set[str]) -> str | None:
        """What the commonest mistakes look like where reading stops."""
        opener = self.language.opener
        if word.startswith("=>") and "KEY" not in expected:
            return self.language.answered
        if opener in expected and word[:1] in "{[":
            return "this looks like JSON: a scenario, not a script"
        if opener in expected and word.startswith(("*", ":", "-A")):
            return "a rule set is a file of its own: rules FILE"
        return None

    # Words

    def word(self, token: Token) -> Word:
        place = self.place(token)
        if token.type != "STRING":
            return Word(str(token).rstrip(), place)
        try:
            text = json.loads(str(token), strict=False)
        except ValueError:
            text = None
        if not isinstance(text, str) or re.search("[\ud800-\udfff]", text):
            start = token.start_pos or 0
            hint = r'a backslash stands before " \ / b f n r t, and before u and four hex digits'
            self.refuse(start, start + len(token), "a text with a backslash that is not one", hint)
        return Word(text, place, is_quoted=True)

    def words(self, tree: Tree[Token]) -> list[Word]:
        return [self.word(token) for token in tokens_of(tree)]

    def pairs(self, tree: Tree[Token], name: str = "assignment") -> tuple[Pair, ...]:
        found = []
        for each in trees_of(tree, name):
            key, value = self.words(each)
            found.append((key, value))
        return tuple(found)

    def whole(self, tree: Tree[Token]) -> Span:
        """The place of a statement; of several lines, the part in the first."""
        start, end = tree.meta.start_pos, tree.meta.end_pos
        line, column = tree.meta.line, tree.meta.column
        if tree.meta.end_line != line:
            end = self.text.find("\n", start)
        return Span(self.file, line, column, column + end - start)


@cache
def _parser(grammar: str) -> Lark:
    from lark import Lark

    return Lark(
        grammar_text(grammar),
        parser="lalr",
        lexer="contextual",
        maybe_placeholders=False,
        propagate_positions=True,
    )


def tokens_of(tree: Tree[Token]) -> Iterator[Token]:
    from lark import Token

    return (child for child in tree.children if isinstance(child, Token))


def trees_of(tree: Tree[Token], name: str | None = None) -> Iterator[Tree[Token]]:
    from lark import Tree

    for child in tree.children:
        if isinstance(child, Tree) and name in (None, child.data):
            yield child


# Hints


def _is_flags(word: str) -> bool:
    return re.fullmatch(r"[A-Za-z]{2,4}(,[A-Za-z]{2,4})+", word) is not None


def _meant(word: str, known: Iterable[str]) -> str | None:
    """What a misspelled word may have been."""
    by_case = {each.lower(): each for each in known}
    lower = word.lower()
    if lower in by_case:
        return f"did you mean {by_case[lower]}?"
    close = difflib.get_close_matches(lower, list(by_case), n=1, cutoff=0.6)
    return f"did you mean {by_case[close[0]]}?" if close else None


def begins_with(text: str, statements: Iterable[str]) -> bool:
    """Whether the first word of a text that is no comment is one of these."""
    found = re.match(r"(?:\s|#[^\n]*(?:\n|\Z)|;)*([A-Za-z0-9_]+)(?=[\s;\"]|\Z)", text)
    return found is not None and found[1] in statements
