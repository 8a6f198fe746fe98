# SPDX-License-Identifier: GPL-2.0-only
"""docs/ci.md shows what the sample repository has, and names every input."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.corpus import REPOSITORY

SAMPLE = REPOSITORY / "tests" / "e2e" / "sample"
PAGE = (REPOSITORY / "docs" / "ci.md").read_text(encoding="utf-8")
HOOK, WORKFLOW, GITLAB = (
    yaml.safe_load(block)
    for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
)


def _of_sample(name: str) -> Any:
    return yaml.safe_load((SAMPLE / name).read_text(encoding="utf-8"))


def _rows(title: str) -> set[str]:
    """The first cells of the table in a section of the page."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))


def test_the_workflow_is_that_of_the_sample() -> None:
    shipped = _of_sample(".github/workflows/firewall.yml")
    del shipped["name"]
    assert shipped == WORKFLOW


def test_the_job_is_that_of_the_sample() -> None:
    assert _of_sample(".gitlab-ci.yml") == GITLAB


def test_the_hook_is_that_of_the_sample() -> None:
    """But for the place of ctlint, which the test of the hook fills in."""
    (shown,), (shipped,) = HOOK["repos"], _of_sample(".pre-commit-config.yaml")["repos"]
    assert shown["hooks"] == shipped["hooks"]


def test_every_input_is_named() -> None:
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
    assert _rows("GitHub Actions") == set(action["inputs"])
    head = (REPOSITORY / "docs/ci/gitlab.yml").read_text(encoding="utf-8").split("\n---\n")[0]
    assert _rows("GitLab CI") == set(yaml.safe_load(head)["spec"]["inputs"])


def test_every_hook_is_named() -> None:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert _rows("pre-commit") == {hook["id"] for hook in hooks}
