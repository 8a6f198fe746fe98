# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint rules``: the list and the pages, as they are read and as they are piped."""

from __future__ import annotations

import json

import pytest

from ctlint.lint.registry import shipped_rules
from tests.unit.cli.running import ctlint

IDS = [info.id for info in shipped_rules()]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_list_fits_its_width(width: int) -> None:
    done = ctlint(["rules"], COLUMNS=str(width))
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= max(width, 60)
    assert [line.split()[0] for line in lines if line.startswith("CT")] == IDS
    # What is said of a rule stands below it.
    said = [line for line in lines if not line.startswith("CT")]
    assert all(line.startswith("       ") for line in said)
    assert "CT206  long-close-wait               note     pedantic" in lines


def test_the_list_has_one_line_a_rule_where_it_is_piped() -> None:
    lines = ctlint(["rules"], COLUMNS="").stdout.splitlines()
    assert [line.split()[0] for line in lines] == IDS
    for info, line in zip(shipped_rules(), lines, strict=True):
        assert info.severity.value in line.split()
        assert line.endswith(info.summary)


@pytest.mark.parametrize("named", ["CT105", "ct105", "new-not-syn-drop"])
def test_a_page_fits_80_columns(named: str) -> None:
    done = ctlint(["rules", named], COLUMNS="80")
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    for heading in shipped_rules()[IDS.index("CT105")].sections:
        assert heading in done.stdout


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        ("CT1o5", "did you mean CT105?"),
        ("output-invalid-dropp", "did you mean output-invalid-drop?"),
        ("zzzz", "`ctlint rules` lists them"),
    ],
)
def test_an_unknown_rule_is_told_with_what_is_meant(named: str, hint: str) -> None:
    done = ctlint(["rules", named])
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"no rule {named!r}; {hint}" in done.stderr


def test_json_has_all_of_them() -> None:
    assert [each["id"] for each in json.loads(ctlint(["rules", "--format", "json"]).stdout)] == IDS
