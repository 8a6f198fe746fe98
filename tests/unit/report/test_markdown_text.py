# SPDX-License-Identifier: GPL-2.0-only
"""Text in Markdown shows what it says and does nothing. The parser is markdown-it, which keeps
CommonMark; what GitHub and GitLab do with text behind it stands in ACTIVE, from their pages.
"""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ctlint.report.escape import visible
from ctlint.report.markdown_text import code_block, code_span, html_text, in_cell, markdown_text
from tests.unit.report.results import HOSTILE

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("`|\\*_[](){}<>&#@:!$~-+=.1a ")
ACTIVE = re.compile(
    r"@\w|#\d|\b(?:https?|ftp|mailto):[^\s\u200b]|www\.\w|:\w+:|GH-\d|![0-9]|\$[^\s\u200b]|~\w|%\w|\[\[",
    re.IGNORECASE,
)
"""Mentions, references, addresses, emoji, formulas, labels, milestones, links to wiki pages."""


def shown(html: str) -> str:
    """The text that a reader sees."""
    return unescape(re.sub("<[^>]*>", "", html)).replace("\u200b", "")


def alive(html: str) -> list[str]:
    """What would come alive in the text of a page."""
    return ACTIVE.findall(unescape(re.sub("<[^>]*>", "\n", html)))


@given(TEXTS)
@example("@here #1 https://example.org www.example.org :smile: GH-1 !1 $x$ ~bug %1 [[x]] a@b.c")
@example("1. x")
@example("- [ ] x")
@example("# x")
def test_text_is_what_it_says(text: str) -> None:
    html = PARSER.render(f"{markdown_text(text)}\n")
    body = html.strip().removeprefix("<p>").removesuffix("</p>").replace("<span>$</span>", "$")
    assert "<" not in body
    assert shown(body) == visible(text).strip()
    assert alive(html) == []


@given(TEXTS)
def test_text_stays_in_its_cell(text: str) -> None:
    row = f"| {markdown_text(text)} | {in_cell(code_span(text))} | end |"
    html = PARSER.render(f"| a | b | c |\n| --- | --- | --- |\n{row}\n")
    cells = re.findall("<td>(.*?)</td>", html)
    assert len(cells) == 3
    assert shown(cells[0]) == visible(text).strip()
    assert shown(cells[1]) == visible(text)
    assert cells[2] == "end"


@given(TEXTS)
def test_code_is_code(text: str) -> None:
    html = PARSER.render(f"x {code_span(text)} y\n")
    if visible(text):
        assert html.count("<code>") == 1
        assert unescape(html) == f"<p>x <code>{visible(text)}</code> y</p>\n"


@given(st.lists(TEXTS))
@example(["```", "~~~", "x```", "````"])
def test_a_block_of_code_ends_where_it_ends(lines: list[str]) -> None:
    html = PARSER.render("\n".join([*code_block(lines), "behind"]))
    inside = "".join(f"{visible(line)}\n" for line in lines)
    assert (
        unescape(html) == f'<pre><code class="language-text">{inside}</code></pre>\n<p>behind</p>\n'
    )


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_in_an_element(text: str) -> None:
    html = html_text(text)
    assert "<" not in html
    assert '"' not in html
    assert "\n" not in html
    assert shown(html) == visible(text)
    assert alive(html) == []
