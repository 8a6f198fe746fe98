# SPDX-License-Identifier: GPL-2.0-only
r"""Untrusted text made safe inside of Markdown as GitHub and GitLab read it.

More than Markdown works there: HTML, mentions (``@name``), references (``#1``, ``!1``), addresses
that become links, ``:smile:`` and ``$formulas$``. Most of that looks at the text when Markdown is
done with it, so that a backslash does not stop it; a blank of no width (U+200B) between the sign
and what follows does. In code nothing of it works.

Sources: the specification of GitHub Flavored Markdown, 0.29; GitHub Docs, "Basic writing and
formatting syntax", "Autolinked references and URLs", "Writing mathematical expressions"; GitLab
Docs, "GitLab Flavored Markdown (GLFM)".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

from ctlint.report.escape import visible

MOST_CHARACTERS: Final = 60_000
"""GitHub takes comments of 65,536 characters (and summaries of 1 MiB): some are left for what is
said around a report.
"""

_MARK: Final = "\0"
"""Stands for a blank of no width: visible text has no such character."""

_BREAK: Final = "&#8203;"
_ACTIVE: Final = re.compile(
    r"@|[#!%~^$:&*\[](?=\S)|(?<=[A-Za-z])-(?=[0-9])|(?<=www)(?=\.)", re.IGNORECASE
)
_PUNCTUATION: Final = re.compile(r"[\\`*_\[\]|~!]")
_BEGINNING: Final = re.compile(r"^([0-9]*)(?=[-#+=.)])")
"""What would be a heading or an item of a list."""

_RUNS: Final = re.compile("`+")


def markdown_text(text: str) -> str:
    """A text in a paragraph, an item of a list or a cell of a table, which shows what it says in
    one line, without blanks around it.
    """
    shown = escape(_broken(visible(text).strip()), quote=False)
    shown = _BEGINNING.sub(r"\1\\", _PUNCTUATION.sub(r"\\\g<0>", shown))
    # A backslash does not keep a dollar sign from a formula: GitHub's page names this way.
    return shown.replace("$", "<span>$</span>").replace(_MARK, _BREAK)


def html_text(text: str) -> str:
    """The same inside of an HTML element, where Markdown does not work."""
    return escape(_broken(visible(text))).replace(_MARK, _BREAK)


def _broken(text: str) -> str:
    return _ACTIVE.sub(rf"\g<0>{_MARK}", text)


def code_span(text: str) -> str:
    """A text as code in a line; "" for an empty one."""
    shown = visible(text)
    if not shown:
        return ""
    fence = _fence(shown, 1)
    # One blank on either side is taken away again (CommonMark, section 6.1).
    pad = " " if shown.strip() and (shown[0] in "` " or shown[-1] in "` ") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def in_cell(markdown: str) -> str:
    """Code spans in a cell of a table, which end at a bar even in code (GFM, section 4.10)."""
    return markdown.replace("|", "\\|")


def code_block(lines: Iterable[str], language: str = "text") -> list[str]:
    """Lines as a block of code, with its fences."""
    shown = [visible(line) for line in lines]
    fence = _fence("\n".join(shown), 3)
    return [f"{fence}{language}", *shown, fence]


def _fence(text: str, least: int) -> str:
    """Backticks, more in a row than the text has."""
    longest = max((len(run) for run in _RUNS.findall(text)), default=0)
    return "`" * max(longest + 1, least)
