# SPDX-License-Identifier: GPL-2.0-only
"""Untrusted text in Markdown, as a CommonMark renderer reads it."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ctlint.lsp.markdown import prose
from ctlint.report.escape import visible

_RENDER = MarkdownIt("gfm-like", {"linkify": False}).render
HOSTILE = [
    "[x](command:evil)",
    "![x](http://evil/)",
    "<img src=x onerror=alert(1)>",
    "a ` [b](c) ` `d",
    "`` [b](c) ``",
    "*bold* _it_ __b__ ~~gone~~ a_b_c nf_conntrack_tcp_loose",
    "&lt;b&gt; \\[x\\]",
    "<http://evil/>",
    "a | b",
    "\u202e\x1b[31m\n# heading",
]


def _shown(markdown: str) -> tuple[str, set[str]]:
    """The text that a reader sees, and the elements around it."""
    rendered = _RENDER(markdown).strip()
    return (
        html.unescape(re.sub(r"<[^>]*>", "", rendered)),
        set(re.findall(r"<([a-z0-9]+)", rendered)),
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_text_shows_as_it_is(text: str) -> None:
    shown, elements = _shown(f"said: {prose(text)}")
    assert elements <= {"p", "code"}
    if "code" not in elements:
        assert shown == f"said: {visible(text)}"


@given(st.text(alphabet="`[]()<>*_&\\!|~#- ab\n", max_size=30))
def test_any_text(text: str) -> None:
    assert _shown(f"said: {prose(text)}.")[1] <= {"p", "code"}


def test_pairs_of_backticks_are_code() -> None:
    assert prose("use `-A INPUT -m [x]` *now*") == "use `-A INPUT -m [x]` \\*now\\*"
