# SPDX-License-Identifier: GPL-2.0-only
"""What a report costs before it prints, and that each run prints the same bytes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.corpus import REPOSITORY

MODULES = ("caret", "concise", "escape", "github", "gitlab", "junit", "lint_json", "sarif")


def _run(script: str, seed: str = "0") -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("module", [*MODULES, "text"])
def test_no_report_imports_rich_before_it_prints_text(module: str) -> None:
    loaded = _run(f"import sys, ctlint.report.{module}\nprint(*sys.modules)").split()
    assert f"ctlint.report.{module}" in loaded
    assert [name for name in loaded if name.partition(".")[0] == "rich"] == []


def test_every_run_prints_the_same_bytes() -> None:
    script = (
        "from rich.console import Console\n"
        "from ctlint.report.concise import render_concise\n"
        "from ctlint.report.github import render_github\n"
        "from ctlint.report.gitlab import render_gitlab\n"
        "from ctlint.report.junit import render_junit\n"
        "from ctlint.report.lint_json import json_pieces\n"
        "from ctlint.report.sarif import render_sarif\n"
        "from ctlint.report.text import render_text\n"
        "from tests.unit.report.results import EXAMPLE, RULES\n"
        "for render in (render_concise, render_github, render_gitlab, render_junit):\n"
        "    print(render(EXAMPLE))\n"
        "print(''.join(json_pieces(EXAMPLE, version='1')))\n"
        "print(render_sarif(EXAMPLE, version='1', rules=RULES))\n"
        "render_text(EXAMPLE, console=Console(width=80))\n"
    )
    first = _run(script, "1")
    assert first.count("CT101") == 9  # two of SARIF, two of text, one of each other
    assert [_run(script, seed) for seed in ("2", "3")] == [first, first]
