# SPDX-License-Identifier: GPL-2.0-only
"""Standard streams that are closed, full, or that nobody reads: real ones, through a shell."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY

CTLINT = f"{shlex.quote(sys.executable)} -m ctlint"
SCENARIO = "simulate examples/scenarios/half-close.json"
CLEAN = "rules CT101"
EVERY = (
    SCENARIO,
    SCENARIO + " --format json",
    "simulate --not-modelled",
    "lint examples/fin-wait-1 --select CT107",
    "rules",
    "rules CT101",
    "rules --format json",
    "kernel",
    "kernel --list",
    "kernel --format json",
    'explain "10.1.0.1:40000 > 10.2.0.2:8088 FA" --rules examples/fin-wait-1',
    "--help",
    "lint --help",
    "--version",
)


def shell(command: str, tmp_path: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command line; `$CTLINT` in it is ctlint. Faults would leave their files in `tmp_path`."""
    environment = {"PATH": os.environ["PATH"], "PYTHONUTF8": "1", "TMPDIR": str(tmp_path)}
    return subprocess.run(
        ["bash", "-c", command.replace("$CTLINT", CTLINT)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        cwd=REPOSITORY,
        env=environment,
        timeout=120,
    )


def closed_pipe(arguments: str, tmp_path: Path, stdin: str = "") -> tuple[int, str]:
    """The exit code and the words of ctlint where nobody reads its output from the start."""
    command = f"{{ sleep 0.1; $CTLINT {arguments}; echo $? >&2; }} | true"
    lines = shell(command, tmp_path, stdin).stderr.splitlines()
    return int(lines[-1]), "\n".join(lines[:-1])


@pytest.mark.parametrize("arguments", EVERY)
def test_a_reader_that_goes_away_is_no_fault(arguments: str, tmp_path: Path) -> None:
    assert closed_pipe(arguments, tmp_path) == (0, "")


def test_a_reader_that_goes_away_in_the_middle(tmp_path: Path) -> None:
    line = json.dumps({"packets": [{"dir": "orig", "flags": "S"}]}) + "\n"
    for form in ("json", "text"):
        done = shell(
            f"$CTLINT simulate - --format {form} | head -n 1; echo ${{PIPESTATUS[0]}}",
            tmp_path,
            line * 3000,
        )
        assert done.stdout.count("\n") == 2
        assert done.stdout.splitlines()[1] == "0"
        assert done.stderr == ""


@pytest.mark.parametrize("form", ["text", "json", "concise"])
def test_findings_are_findings_whoever_reads_them(form: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = (
        f"lint examples/fin-wait-1 --format {form} --output - --format json --output {report}"
    )
    assert closed_pipe(arguments, tmp_path) == (1, "")
    assert json.loads(report.read_text())["findings"]


def test_what_is_checked_is_checked_whoever_reads_it(tmp_path: Path) -> None:
    packet = '"10.2.0.2:8088 > 10.1.0.1:40000 FA"'
    arguments = f"explain {packet} --dir reply --rules examples/fin-wait-1 --check"
    expected = shell(f"$CTLINT {arguments}", tmp_path).returncode
    assert closed_pipe(arguments, tmp_path) == (expected, "")


def test_bad_input_is_bad_input_whoever_reads_of_it(tmp_path: Path) -> None:
    command = "exec 3>&2; { sleep 0.1; $CTLINT simulate - 2>&1; echo $? >&3; } | true"
    assert shell(command, tmp_path, "{").stderr == "2\n"
    command = (
        "exec 3>&2; { sleep 0.1; $CTLINT simulate nothing --kernel x 2>&1; echo $? >&3; } | true"
    )
    assert shell(command, tmp_path).stderr == "2\n"


@pytest.mark.parametrize("arguments", EVERY)
def test_a_full_device(arguments: str, tmp_path: Path) -> None:
    done = shell(f"$CTLINT {arguments} > /dev/full", tmp_path)
    assert done.returncode == 2
    assert done.stderr == "ctlint: cannot write to standard output: No space left on device\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", EVERY)
def test_a_closed_output(arguments: str, tmp_path: Path) -> None:
    done = shell(f"$CTLINT {arguments} >&-", tmp_path)
    assert done.returncode == 2
    assert done.stderr == "ctlint: cannot write to standard output: Bad file descriptor\n"
    assert not list(tmp_path.iterdir())


def test_closed_streams_that_nothing_is_written_to(tmp_path: Path) -> None:
    to = tmp_path / "out"
    done = shell(f"$CTLINT {SCENARIO} --output {to} >&- 2>&- <&-", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert to.read_text().startswith("A half close")
    done = shell(f"$CTLINT {SCENARIO} 2>&-", tmp_path)
    assert done.returncode == 0
    assert done.stdout == to.read_text()


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", ">&- 2>&-", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize("arguments", ["simulate -", "simulate", "lint nothing", "kernel 0.1"])
def test_errors_that_cannot_be_told(arguments: str, where: str, tmp_path: Path) -> None:
    done = shell(f"$CTLINT {arguments} {where}", tmp_path, "{")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
    assert not list(tmp_path.iterdir())


def test_a_closed_input(tmp_path: Path) -> None:
    done = shell("$CTLINT simulate - <&-", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("standard input is closed\n")
