# SPDX-License-Identifier: GPL-2.0-only
"""Where the reports of one run go: all files appear, or none, whatever stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY
from tests.unit.cli.running import ctlint

EXAMPLE = "examples/fin-wait-1"


def arguments(*targets: tuple[str, str | Path]) -> list[str | Path]:
    given: list[str | Path] = ["lint", EXAMPLE]
    for form, output in targets:
        given += ["--format", form, "--output", output]
    return given


def test_all_formats_at_once(tmp_path: Path) -> None:
    forms = ("text", "concise", "json", "sarif", "github", "junit", "gitlab", "markdown", "html")
    done = ctlint(arguments(*((form, tmp_path / form) for form in forms)))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(forms)
    for form in forms:
        # Each is what it is by itself.
        assert (tmp_path / form).read_text(encoding="utf-8") == ctlint(
            arguments((form, "-"))
        ).stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing/out", "No such file or directory"),
        ("file/out", "Not a directory"),
        ("folder", "Is a directory"),
        ("folder/", "Is a directory"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_a_broken_path_is_told_before_there_is_any_work(
    tmp_path: Path, name: str, told: str
) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    good = tmp_path / "good"
    broken = f"{tmp_path}/{name}"
    for given in (
        arguments(("json", good), ("sarif", broken)),
        arguments(("sarif", broken), ("json", good)),
        [*arguments(("json", good)), "--write-baseline", broken],
    ):
        done = ctlint(given)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"cannot write {broken}: {told}\n"
        assert not good.exists()
    # The input is not even looked at.
    done = ctlint(["lint", tmp_path / "nothing", "--format", "json", "--output", broken])
    assert done.stderr == f"cannot write {broken}: {told}\n"


def test_a_full_device_among_several(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("old")
    for given in (
        arguments(("json", kept), ("sarif", "/dev/full")),
        arguments(("sarif", "/dev/full"), ("json", kept)),
        [*arguments(("sarif", "/dev/full")), "--write-baseline", kept],
    ):
        done = ctlint(given)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "cannot write /dev/full: No space left on device\n"
        assert kept.read_text() == "old"
        assert [*tmp_path.iterdir()] == [kept]


def test_a_full_standard_output_changes_no_file(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("old")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "ctlint", *arguments(("json", kept), ("text", "-"))],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            encoding="utf-8",
        )
    assert done.returncode == 2
    assert done.stderr == "ctlint: cannot write to standard output: No space left on device\n"
    assert kept.read_text() == "old"
    assert [*tmp_path.iterdir()] == [kept]


@pytest.mark.parametrize("form", ["json", "html", "markdown", "sarif"])
def test_a_reader_that_goes_away_leaves_the_files(tmp_path: Path, form: str) -> None:
    other = tmp_path / "other"
    command = (
        f"{sys.executable} -m ctlint lint {EXAMPLE} --format {form} --output - "
        f"--format json --output {other} | head -c 1; echo ${{PIPESTATUS[0]}} >&2"
    )
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, encoding="utf-8", cwd=REPOSITORY
    )
    assert (len(done.stdout), done.stderr) == (1, "1\n")
    assert len(json.loads(other.read_text(encoding="utf-8"))["findings"]) == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_in_between_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    """A pipe that nobody reads holds ctlint where its first report is written already."""
    kept, fifo = tmp_path / "kept", tmp_path / "fifo"
    kept.write_text("old")
    os.mkfifo(fifo)
    # Under nohup the tests ignore SIGHUP, and so would what they start.
    before = signal.signal(number, signal.SIG_DFL)
    running = subprocess.Popen(
        [sys.executable, "-m", "ctlint", *arguments(("json", kept), ("sarif", fifo))],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    signal.signal(number, before)
    try:
        end = time.monotonic() + 60
        while len([*tmp_path.iterdir()]) < 3 and time.monotonic() < end:
            time.sleep(0.02)
        assert len([*tmp_path.iterdir()]) == 3  # the new text stands beside the old one
        running.send_signal(number)
        _, told = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
    assert (running.returncode, told.strip()) == (128 + number, "")
    assert kept.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [fifo, kept]
