# SPDX-License-Identifier: GPL-2.0-only
"""The clock tick of a host, and its timers.

Source: kernel/time/timer.c, Linux 4.4 and 6.12: since 4.8 a timer that is far away goes off later
than asked for, by up to an eighth of the span (calc_wheel_index).
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, Final

from ctlint.wire.moments import SECOND, Micros

_LVL_CLK_SHIFT: Final = 3
_LVL_SIZE: Final = 64
_LVL_DEPTH: Final = 9
_LVL_START: Final = tuple(
    (_LVL_SIZE - 1) << (level - 1) * _LVL_CLK_SHIFT for level in range(1, _LVL_DEPTH)
)
"""From this span on, in ticks, a timer is of level 1, 2, …"""

_FEWEST_DEAD: Final = 1024


class Tick:
    """The clock tick of a host: `hz` ticks a second, the first at moment 0.

    `has_coarse_wheel`: timers are rounded up, the more the further away they are.
    """

    __slots__ = ("_hz", "_is_coarse")

    def __init__(self, hz: int, *, has_coarse_wheel: bool) -> None:
        self._hz = hz
        self._is_coarse = has_coarse_wheel

    def jiffies(self, now: Micros) -> int:
        """The tick of a moment."""
        return now * self._hz // SECOND

    def of_seconds(self, seconds: int) -> int:
        """Ticks of a span in seconds."""
        return seconds * self._hz

    def of_micros(self, span: Micros) -> int:
        """Port of usecs_to_jiffies: ticks, rounded up."""
        return -(-span * self._hz // SECOND)

    def micros(self, ticks: int) -> Micros:
        """Port of jiffies_to_usecs: a span of ticks."""
        return ticks * SECOND // self._hz

    def expiry(self, now: Micros, ticks: int) -> Micros:
        """When a timer goes off that is set now for so many ticks from now.

        Port of calc_wheel_index and calc_index, where the wheel is coarse.
        """
        at = now * self._hz // SECOND + ticks
        if self._is_coarse:
            level = 0
            for start in _LVL_START:
                if ticks < start:
                    break
                level += 1
            shift = level * _LVL_CLK_SHIFT
            at = (at >> shift) + 1 << shift
        moment = -(-at * SECOND // self._hz)
        return moment if moment > now else now + SECOND // self._hz


class Timer:
    """One timer. `at` is when it goes off; it is cancelled by making that None."""

    __slots__ = ("at", "fire", "owner", "queued")

    def __init__(self, owner: Any, fire: Callable[[Any, Micros], None]) -> None:
        self.owner = owner
        self.fire = fire
        self.at: Micros | None = None
        self.queued: Micros | None = None


class TimerQueue:
    """The timers of a host, by time. Setting, moving and cancelling are cheap."""

    __slots__ = ("_dead", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[Micros, int, Timer]] = []
        self._serial = 0
        self._dead = 0

    def set(self, timer: Timer, at: Micros) -> None:
        """Sets a timer, or moves it."""
        timer.at = at
        queued = timer.queued
        # One that is put off is found too early in the queue, and put off then.
        if queued is None or at < queued:
            timer.queued = at
            self._serial += 1
            heappush(self._heap, (at, self._serial, timer))

    def forget(self, timer: Timer) -> None:
        """Cancels a timer for good: its owner can go."""
        timer.at = timer.owner = None
        if timer.queued is None:
            return
        self._dead += 1
        if self._dead > _FEWEST_DEAD and self._dead * 2 > len(self._heap):
            self._drop_dead()

    def _drop_dead(self) -> None:
        live = []
        for entry in self._heap:
            timer = entry[2]
            if timer.queued != entry[0]:
                continue
            if timer.at is None:
                timer.queued = None
            else:
                live.append(entry)
        heapify(live)
        self._heap = live
        self._dead = 0

    def next(self) -> Micros | None:
        """When the first timer goes off; None where none is set."""
        heap = self._heap
        while heap:
            at, _, timer = heap[0]
            if timer.queued != at or timer.at is None:
                if timer.queued == at:
                    timer.queued = None
                heappop(heap)
            elif timer.at > at:
                self._serial += 1
                timer.queued = timer.at
                heapreplace(heap, (timer.at, self._serial, timer))
            else:
                return at
        return None

    def pop(self, now: Micros) -> Timer | None:
        """The first timer that is due, which is set no more; None where none is."""
        at = self.next()
        if at is None or at > now:
            return None
        timer = heappop(self._heap)[2]
        timer.at = timer.queued = None
        return timer
