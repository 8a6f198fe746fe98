# SPDX-License-Identifier: GPL-2.0-only
"""The job for GitLab CI: its lines, run in the sample repository with the inputs filled in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.corpus import REPOSITORY

INCLUDE = REPOSITORY / "docs" / "ci" / "gitlab.yml"


def _job(**given: str) -> dict[str, Any]:
    """The job as GitLab makes it of the include (docs.gitlab.com, "CI/CD inputs")."""
    head, body = INCLUDE.read_text(encoding="utf-8").split("\n---\n")
    inputs = yaml.safe_load(head)["spec"]["inputs"]
    values = {name: about.get("default") for name, about in inputs.items()} | given
    assert set(values) == set(inputs)
    filled = re.sub(r"\$\[\[ inputs\.([a-z]+) \]\]", lambda found: values[found[1]], body)
    job: dict[str, Any] = yaml.safe_load(filled)["ctlint"]
    return job


def _run(job: dict[str, Any], folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    """GitLab's runner stops at the first line that fails."""
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(job["script"])],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | job["variables"] | {"PATH": path},
    )


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path with this ctlint first."""
    program = tmp_path / "bin" / "ctlint"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m ctlint "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_the_job_is_one(tmp_path: Path) -> None:
    """By the schema of schemastore.org, which GitLab keeps."""
    made = tmp_path / "job.yml"
    made.write_text(yaml.safe_dump({"ctlint": _job(paths="hosts/web")}), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"),
            made,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_sample_includes_it(sample: Path, path: str) -> None:
    include = yaml.safe_load((sample / ".gitlab-ci.yml").read_text("utf-8"))["include"][0]
    assert (REPOSITORY / include["file"]) == INCLUDE
    done = _run(_job(**include["inputs"]), sample, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((sample / "gl-code-quality-report.json").read_text("utf-8")) == []


def test_findings_fail_the_job_and_stand_in_its_reports(sample: Path, path: str) -> None:
    job = _job(paths="hosts/edge hosts/web", args="--isolated")
    done = _run(job, sample, path)
    assert done.returncode == 1
    assert "error[CT102]" in done.stdout
    reports = job["artifacts"]["reports"]
    quality = json.loads((sample / reports["codequality"]).read_text("utf-8"))
    assert {one["check_name"] for one in quality} >= {"CT102", "CT111"}
    suites = ElementTree.parse(sample / reports["junit"]).getroot()
    assert suites.findall(".//failure")
    assert job["artifacts"]["when"] == "always"
