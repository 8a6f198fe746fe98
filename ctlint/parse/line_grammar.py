# SPDX-License-Identifier: GPL-2.0-only
"""The Lark grammar of one logical line of an iptables-save dump."""

from __future__ import annotations

from lark import Lark, Token, Tree

from ctlint.resources import grammar_text


class LineGrammar:
    """Parses lines by ``grammar/iptables_save.lark``, which is loaded with the first line."""

    def __init__(self) -> None:
        self._lark: Lark | None = None

    def parse(self, line: str) -> Tree[Token]:
        """The tree of a line. Raises lark.exceptions.UnexpectedInput."""
        if self._lark is None:
            self._lark = Lark(
                grammar_text("iptables_save"),
                parser="lalr",
                lexer="basic",
                maybe_placeholders=False,
            )
        tree = self._lark.parse(line)
        assert isinstance(tree, Tree)
        return tree
