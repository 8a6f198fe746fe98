# SPDX-License-Identifier: GPL-2.0-only
"""The standard streams, which may be closed, full, or read by nobody any more."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from ctlint.report.escape import visible


def replace_closed() -> None:
    """Gives a standard stream that was closed when ctlint began (`>&-`) something to fail on: to
    write to standard output is an error then, and what goes to standard error is lost.
    """
    if sys.stdout is None:
        sys.stdout = _reopened(1, os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _reopened(2, os.O_WRONLY)


def _reopened(descriptor: int, access: int) -> TextIO:
    opened = os.open(os.devnull, access)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace")


def silence(stream: TextIO) -> None:
    """Lets nothing more go to a standard stream, neither what waits to be written."""
    with suppress(OSError, ValueError):
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, stream.fileno())
        os.close(silent)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Printing ends where nobody reads standard output any more: what was asked for was read."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)


def tell(*lines: str) -> None:
    """Writes lines to standard error, if that can be written to. What it cannot hold is escaped."""
    try:
        for line in lines:
            sys.stderr.write(visible(line, sys.stderr.encoding) + "\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)
