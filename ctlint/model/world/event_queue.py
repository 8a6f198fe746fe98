# SPDX-License-Identifier: GPL-2.0-only
"""What is to happen, in order of time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from ctlint.wire.moments import Micros

Act = Callable[..., None]


class EventQueue:
    """Acts and their moments. Of one moment, what was put in first comes first."""

    __slots__ = ("_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[Micros, int, Act, tuple[Any, ...]]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, at: Micros, act: Act, *arguments: Any) -> None:
        """Let something happen at a moment."""
        self._order += 1
        heappush(self._heap, (at, self._order, act, arguments))

    def next_moment(self) -> Micros | None:
        """When the next happens; None where nothing does."""
        return self._heap[0][0] if self._heap else None

    def take(self) -> tuple[Micros, Act, tuple[Any, ...]]:
        """The next, which is no longer in the queue. The queue must not be empty."""
        at, _, act, arguments = heappop(self._heap)
        return at, act, arguments
