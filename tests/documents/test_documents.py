# SPDX-License-Identifier: GPL-2.0-only
"""Documents say what is so: commands, links, generated pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ctlint.lint.registry import shipped_rules
from tests.corpus import REPOSITORY
from tools.rule_pages import DROPPED
from tools.screenshot import TARGET, screenshot

README = REPOSITORY / "README.md"
_FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TEXTS = re.compile(r"<text[^>]*>([^<]*)</text>")
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


def test_the_screenshot_shows_what_lint_prints() -> None:
    # How it is drawn is a matter of rich's version.
    drawn, wanted = (_TEXTS.findall(svg) for svg in (TARGET.read_text("utf-8"), screenshot()))
    assert drawn == wanted, "python tools/screenshot.py"


CANDIDATES = {
    f"CT{series}{number:02}"
    for series, last in ((1, 10), (2, 14), (3, 10), (4, 13), (5, 9))
    for number in range(1, last + 1)
}
"""What was considered for rules at first: five series, numbered from 1."""


def test_every_candidate_is_a_rule_or_has_a_reason() -> None:
    rules = {info.id for info in shipped_rules()}
    dropped = set(re.findall(r"^- (CT\d{3}),", DROPPED, re.MULTILINE))
    assert rules | dropped >= CANDIDATES
    assert not rules & dropped


@pytest.mark.parametrize(
    "page",
    [README, *sorted((REPOSITORY / "docs").rglob("*.md")), REPOSITORY / "tests" / "README.md"],
    ids=lambda page: page.name,
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
