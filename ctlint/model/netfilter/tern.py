# SPDX-License-Identifier: GPL-2.0-only
"""Three-valued truth (Kleene): what cannot be decided stays undecided."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Tern(Enum):
    """Truth of a match for a packet."""

    FALSE = 0
    TRUE = 1
    UNKNOWN = 2

    # Each is one object: see Hook.
    __hash__ = object.__hash__

    @staticmethod
    def of(truth: bool) -> Tern:
        """The value of a plain truth."""
        return Tern.TRUE if truth else Tern.FALSE


def conjunction(values: Iterable[Tern]) -> Tern:
    """All of them: FALSE wins over UNKNOWN."""
    result = Tern.TRUE
    for value in values:
        if value is Tern.FALSE:
            return value
        if value is Tern.UNKNOWN:
            result = value
    return result
