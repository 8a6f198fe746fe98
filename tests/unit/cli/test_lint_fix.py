# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint lint --fix`` as a user calls it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.test_lint import RULES, ctlint

SYSCTL = "net.netfilter.nf_conntrack_tcp_timeout_established = 120\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.v4").write_text(RULES, encoding="utf-8")
    (tmp_path / "s").write_text(SYSCTL, encoding="utf-8")
    return tmp_path


def test_the_patch_makes_the_input_clean(folder: Path) -> None:
    if shutil.which("patch") is None:
        pytest.skip("patch is absent")
    arguments = ["lint", "rules.v4", "--sysctl", "s"]
    done = ctlint([*arguments, "--fix"], cwd=folder)
    assert done.stderr == ""
    assert done.returncode == 1
    assert done.stdout.startswith("# 6 findings: 6 gone with this patch, 0 left, 0 new\n")
    # Nothing was touched.
    assert (folder / "rules.v4").read_text(encoding="utf-8") == RULES
    assert sorted(path.name for path in folder.iterdir()) == ["rules.v4", "s"]
    subprocess.run(["patch", "-p0"], input=done.stdout, text=True, cwd=folder, check=True)
    after = ctlint(arguments, cwd=folder)
    assert after.returncode == 0
    assert "no findings" in after.stdout.lower() or after.stdout.startswith("0 ")


def test_standard_input(folder: Path) -> None:
    done = ctlint(["lint", "-", "--fix"], stdin=RULES, cwd=folder)
    assert "# stdin is standard input: patch FILE < PATCH\n" in done.stdout
    assert "\n--- stdin\n+++ stdin\n" in done.stdout


def test_an_output(folder: Path) -> None:
    done = ctlint(["lint", "rules.v4", "--fix", "--output", "p"], cwd=folder)
    assert done.stdout == ""
    assert "+++ rules.v4\n" in (folder / "p").read_text(encoding="utf-8")
    done = ctlint(["lint", "rules.v4", "--fix", "--output", "rules.v4"], cwd=folder)
    assert done.returncode == 2
    assert (folder / "rules.v4").read_text(encoding="utf-8") == RULES


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "json"], "--fix prints a patch, no report"),
        (["--output", "a", "--output", "b"], "one --output at most"),
        (["--quiet"], "prints nothing"),
    ],
)
def test_what_makes_no_sense(options: list[str], said: str, folder: Path) -> None:
    done = ctlint(["lint", "rules.v4", "--fix", *options], cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr


def test_bytes_that_are_no_text_stay_as_they_are(folder: Path) -> None:
    name = b'-A OUTPUT -m comment --comment "caf\xe9" -m state --state INVALID -j DROP\n'
    rules = RULES.encode().replace(b"-A OUTPUT -m state --state INVALID -j DROP\n", name)
    (folder / "rules.v4").write_bytes(rules)
    done = ctlint(["lint", "rules.v4", "--fix", "--output", "p"], cwd=folder)
    assert done.stderr == ""
    assert b" " + name in (folder / "p").read_bytes()
