# SPDX-License-Identifier: GPL-2.0-only
"""docs/diagnose.md shows what ctlint prints, and names all patterns and keys."""

from __future__ import annotations

import json
import re

from ctlint.analysis.diagnosis import Pattern
from ctlint.source.evidence_folders import LATER
from tests.corpus import REPOSITORY
from tests.unit.cli.running import ctlint

_PAGE = (REPOSITORY / "docs" / "diagnose.md").read_text(encoding="utf-8")
_RUN = re.compile(r"^```console\n\$ ctlint (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_what_is_printed() -> None:
    (words, printed), *more = _RUN.findall(_PAGE)
    assert not more
    done = ctlint(words.split(), cwd=REPOSITORY, COLUMNS="80")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == printed


def test_all_patterns_have_a_line_and_all_pages_are_there() -> None:
    for pattern in Pattern:
        assert f"`{pattern.value}`" in _PAGE
        assert pattern.page is None or (REPOSITORY / pattern.page).is_file()


def test_all_keys_are_described() -> None:
    done = ctlint(["diagnose", "examples/diagnose", "--format", "json"], cwd=REPOSITORY)

    def keys(value: object) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(keys, value))
        if isinstance(value, dict):
            return set(value).union(*map(keys, value.values()))
        return set()

    # Those of a location are described with explain's, names of states are the kernel's.
    others = {"file", "line", "column", "table", "chain", "position", "text"}
    found = json.loads(done.stdout)
    named = keys(found) - others - set(found["states"])
    assert {key for key in named if f"`{key}`" not in _PAGE} == set()


def test_names_of_second_dumps() -> None:
    assert f"`ss{LATER}`" in _PAGE
