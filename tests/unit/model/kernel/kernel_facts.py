# SPDX-License-Identifier: GPL-2.0-only
"""Where the recorded facts of kernels are. They are no part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY


def shared(*parts: str) -> Path:
    """A file or folder below CTLINT_SHARED, else ``../shared``; skips the test where absent."""
    named = os.environ.get("CTLINT_SHARED")
    path = (Path(named) if named else REPOSITORY.parent / "shared").joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is absent: set CTLINT_SHARED")
    return path
