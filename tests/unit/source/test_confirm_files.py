# SPDX-License-Identifier: GPL-2.0-only
"""Which kind of input a file is, and lint results that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctlint.finding import Confidence
from ctlint.source.confirm_files import LintResultFile, Rules, ScenarioText, confirm_file
from ctlint.source.errors import SourceError
from ctlint.source.lint_results import MAX_MARKS, lint_result, witnesses

WITNESS: dict[str, Any] = {
    "scenario": {"packets": [{"dir": "orig", "flags": "S"}]},
    "expect": [{"packet": 0, "delivered": True}],
}
FINDING: dict[str, Any] = {
    "rule": "CT101",
    "confidence": "certain",
    "location": {"file": "rules.v4", "line": 3},
    "witness": WITNESS,
}


def result(*findings: Any, version: Any = 1) -> str:
    return json.dumps({"version": version, "findings": list(findings)})


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a", result(FINDING), LintResultFile),
        ("a.json", json.dumps({"findings": [], "version": 1}, indent=2), LintResultFile),
        ("a", "# saved\n*filter\nCOMMIT\n", Rules),
        ("a.json", "*filter\nCOMMIT\n", Rules),
        ("a", '{"packets": []}', ScenarioText),
        ("a", ' [{"packets": []}]', ScenarioText),
        ("a.jsonl", '{"packets": []}\n{"packets": []}\n', ScenarioText),
        ("a", '{"name": "\\"findings\\"", "packets": []}', ScenarioText),
        ("a", "client SYN => NEW\n", ScenarioText),
        ("a.ct", "", ScenarioText),
    ],
)
def test_the_kind_of_an_input(tmp_path: Path, name: str, text: str, kind: type) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert isinstance(confirm_file(str(path)), kind)


def test_a_folder_is_a_host(tmp_path: Path) -> None:
    assert confirm_file(str(tmp_path)) == Rules(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("Chain INPUT (policy ACCEPT)\n", "begins with 'Chain INPUT"),
        ("\x1b]0;x\x07 odd\n", "this is neither rules nor witnesses nor a scenario"),
        ("net.ipv4.ip_forward = 1\n", "neither"),
    ],
)
def test_what_is_none_of_them(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "input"
    path.write_text(text)
    with pytest.raises(SourceError, match=r".") as caught:
        confirm_file(str(path))
    assert words in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "input.json"
    path.write_bytes(b'{"findings": "' + b"x" * (65 << 20) + b'"}')
    with pytest.raises(SourceError, match="larger than 64 MiB"):
        confirm_file(str(path))


def read(text: str) -> list[Any]:
    found = lint_result(text, "r.json")
    assert found is not None
    return list(witnesses(found, "r.json"))


def test_witnesses_and_findings_without() -> None:
    without = {**FINDING, "witness": None}
    first, second = read(result(FINDING, without))
    assert second is None
    assert (first.rule, first.confidence, first.file, first.line, first.number) == (
        "CT101",
        Confidence.CERTAIN,
        "rules.v4",
        3,
        1,
    )
    assert first.witness.scenario == WITNESS["scenario"]


@pytest.mark.parametrize("version", [2, 0, "1", None, [1]])
def test_an_unknown_version(version: Any) -> None:
    with pytest.raises(SourceError, match=r"a lint result of version .*, not 1"):
        read(result(FINDING, version=version))


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (3, "is no object"),
        ({}, 'has no "rule"'),
        ({**FINDING, "witness": []}, "no scenario"),
        ({**FINDING, "witness": {"scenario": {}, "expect": []}}, "expects nothing"),
        ({**FINDING, "witness": {"scenario": {}, "expect": [{}]}}, "of no packet"),
        ({**FINDING, "witness": {"scenario": {}, "expect": [{"packet": -1}]}}, "of no packet"),
        ({**FINDING, "witness": {"scenario": {}, "expect": [{"packet": 10**9}]}}, "behind 1000"),
        ({**FINDING, "location": {"file": "x"}}, "file and line"),
        ({**FINDING, "location": {"file": "x", "line": True}}, "file and line"),
        ({**FINDING, "rule": 7}, '"rule" is no text'),
        ({**FINDING, "confidence": "sure"}, "'sure'"),
        ({**FINDING, "confidence": ["x" * 99]}, "…"),
    ],
)
def test_a_finding_that_is_not_as_it_must_be(finding: Any, words: str) -> None:
    with pytest.raises(SourceError, match=r"^r\.json: finding 2: ") as caught:
        read(result(FINDING, finding))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["{" * 9_000 + '"findings"', '{"findings": [], "n": ' + "9" * 9_000]
)
def test_what_json_refuses_is_left_to_the_reader_of_scenarios(text: str) -> None:
    assert lint_result(text, "r.json") is None


def test_the_number_of_values_is_bounded() -> None:
    with pytest.raises(SourceError, match="more than 2,000,000 values"):
        lint_result('{"findings": [' + "[]," * (MAX_MARKS // 2 + 1) + "[]]}", "r.json")
