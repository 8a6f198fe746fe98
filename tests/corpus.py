# SPDX-License-Identifier: GPL-2.0-only
"""Where the corpus of real dumps is. It is third-party text and no part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def find_corpus() -> Path | None:
    """The folder named by CTLINT_CORPUS or else ``../shared/corpus``; None where it is absent."""
    named = os.environ.get("CTLINT_CORPUS")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "corpus"
    return folder if folder.is_dir() else None


def corpus_files(pattern: str) -> list[Path]:
    """Files of the corpus that match a glob, sorted; empty where the corpus is absent.

    For ``pytest.mark.parametrize``: an empty list makes pytest skip the test with a reason.
    """
    folder = find_corpus()
    return [] if folder is None else sorted(folder.glob(pattern))
