# SPDX-License-Identifier: GPL-2.0-only
"""The import contracts of pyproject.toml can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY

LAYERS = "A layer imports only what stands below it"
PURITY = "No clock, randomness, socket or process in the pure layers"


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("wire/clock.py", "import time", {PURITY}),
        ("ir/dice.py", "from random import randrange", {PURITY}),
        ("parse/fetch.py", "from urllib.request import urlopen", {PURITY}),
        ("model/deep/__init__.py", "import subprocess", {PURITY}),
        ("source/clock.py", "import time", set()),
        ("source/upward.py", "import ctlint.__main__", {LAYERS}),
        ("wire/upward.py", "import ctlint.ir", {LAYERS}),
        ("unplaced.py", "", {LAYERS}),
    ],
)
def test_breaches_are_found(tmp_path: Path, module: str, line: str, broken: set[str]) -> None:
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    shutil.copytree(REPOSITORY / "ctlint", tmp_path / "ctlint")
    added = tmp_path / "ctlint" / module
    added.parent.mkdir(exist_ok=True)
    added.write_text(f"{line}\n", encoding="utf-8")
    script = (
        "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports\n"
        "sys.exit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
    )
    names = [line.partition(" BROKEN") for line in done.stdout.splitlines()]
    assert {name for name, found, _ in names if found} == broken
    assert done.returncode == bool(broken), done.stdout + done.stderr
