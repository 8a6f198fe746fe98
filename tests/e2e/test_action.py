# SPDX-License-Identifier: GPL-2.0-only
"""The action for GitHub: its steps, run as the runner runs them (docs.github.com, "Metadata syntax
for GitHub Actions": `shell: bash` is `bash --noprofile --norc -eo pipefail`), in the sample
repository.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.corpus import REPOSITORY

ACTION: dict[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
INSTALL, LINT = ACTION["runs"]["steps"]


class Ran(NamedTuple):
    """What one step did: ``log`` is what the runner reads, the rest are its files."""

    code: int
    log: str
    summary: str
    outputs: dict[str, str]

    def commands(self) -> list[str]:
        """The workflow commands that the runner takes from the log (actions/runner,
        src/Runner.Common/ActionCommand.cs and Runner.Worker/ActionCommandManager.cs): lines that
        begin with `::` behind blanks; none while a token stops them.
        """
        taken, token = [], None
        for line in self.log.splitlines():
            line = line.lstrip()
            if token is not None:
                token = None if line == f"::{token}::" else token
            elif line.startswith("::stop-commands::"):
                token = line.removeprefix("::stop-commands::")
            elif line.startswith("::"):
                taken.append(line)
        assert token is None
        return taken


def _run(step: dict[str, Any], folder: Path, temp: Path, **inputs: str) -> Ran:
    given = {name: about.get("default", "") for name, about in ACTION["inputs"].items()} | inputs
    values = {
        name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: given[found[1]], value)
        for name, value in step["env"].items()
    }
    assert "${{" not in step["run"], "an input in a script is a script"
    files = {"GITHUB_STEP_SUMMARY": temp / "summary", "GITHUB_OUTPUT": temp / "output"}
    for file in files.values():
        file.write_text("", encoding="utf-8")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ
        | values
        | {name: str(file) for name, file in files.items()}
        | {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(REPOSITORY)},
    )
    outputs = files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines()
    return Ran(
        done.returncode,
        done.stdout,
        files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8"),
        dict(line.split("=", 1) for line in outputs),
    )


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """The runner's folder, with this ctlint where the first step installs it."""
    program = tmp_path / "temp" / "ctlint" / "bin" / "ctlint"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m ctlint "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return tmp_path / "temp"


@pytest.mark.parametrize(
    "words",
    [
        ["check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"],
        ["zizmor", "--offline", "--pedantic", "action.yml"],
    ],
    ids=lambda words: words[0],
)
def test_the_action_is_one(words: list[str]) -> None:
    """By the schema of schemastore.org, and by what zizmor knows of harm."""
    program = Path(sys.executable).with_name(words[0])
    done = subprocess.run(
        [program, *words[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_of_the_sample_is_one(sample: Path) -> None:
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema"),
            *("vendor.github-workflows", ".github/workflows/firewall.yml"),
        ],
        cwd=sample,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    workflow = yaml.safe_load((sample / ".github/workflows/firewall.yml").read_text("utf-8"))
    used = workflow["jobs"]["ctlint"]["steps"][1]
    assert used["uses"].startswith("OWNER/ctlint@")
    assert set(used["with"]) <= set(ACTION["inputs"])


def test_a_clean_repository_passes(sample: Path, temp: Path) -> None:
    ran = _run(LINT, sample, temp, paths="hosts/edge\nhosts/web\n")
    assert (ran.code, ran.outputs) == (0, {"exit-code": "0"})
    assert "no findings" in ran.log
    assert ran.commands() == []


def test_findings_are_annotations_a_summary_and_a_log(sample: Path, temp: Path) -> None:
    ran = _run(
        LINT,
        sample,
        temp,
        paths="hosts/edge\n\nhosts/web",
        args="--baseline\n/dev/null\n--fail-on\nnote".replace("/dev/null", str(_empty(temp))),
        sarif="ctlint.sarif",
    )
    assert (ran.code, ran.outputs) == (1, {"exit-code": "1"})
    commands = ran.commands()
    assert commands
    assert all(re.match(r"::(error|warning|notice) file=hosts/", line) for line in commands)
    assert any("title=CT102 input-invalid-drop" in line for line in commands)
    assert "CT102" in ran.summary
    log = json.loads((sample / "ctlint.sarif").read_text(encoding="utf-8"))
    assert {one["ruleId"] for one in log["runs"][0]["results"]} >= {"CT102", "CT111"}


def test_inputs_give_the_runner_no_commands(sample: Path, temp: Path) -> None:
    """Comments and names are anybody's text. Where the log begins a line with one it must not
    become a command: the runner takes `::` behind blanks.
    """
    (sample / "hosts/web").rename(sample / "::error::pwned")
    rules = sample / "::error::pwned/iptables-save"
    comment = (
        '-A OUTPUT -m comment --comment "::add-mask::x" -m conntrack --ctstate INVALID -j DROP'
    )
    good = rules.read_text(encoding="utf-8")
    for text, code in ((good.replace("COMMIT", f"{comment}\nCOMMIT"), 1), ("*filter\n-X\n", 2)):
        rules.write_text(text, encoding="utf-8")
        ran = _run(
            LINT, sample, temp, paths="::error::pwned", args="--format\nconcise\n--output\n-"
        )
        assert ran.code == code
        assert "\n::error::pwned/iptables-save:" in ran.log
        assert all(
            line.startswith(("::error file=", "::warning file=", "::notice file="))
            for line in ran.commands()
        )


def test_names_with_blanks_and_dashes_are_paths(sample: Path, temp: Path) -> None:
    (sample / "hosts/web").rename(sample / "--web 1")
    ran = _run(LINT, sample, temp, paths="--web 1", args="--isolated", summary="false")
    assert ran.code == 1
    assert ran.summary == ""
    assert "file=--web 1/" in ran.commands()[0]


def test_unusable_input_fails_the_step(sample: Path, temp: Path) -> None:
    ran = _run(LINT, sample, temp, paths="hosts/none")
    assert (ran.code, ran.outputs) == (2, {"exit-code": "2"})
    assert "hosts/none" in ran.log


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_it_installs_itself(sample: Path, tmp_path: Path) -> None:
    temp = tmp_path / "runner"
    temp.mkdir()
    installed = _run(INSTALL, sample, temp, python=sys.executable)
    assert installed.code == 0, installed.log
    assert _run(LINT, sample, temp, paths="hosts/edge\nhosts/web").code == 0


def test_an_old_python_is_named(sample: Path, temp: Path) -> None:
    """Only the first line of the step is run: what stands in for Python is older than 3.11."""
    old = temp / "python"
    old.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 9); $2"\n',
        encoding="utf-8",
    )
    old.chmod(0o755)
    ran = _run(INSTALL, sample, temp, python=str(old))
    assert ran.code == 1
    assert "ctlint needs Python 3.11 or later: use actions/setup-python" in ran.log


def _empty(temp: Path) -> Path:
    """A baseline without entries."""
    file = temp / "empty.json"
    file.write_text('{"tool": "ctlint", "version": 1, "findings": []}', encoding="utf-8")
    return file
