# SPDX-License-Identifier: GPL-2.0-only
"""The bar: on a terminal, on standard error, and only for what takes long."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from ctlint.cli import progress
from ctlint.cli.progress import PATIENCE, watched


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(
    monkeypatch: pytest.MonkeyPatch,
    errors: io.StringIO,
    output: io.StringIO | None,
    seconds: float,
    label: Callable[[int], str] | None = None,
) -> str:
    """What is written to standard error while ten items take so long together."""
    moments = iter([0.0, *(seconds * count / 10 for count in range(1, 100))])
    monkeypatch.setattr(progress, "monotonic", lambda: next(moments))
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("TERM", "xterm")
    assert list(watched(iter(range(10)), 10, output, label)) == list(range(10))
    return errors.getvalue()


def test_a_bar_for_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(monkeypatch, Terminal(), io.StringIO(), 20 * PATIENCE)
    assert "9/10" in shown


def test_no_bar_for_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, Terminal(), io.StringIO(), 0.4 * PATIENCE) == ""


def test_no_bar_without_a_terminal_or_between_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, io.StringIO(), io.StringIO(), 20) == ""
    assert run(monkeypatch, Terminal(), Terminal(), 20) == ""


def test_the_bar_names_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    shown = run(monkeypatch, Terminal(), None, 20, lambda number: f"[b]host\x1b{number}")
    assert r"[b]host\x1b7" in shown


def test_a_long_name_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run(monkeypatch, Terminal(), None, 20, lambda _: "x" * 300 + "end")
    assert "9/10" in shown
    assert "x" * 28 + "end" in shown
    assert "x" * 29 not in shown


def test_bytes_in_the_place_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, *(float(count) for count in range(2, 100))])
    monkeypatch.setattr(progress, "monotonic", lambda: next(moments))
    errors = Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("TERM", "xterm")
    taken = iter(range(1 << 20, 1 << 30, 1 << 20))
    shown = watched(iter(range(4)), 8 << 20, taken=lambda: next(taken))
    assert list(shown) == list(range(4))
    assert "4.0/8.0 MiB" in errors.getvalue()
