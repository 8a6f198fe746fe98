# SPDX-License-Identifier: GPL-2.0-only
"""Documents say what is so: commands, links, generated pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY

README = REPOSITORY / "README.md"
_FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def test_the_readme_has_one_command_to_run_and_one_to_test() -> None:
    run, test = _FENCE.findall(README.read_text(encoding="utf-8"))[:2]
    assert run.count("\n") == test.count("\n") == 1
    assert run.strip().endswith("ctlint lint examples/fin-wait-1")
    ci = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert test.strip() in ci.splitlines()


def test_rule_pages_are_up_to_date() -> None:
    script = REPOSITORY / "tools" / "rule_pages.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "page",
    [README, *sorted((REPOSITORY / "docs").rglob("*.md")), REPOSITORY / "tests" / "README.md"],
    ids=lambda page: page.name,
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
