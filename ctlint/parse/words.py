# SPDX-License-Identifier: GPL-2.0-only
"""Words of a rule line, and how they are quoted."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_WORD = 1023
"""Longest word in bytes that iptables-restore takes (struct xt_param_buf, iptables/xshared.h)."""


class Word(NamedTuple):
    """A word without its quotes; ``start`` and ``end`` are offsets into the logical line."""

    text: str
    start: int
    end: int
    is_quoted: bool = False


WORD = re.compile(r'[^ \t\n"]*+"(?:[^"\\]++|\\.)*+"|[^ \t\n"]+', re.DOTALL)
"""A word of a line, as the grammar's terminals QUOTED and PLAIN have it."""

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def unquote(token: str) -> str:
    """The text of a quoted token: ``a"b \\"c"`` is ``ab "c``."""
    head, _, tail = token.partition('"')
    return head + _ESCAPED.sub(r"\1", tail[:-1])


_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./:,@%+=~^*?|&;<>$\[\]{}()-]+", re.ASCII)


def quote(text: str) -> str:
    """The word as a rule line may hold it: plain where that is safe, else in quotes."""
    if _PLAIN_WORD.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
