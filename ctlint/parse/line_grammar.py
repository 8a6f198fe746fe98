# SPDX-License-Identifier: GPL-2.0-only
"""The Lark grammar of one logical line of an iptables-save dump."""

from __future__ import annotations

from functools import cache

from lark import Lark, Token, Tree

from ctlint.resources import grammar_text


@cache
def _lark() -> Lark:
    return Lark(
        grammar_text("iptables_save"), parser="lalr", lexer="basic", maybe_placeholders=False
    )


def parse_line(line: str) -> Tree[Token]:
    """The tree of a line. Raises lark.exceptions.UnexpectedInput."""
    tree = _lark().parse(line)
    assert isinstance(tree, Tree)
    return tree
