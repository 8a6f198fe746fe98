# SPDX-License-Identifier: GPL-2.0-only
"""What rules remember from one packet to the next: credits, lists, counters, sets."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar, cast

from ctlint.model.netfilter.set_state import SetState

T = TypeVar("T")


class Memory:
    """The memory of all rules of a box.

    A match that keeps something for each of its rules (``limit``) keeps it under the rule's
    reference; one that keeps it under a name (``recent``, ``hashlimit``) under that. ``sets`` are
    the ipsets, by name; what a rule asks of one that is not there is not known.
    """

    def __init__(self, sets: Mapping[str, SetState] | None = None) -> None:
        self.sets: dict[str, SetState] = dict(sets or {})
        self._kept: dict[tuple[str, Hashable], object] = {}

    def kept(self, kind: str, key: Hashable, make: Callable[[], T]) -> T:
        """What a kind of match keeps under a key; made where it is asked for first."""
        found = self._kept.get((kind, key))
        if found is None:
            found = self._kept[kind, key] = make()
        return cast("T", found)
