# SPDX-License-Identifier: GPL-2.0-only
"""The bar: on a terminal, on standard error, and only for what takes long."""

from __future__ import annotations

import io
import sys

import pytest

from ctlint.cli import progress
from ctlint.cli.progress import PATIENCE, watched


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(
    monkeypatch: pytest.MonkeyPatch, errors: io.StringIO, output: io.StringIO, seconds: float
) -> str:
    """What is written to standard error while ten items take so long together."""
    moments = iter([0.0, *(seconds * count / 10 for count in range(1, 100))])
    monkeypatch.setattr(progress, "monotonic", lambda: next(moments))
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("TERM", "xterm")
    assert list(watched(iter(range(10)), 10, output)) == list(range(10))
    return errors.getvalue()


def test_a_bar_for_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(monkeypatch, Terminal(), io.StringIO(), 20 * PATIENCE)
    assert "9/10" in shown


def test_no_bar_for_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, Terminal(), io.StringIO(), 0.4 * PATIENCE) == ""


def test_no_bar_without_a_terminal_or_between_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, io.StringIO(), io.StringIO(), 20) == ""
    assert run(monkeypatch, Terminal(), Terminal(), 20) == ""
