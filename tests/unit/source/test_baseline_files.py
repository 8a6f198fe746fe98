# SPDX-License-Identifier: GPL-2.0-only
"""Baselines from files, and what is said of those that are none. docs/baseline.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctlint.finding import Identity, Severity
from ctlint.lint.baseline import Baseline, Known
from ctlint.report.baseline import BASELINE_VERSION, render_baseline
from ctlint.source import baseline_files
from ctlint.source.baseline_files import BASELINE_FORMAT, read_baseline
from ctlint.source.errors import SourceError

HOSTILE = "-A \x1b[2J \u202e \udcff \"'{}[],\\ \n\r\u2028 é 😀"
FOUND: Baseline = {
    Identity("CT102", "server", "IPV4", "filter", "INPUT", ":INPUT DROP"): Known(2, Severity.ERROR),
    Identity("CT101", "", "", "", "", HOSTILE): Known(1, Severity.NOTE),
}
ENTRY = {
    **dict.fromkeys(("rule", "role", "family", "table", "chain", "text"), "x"),
    "severity": "note",
    "count": 1,
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "b"
    text = render_baseline(FOUND)
    assert text.isascii()
    assert {char for char in text if not char.isprintable()} == {"\n"}
    assert [line.split(",")[0].strip() for line in text.splitlines()[4:6]] == [
        '{"rule": "CT101"',
        '{"rule": "CT102"',
    ]
    file.write_text(text, encoding="utf-8")
    assert read_baseline(str(file)) == FOUND
    file.write_text(render_baseline({}), encoding="utf-8")
    assert read_baseline(str(file)) == {}


def test_the_versions_are_the_same() -> None:
    assert BASELINE_VERSION == BASELINE_FORMAT


def document(**changed: Any) -> str:
    whole = {"tool": "ctlint", "version": 1, "findings": [ENTRY], **changed}
    return json.dumps({key: value for key, value in whole.items() if value is not None})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "b:1:1: a baseline is JSON, and this is not"),
        ('{"tool": "ctlint",\n', "b:2:1: a baseline is JSON, and this is not"),
        (document()[:-9], "b:1:150: a baseline is JSON, and this is not"),
        ("[" * 100_000, "b: a baseline is JSON, and this is not"),
        ("[]", "b: no baseline of ctlint"),
        ('{"version": "1.5.0", "results": {}}', "b: no baseline of ctlint"),
        (document(tool={"name": "ctlint"}), "b: no baseline of ctlint"),
        (document(version=2), "b: a baseline of version 2, not 1"),
        (document(version=None), "b: a baseline of version None, not 1"),
        (document(version=True), "b: a baseline of version True, not 1"),
        (document(findings={}), 'b: a baseline has a list "findings"'),
        (
            document(findings=[ENTRY, {**ENTRY, "x": 1}]),
            "b: finding 2: an entry has rule, role, family, table, chain, text, severity, count",
        ),
        (document(findings=[7]), "b: finding 1: an entry has rule, role, family, table, chain, "),
        (document(findings=[{**ENTRY, "count": 0}]), 'b: finding 1: "count" is no number'),
        (document(findings=[{**ENTRY, "count": True}]), 'b: finding 1: "count" is no number'),
        (document(findings=[{**ENTRY, "count": 10**12}]), 'b: finding 1: "count" is no number'),
        (document(findings=[{**ENTRY, "text": None}]), "b: finding 1: a value is no text"),
        (document(findings=[{**ENTRY, "severity": "bad"}]), 'b: finding 1: "severity" is none'),
        (document().replace('"count": 1', f'"count": {"9" * 5000}'), "b: a baseline is JSON, and"),
    ],
)
def test_what_is_no_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError) as error:
        read_baseline("b")
    assert error.value.message.startswith(message)
    assert error.value.hint


def test_a_huge_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "b"
    file.write_text(document(findings=[ENTRY] * 100), encoding="utf-8")
    monkeypatch.setattr(baseline_files, "MAX_MARKS", 500)
    with pytest.raises(SourceError, match="more than 500 values"):
        read_baseline(str(file))
    monkeypatch.setattr(baseline_files, "MAX_BASELINE", 1 << 10)
    with pytest.raises(SourceError, match="larger than"):
        read_baseline(str(file))
