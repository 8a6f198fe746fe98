# SPDX-License-Identifier: GPL-2.0-only
"""The order in which things happen."""

from __future__ import annotations

from ctlint.model.world.event_queue import EventQueue


def test_what_is_put_in_first_comes_first_at_the_same_moment() -> None:
    queue = EventQueue()
    done: list[str] = []
    for at, name in ((5, "c"), (1, "a"), (5, "d"), (1, "b")):
        queue.put(at, done.append, name)
    assert queue.next_moment() == 1
    moments = []
    while len(queue):
        at, act, arguments = queue.take()
        act(*arguments)
        moments.append(at)
    assert (moments, done) == ([1, 1, 5, 5], ["a", "b", "c", "d"])
    assert queue.next_moment() is None
