# SPDX-License-Identifier: GPL-2.0-only
"""`ctlint lsp` where no server can run."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.corpus import REPOSITORY

_COMMAND = (sys.executable, "-m", "ctlint", "lsp", "--stdio")
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def test_without_its_packages_it_says_what_to_install(tmp_path: Path) -> None:
    """A Python that has everything but pygls."""
    script = (
        "import sys\n"
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pygls' else found(name, *rest)\n"
        "from ctlint.cli.main import main\n"
        "main(['lsp'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=_ENVIRONMENT,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    expected = "ctlint: the language server needs pygls: pip install 'ctlint[lsp]'\n"
    assert done.stderr == expected


def test_on_a_terminal_it_says_who_starts_it() -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            _COMMAND, stdin=theirs, capture_output=True, text=True, env=_ENVIRONMENT
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("ctlint: an editor starts the language server")


def test_a_client_that_never_came() -> None:
    done = subprocess.run(
        _COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=_ENVIRONMENT
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
