# SPDX-License-Identifier: GPL-2.0-only
"""The text of single sets out of what ``ipset save`` has printed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Final


class SavedSets:
    """Texts that the reader of `ipset save` has accepted; of a set that several have, the last
    counts. They are looked through when a set is first asked for.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(texts)

    @cached_property
    def _lines(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for text in self.texts:
            for line in text.split("\n"):
                words = line.split(None, 2)
                if len(words) < 3 or words[0] not in ("create", "add"):
                    continue
                name = words[1].strip('"')
                if words[1].count('"') == 1:
                    continue  # Its name holds a blank.
                if words[0] == "create":
                    found[name] = []
                found.setdefault(name, []).append(line.strip(" \t"))
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The sets of all texts."""
        return tuple(self._lines)

    def text(self, names: Iterable[str]) -> str:
        """What makes the sets of these names, and those that are members of them, in an order that
        `ipset restore` takes. A set that is not known is left out.
        """
        done: dict[str, None] = {}
        for name in names:
            self._visit(name, done, frozenset())
        lines = [line for name in done for line in self._lines[name]]
        return "\n".join([*lines, ""]) if lines else ""

    def _visit(self, name: str, done: dict[str, None], above: frozenset[str]) -> None:
        lines = self._lines.get(name)
        if lines is None or name in done or name in above:
            return
        if lines[0].split(None, 3)[2] == "list:set":
            for line in lines[1:]:
                # A list holds no list.
                self._visit(line.split(None, 3)[2].strip('"'), done, above | {name})
        done[name] = None


NO_SETS: Final = SavedSets(())
