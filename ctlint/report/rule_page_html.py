# SPDX-License-Identifier: GPL-2.0-only
"""The pages of rules as HTML inside of a report. Their Markdown comes with ctlint, and is trusted;
what stands in it as HTML is shown all the same, not obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_OTHER_PAGE: Final = re.compile(r"(CT\d{3})\.md(?:#.*)?")
_SHIFT: Final = {"h1": "h3", "h2": "h4", "h3": "h5"}
"""Pages stand below a heading of the report."""


class RulePage(Protocol):
    """What a rule says of itself: see :class:`ctlint.lint.rule_api.RuleInfo`."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def sections(self) -> Mapping[str, str]: ...


def rule_pages(rules: Sequence[RulePage]) -> Iterator[str]:
    """An article for each rule, under its id."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    ids = {rule.id for rule in rules}
    for rule in rules:
        head = f'<article class="page" id="{escape(rule.id)}"><h3>{escape(rule.id)} '
        yield f"{head}{escape(rule.name)}</h3>"
        for heading, text in rule.sections.items():
            yield f"<h4>{escape(heading)}</h4>{_rendered(parser, text, ids)}"
        yield "</article>"


def _rendered(parser: MarkdownIt, text: str, ids: Collection[str]) -> str:
    tokens = parser.parse(text)
    for token in tokens:
        token.tag = _SHIFT.get(token.tag, token.tag)
        if token.children:
            token.children = [*_linked(token.children, ids)]
    html: str = parser.renderer.render(tokens, parser.options, {})
    return html.replace("<pre>", '<pre tabindex="0">')


def _linked(tokens: Sequence[Token], ids: Collection[str]) -> Iterator[Token]:
    """Links to pages that stand in the report lead there; those to files beside it are none, for it
    stands alone.
    """
    is_kept = True
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrGet("href") or "")
            page = _OTHER_PAGE.fullmatch(target)
            is_kept = target.startswith(("https://", "http://"))
            if page is not None and page[1] in ids:
                token.attrSet("href", f"#{page[1]}")
                is_kept = True
            elif is_kept:
                token.attrSet("rel", "noreferrer")
            if is_kept:
                yield token
        elif token.type == "link_close":
            if is_kept:
                yield token
            is_kept = True
        else:
            yield token
