# SPDX-License-Identifier: GPL-2.0-only
"""Collects the evidence of the live host: runs the shell script that ships with ctlint."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ctlint.resources import collect_script
from ctlint.source.errors import SourceError

MOST_INTERVAL: Final = 999
"""Seconds between the two dumps; the script takes no more."""

_SECONDS: Final = 600
"""How long the programs of the script may take beside the pause."""


def collect(folder: str | None, interval: int) -> str:
    """Collect into a new folder; returns its name. Raises SourceError."""
    words = ["sh", "-s", "--", "-i", str(interval)]
    if folder is not None:
        words.append(folder)
    try:
        done = subprocess.run(
            words,
            input=collect_script(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS + interval,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"the programs of the host do not end within {_SECONDS} s") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot run sh: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise SourceError(lines[-1][:300] if lines else f"sh ended with {done.returncode}")
    return done.stdout.strip()


@contextmanager
def collected(interval: int) -> Iterator[str]:
    """The same in a folder that is gone afterwards. Raises SourceError."""
    with tempfile.TemporaryDirectory(prefix="ctlint-") as parent:
        yield collect(str(Path(parent, "live")), interval)
