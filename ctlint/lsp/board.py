# SPDX-License-Identifier: GPL-2.0-only
"""What each file shows: the diagnostics of all units that speak of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lsprotocol.types import Diagnostic


class Board:
    """Diagnostics by file and unit. ``publish`` is told what a file shows when that changes."""

    def __init__(self, publish: Callable[[str, Sequence[Diagnostic]], None]) -> None:
        self._publish = publish
        self._said: dict[str, dict[str, Sequence[Diagnostic]]] = {}

    def put(self, unit: str, diagnostics: Mapping[str, Sequence[Diagnostic]]) -> None:
        """All that a unit says from now on, by file."""
        for file in [*self._said, *(file for file in diagnostics if file not in self._said)]:
            said = self._said.setdefault(file, {})
            was_said = unit in said
            said.pop(unit, None)
            if file in diagnostics:
                said[unit] = diagnostics[file]
            if was_said or file in diagnostics:
                self._publish(file, self._shown(file))
            if not said:
                del self._said[file]

    def _shown(self, file: str) -> list[Diagnostic]:
        """What the units say, each thing once: two hosts may share a file of settings."""
        shown: list[Diagnostic] = []
        for diagnostics in self._said[file].values():
            shown += [each for each in diagnostics if each not in shown] if shown else diagnostics
        return shown
