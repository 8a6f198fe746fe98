# SPDX-License-Identifier: GPL-2.0-only
"""Programs that print what a test wants, in front of the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest


def put(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    """Put shell scripts into the PATH; in their names an underscore is a dash."""
    for name, script in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
