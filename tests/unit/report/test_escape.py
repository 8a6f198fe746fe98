# SPDX-License-Identifier: GPL-2.0-only
"""Text of an input cannot act on a terminal or start a line."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.report.escape import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-A INPUT -j DROP", "-A INPUT -j DROP"),
        ("Büro 漢字 🙂", "Büro 漢字 🙂"),
        ("\\n", "\\n"),
        ("a\tb\nc\rd", r"a\tb\nc\rd"),
        ("\x00\x07\x1b[31m\x7f", r"\x00\x07\x1b[31m\x7f"),
        ("\x85\x9b31m\xa0", r"\x85\x9b31m\xa0"),
        ("\u200b\u200e\u202e\u2066\ufeff", r"\u200b\u200e\u202e\u2066\ufeff"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\U000e0041", r"\U000e0041"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "ä漢🙂"),
        ("iso-8859-1", r"ä\u6f22\U0001f642"),
        ("ascii", r"\xe4\u6f22\U0001f642"),
        ("no-such-codec", r"\xe4\u6f22\U0001f642"),
    ],
)
def test_what_the_encoding_cannot_hold_is_escaped(encoding: str, shown: str) -> None:
    assert visible("ä漢🙂", encoding) == shown


@given(st.text(st.characters()), st.sampled_from(["utf-8", "ascii", "cp1252"]))
def test_any_text_is_one_printable_line(text: str, encoding: str) -> None:
    shown = visible(text, encoding)
    assert shown.encode(encoding).decode(encoding) == shown
    assert {unicodedata.category(char) for char in shown}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert len(shown.splitlines()) <= 1
    assert visible(shown, encoding) == shown
