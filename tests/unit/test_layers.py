# SPDX-License-Identifier: GPL-2.0-only
"""The import contracts of pyproject.toml cover the whole package and can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import REPOSITORY

PURE = ("wire", "ir", "parse", "model", "headerspace", "finding", "analysis", "lint")
"""The layers below source, report, lab and cli."""


def _contracts() -> dict[str, dict[str, Any]]:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return {found["id"]: found for found in settings["tool"]["importlinter"]["contracts"]}


def test_every_pure_layer_is_held_to_purity() -> None:
    """import-linter refuses a source module that does not exist, so its list grows with us."""
    package = REPOSITORY / "ctlint"
    there = {
        f"ctlint.{name}"
        for name in PURE
        if (package / name / "__init__.py").is_file() or (package / f"{name}.py").is_file()
    }
    assert set(_contracts()["pure"]["source_modules"]) == there


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("wire/clock.py", "import time", "No clock"),
        ("ir/dice.py", "from random import randrange", "No clock"),
        ("parse/fetch.py", "from urllib.request import urlopen", "No clock"),
        ("wire/upward.py", "import ctlint.ir", "A layer imports only"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    shutil.copytree(REPOSITORY / "ctlint", tmp_path / "ctlint")
    (tmp_path / "ctlint" / module).write_text(f"{line}\n", encoding="utf-8")
    script = (
        "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports\n"
        "sys.exit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert done.returncode == 1, done.stdout + done.stderr
    assert [text.startswith(contract) for text in broken] == [True]
