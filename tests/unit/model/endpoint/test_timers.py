# SPDX-License-Identifier: GPL-2.0-only
"""Ticks and timers.

Source: kernel/time/timer.c, Linux 6.12: the table above LVL_BITS names the granularity of each
level for HZ=250; no timer goes off early.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.model.endpoint.timers import Tick, Timer, TimerQueue
from ctlint.wire.moments import SECOND, Micros

HZ = 250
TICK = SECOND // HZ


@pytest.mark.parametrize(
    ("ticks", "granularity"),
    # kernel/time/timer.c: "HZ 250: level 0: 4 ms, 0..255 ms; 1: 32 ms, 256..2047 ms; 2: 256 ms;
    # 3: 2048 ms; 4: 16384 ms".
    [(1, 4), (62, 4), (63, 32), (503, 32), (504, 256), (4031, 256), (4032, 2048), (40000, 16384)],
)
def test_the_wheel_is_coarser_for_later_timers(ticks: int, granularity: int) -> None:
    tick = Tick(HZ, has_coarse_wheel=True)
    for now in range(0, 100 * SECOND, 3_333_333):
        late = tick.expiry(now, ticks) - now - ticks * TICK
        assert -TICK < late <= granularity * 1000
        assert tick.expiry(now, ticks) % (granularity * 1000) == 0


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.booleans())
def test_a_timer_is_in_the_future(now: Micros, ticks: int, is_coarse: bool) -> None:
    tick = Tick(HZ, has_coarse_wheel=is_coarse)
    at = tick.expiry(now, ticks)
    assert at > now
    assert at >= now - TICK + ticks * TICK
    if not is_coarse:
        assert at <= now + (ticks + 1) * TICK


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("set", "cancel", "forget", "pop")),
            st.integers(0, 9),
            st.integers(1, 50),
        ),
        max_size=60,
    )
)
def test_the_queue_gives_timers_in_their_order(steps: list[tuple[str, int, int]]) -> None:
    queue = TimerQueue()
    timers = [Timer(number, lambda *_: None) for number in range(10)]
    known: dict[int, Micros] = {}
    now = 0
    for what, number, span in steps:
        if what == "set":
            queue.set(timers[number], now + span)
            known[number] = now + span
        elif what == "cancel":
            timers[number].at = None
            known.pop(number, None)
        elif what == "forget":
            queue.forget(timers[number])
            timers[number] = Timer(number, lambda *_: None)
            known.pop(number, None)
        else:
            now += span
            while (timer := queue.pop(now)) is not None:
                at = known.pop(timer.owner)
                assert at <= now
                assert all(at <= other for other in known.values())
        assert queue.next() == min(known.values(), default=None)
        assert all(at > now for at in known.values()) or what != "pop"


def test_what_is_forgotten_takes_no_room() -> None:
    queue = TimerQueue()
    for moment in range(100_000):
        timer = Timer(moment, lambda *_: None)
        queue.set(timer, moment + 10**9)
        queue.forget(timer)
    assert len(queue._heap) < 5000
