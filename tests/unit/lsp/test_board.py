# SPDX-License-Identifier: GPL-2.0-only
"""What files show when several units speak of them."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol.types import Diagnostic, Position, Range

from ctlint.lsp.board import Board


def _said(message: str) -> Diagnostic:
    return Diagnostic(Range(Position(0, 0), Position(0, 0)), message)


class _Shown:
    def __init__(self) -> None:
        self.files: dict[str, list[str]] = {}
        self.told: list[str] = []

    def __call__(self, file: str, diagnostics: Sequence[Diagnostic]) -> None:
        self.files[file] = [each.message for each in diagnostics]
        self.told.append(file)


def test_files_that_units_share() -> None:
    shown = _Shown()
    board = Board(shown)
    board.put("host1", {"rules1": [_said("a")], "sysctl": [_said("both"), _said("one")]})
    board.put("host2", {"rules2": [], "sysctl": [_said("both"), _said("two")]})
    assert shown.files == {"rules1": ["a"], "rules2": [], "sysctl": ["both", "one", "two"]}
    board.put("host1", {})
    assert shown.files == {"rules1": [], "rules2": [], "sysctl": ["both", "two"]}
    shown.told.clear()
    board.put("host2", {"rules2": [_said("b")]})
    assert shown.files == {"rules1": [], "rules2": ["b"], "sysctl": []}
    # Of what nobody speaks any more nothing is told again.
    assert sorted(shown.told) == ["rules2", "sysctl"]
    shown.told.clear()
    board.put("host1", {})
    assert shown.told == []
