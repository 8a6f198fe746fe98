# SPDX-License-Identifier: GPL-2.0-only
"""Differences in Markdown: bounded, and with nothing in them that a platform obeys."""

from __future__ import annotations

from dataclasses import replace

from ctlint.report.diff_lines import render_diff_markdown
from ctlint.report.markdown_text import MOST_CHARACTERS
from tests.unit.analysis.test_diff import compared, rules
from tests.unit.report.test_markdown_text import alive

OLD = rules("-A INPUT -p tcp --dport 8088 -j ACCEPT")
NEW = rules("-A INPUT -p tcp --dport 8089 -j ACCEPT")


def test_it_is_bounded_and_counts_what_it_leaves_out() -> None:
    result = compared(OLD, NEW)
    assert result.differences
    page = render_diff_markdown(result)
    assert page.count("\n- **") == len(result.differences)
    assert "more differences" not in page
    many = replace(result, differences=result.differences * 1_000)
    page = render_diff_markdown(many)
    assert len(page) <= MOST_CHARACTERS
    shown = page.count("\n- **")
    rest = 1_000 * len(result.differences) - shown
    assert shown > 20
    assert page.endswith(f"And {rest:,} more differences.\n")


def test_words_of_an_input_do_nothing() -> None:
    result = compared(OLD, NEW)
    evil = replace(result.differences[0], message="@org #1 https://example.org :tada: $x$ | <b>")
    page = render_diff_markdown(replace(result, differences=(evil,)))
    (line,) = [line for line in page.split("\n") if "org" in line]
    assert alive(line) == []
    assert "<b>" not in line
