# SPDX-License-Identifier: GPL-2.0-only
"""What was made of one host is gone when the next comes, though the collector is off."""

from __future__ import annotations

import gc
import weakref

from ctlint.cli.options import no_garbage_collection, one_by_one


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
