# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint lsp``: a language server for editors."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import click

from ctlint.cli.exit_codes import EXIT_CLEAN, EXIT_UNUSABLE
from ctlint.cli.streams import tell


@click.command("lsp")
@click.option("--stdio", is_flag=True, help="As without: some clients say so.")
def command(stdio: bool) -> int:
    """Show findings in an editor: a language server over standard input and output.

    An editor starts it; docs/editors.md says how. It reads ctlint.toml as `ctlint lint` does, and
    writes no file.

    \b
    Exit codes: 0 the editor has ended it; 2 it cannot be started, or the editor has gone.
    """
    del stdio
    if find_spec("pygls") is None:
        tell("ctlint: the language server needs pygls: pip install 'ctlint[lsp]'")
        return EXIT_UNUSABLE
    if sys.stdin is None or sys.stdin.isatty():
        tell(
            "ctlint: an editor starts the language server and talks to it",
            "  hint: docs/editors.md says how; ctlint lint prints a report",
        )
        return EXIT_UNUSABLE
    from ctlint.lsp.stdio import run

    return EXIT_CLEAN if run() else EXIT_UNUSABLE
