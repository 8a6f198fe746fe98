# SPDX-License-Identifier: GPL-2.0-only
"""Fixes as diffs without context; patch(1) is asked whether they are what they say."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ctlint.finding import Edit, Fix, Location
from ctlint.report.fix_lines import fix_lines
from tests.unit.report.results import ALLOWED, LOST_FIN

TEXT = "".join(f"line {number}\n" for number in range(1, 10))
EDITS = (
    Edit("f", 2, 0, ("new 2a", "new 2b")),
    Edit("f", 4, 1, ("new 4",)),
    Edit("f", 5, 2, ()),
    Edit("f", 10, 0, ("end",)),
)
AFTER = "line 1\nnew 2a\nnew 2b\nline 2\nline 3\nnew 4\nline 7\nline 8\nline 9\nend\n"
FINDING = replace(
    LOST_FIN,
    location=Location("f", 4, text="line 4"),
    related=(Location("f", 5, text="line 5"), Location("f", 6, text="line 6")),
    fix=Fix("d", EDITS, is_safe=True),
)


def test_the_diff() -> None:
    assert fix_lines(FINDING) == [
        *("--- f", "+++ f"),
        *("@@ -1,0 +2,2 @@", "+new 2a", "+new 2b"),
        *("@@ -4,1 +6,1 @@", "-line 4", "+new 4"),
        *("@@ -5,2 +6,0 @@", "-line 5", "-line 6"),
        *("@@ -9,0 +10,1 @@", "+end"),
    ]
    assert fix_lines(ALLOWED) == []


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch(1) is absent")
def test_patch_applies_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(TEXT)
    lines = "".join(f"{line}\n" for line in fix_lines(FINDING))
    subprocess.run(["patch", "-p0", "-s"], input=lines, cwd=tmp_path, text=True, check=True)
    assert (tmp_path / "f").read_text() == AFTER


def test_a_line_that_is_not_known_is_told_by_its_number() -> None:
    fix = Fix("d", (Edit("g", 7, 1, ()),), is_safe=False)
    assert fix_lines(replace(FINDING, fix=fix))[2:] == [
        "@@ -7,1 +6,0 @@",
        "-(line 7 as it stands)",
    ]
