# SPDX-License-Identifier: GPL-2.0-only
"""The patch is one that GNU patch and git apply, to the very bytes of the edited text."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ctlint.finding import Edit
from ctlint.lint.editing import edited
from ctlint.report.patch import Fixes, render_diff, render_patch
from tests.unit.report.results import LOST_FIN

COMMANDS = [
    ["patch", "-p0", "--posix"],
    ["patch", "-p0"],
    ["git", "apply", "-p0", "--whitespace=nowarn", "-"],
]
ODD = b"caf\xe9 \xff".decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def apply(command: list[str], folder: Path, diff: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is absent")
    done = subprocess.run(
        command, input=as_bytes(diff), capture_output=True, cwd=folder, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr, diff)


def random_case(chance: random.Random) -> tuple[str, list[Edit]]:
    count = chance.randint(1, 30)
    lines = [chance.choice(("one", "", "- two", "+x", "\\ y", ODD, "@@")) for _ in range(count)]
    lines = [f"{line}{number}" if line != "" else line for number, line in enumerate(lines)]
    end = chance.choice(("\n", "\r\n"))
    text = end.join(lines) + (end if chance.random() < 0.7 else "")
    edits: list[Edit] = []
    at = 1
    while at <= count and len(edits) < 5:
        at += chance.randint(0, 9)
        if at > count:
            break
        delete = min(chance.choice((0, 0, 1, 2)), count - at + 1)
        insert = tuple(f"new {n}" for n in range(chance.randint(0 if delete else 1, 2)))
        edits.append(Edit("rules", at, delete, insert))
        at += max(delete, 1)
    return text, edits


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("seed", range(25))
def test_it_makes_the_edited_text(command: list[str], seed: int, tmp_path: Path) -> None:
    text, edits = random_case(random.Random(seed))
    if not edits or not edited(text, edits).strip():
        return
    (tmp_path / "rules").write_bytes(as_bytes(text))
    apply(command, tmp_path, render_diff("rules", text, edits))
    assert (tmp_path / "rules").read_bytes() == as_bytes(edited(text, edits))


@pytest.mark.parametrize("command", COMMANDS[1:], ids=" ".join)
@pytest.mark.parametrize("name", ["a b", 'qu"ote\\', "tab\there", "umläut", "x/y/z", ODD])
def test_odd_names(command: list[str], name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("one\n", encoding="utf-8")
    apply(command, tmp_path, render_diff(name, "one\n", [Edit(name, 1, 0, ("zero",))]))
    assert file.read_text(encoding="utf-8") == "zero\none\n"


def test_an_absolute_name_is_relative_to_the_root() -> None:
    diff = render_diff("/etc/rules.v4", "one\n", [Edit("/etc/rules.v4", 1, 1, ("two",))])
    assert diff == "--- etc/rules.v4\n+++ etc/rules.v4\n@@ -1,1 +1,1 @@\n-one\n+two\n"


def test_standard_input_has_a_name() -> None:
    assert render_diff("-", "a\n", [Edit("-", 1, 1, ())]).startswith("--- stdin\n+++ stdin\n")


class _None:
    files = applied = left_out = gone = made = ()
    left = (LOST_FIN,)


def test_without_a_fix_only_words_come() -> None:
    fixes: Fixes = _None()
    text = render_patch(fixes)
    assert all(line.startswith("# ") for line in text.splitlines())
    assert "# left: CT101 rules.v4:37 (client), error: its fix is not enough\n" in text
