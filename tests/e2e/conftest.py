# SPDX-License-Identifier: GPL-2.0-only
"""A copy of the sample repository, and what is installed beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus import REPOSITORY

SAMPLE = REPOSITORY / "tests" / "e2e" / "sample"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample repository, all of it committed."""
    root = tmp_path / "firewalls"
    shutil.copytree(SAMPLE, root)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "two hosts"]):
        git(root, *words)
    return root


def git(folder: Path, *words: str) -> str:
    """What git prints in a folder, without the settings of this machine."""
    return subprocess.run(
        ["git", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            **{f"GIT_{who}_NAME": "tester" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "tester@example.org" for who in ("AUTHOR", "COMMITTER")},
        },
    ).stdout


@pytest.fixture(scope="session")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where pip gets nothing: what builds an environment of its own needs a package index."""
    folder = tmp_path_factory.mktemp("index")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "hatchling"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        pytest.skip(f"pip gets no packages: {done.stderr.strip().splitlines()[-1]}")
