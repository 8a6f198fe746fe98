# SPDX-License-Identifier: GPL-2.0-only
"""What was made of one host is gone when the next comes, though the collector is off."""

from __future__ import annotations

import gc
import weakref

from ctlint.cli.collector import no_garbage_collection, one_by_one


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_cycles_of_one_are_gone_when_the_next_comes() -> None:
    kept = _Cycle()
    made: list[weakref.ref[_Cycle]] = []
    with no_garbage_collection():
        for number in one_by_one([1, 2, 3]):
            assert all(each() is None for each in made), number
            made.append(weakref.ref(_Cycle()))
        assert len(made) == 3
    assert kept.itself is kept
    assert gc.get_freeze_count() == 0


def test_one_alone_is_not_collected() -> None:
    with no_garbage_collection():
        (made,) = [weakref.ref(_Cycle()) for _ in one_by_one([1])]
        assert made() is not None


def test_what_was_made_is_not_looked_at_as_soon_as_the_collector_is_on_again() -> None:
    looked_at: list[int] = []

    def note(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            looked_at.append(len(gc.get_objects(generation=0)))

    gc.collect()
    with no_garbage_collection():
        made = [[number] for number in range(50_000)]
        assert len(gc.get_objects(generation=0)) >= len(made)
        gc.callbacks.append(note)
    try:
        more = [[number] for number in range(2_000)]
    finally:
        gc.callbacks.remove(note)
    assert looked_at
    assert max(looked_at) < 5_000
    assert gc.get_freeze_count() == 0
    assert len(made) > len(more)
