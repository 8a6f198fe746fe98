# SPDX-License-Identifier: GPL-2.0-only
"""Runs ``ctlint`` as a user does: a process of its own, with little in its environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.corpus import REPOSITORY

Done = subprocess.CompletedProcess[str]


def ctlint(
    arguments: Sequence[str | Path], stdin: str = "", cwd: Path = REPOSITORY, **environment: str
) -> Done:
    """What it prints and its exit code; 100 columns wide unless ``COLUMNS`` says otherwise."""
    return subprocess.run(
        [sys.executable, "-m", "ctlint", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=cwd,
        timeout=120,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUTF8": "1",
            "COLUMNS": "100",
        }
        | environment,
    )
