# SPDX-License-Identifier: GPL-2.0-only
"""What a set has in each part, by itself."""

from __future__ import annotations

import random

from ctlint.analysis.outline import Outline
from ctlint.headerspace import bdd
from ctlint.headerspace.bdd import BddSpace
from ctlint.headerspace.space import PacketSet


def test_a_range_is_met_where_a_number_of_it_is() -> None:
    space = BddSpace({"port": 6, "other": 3})
    chance = random.Random(1)
    for _ in range(60):
        packets: PacketSet = space.nothing
        for _ in range(chance.randrange(4)):
            low = chance.randrange(64)
            high = min(low + chance.randrange(9), 63)
            more = space.between("port", low, high)
            packets = packets | (more & space.between("other", 0, chance.randrange(8)))
        outline = Outline(packets)
        for low in range(64):
            for high in range(low, min(low + 5, 64)):
                some = packets & space.between("port", low, high)
                assert outline.meets("port", low, high) is not some.is_empty()


def test_of_too_many_ranges_all_are_met() -> None:
    space = BddSpace({"number": 20})
    # Each other number is a range of its own.
    even = space.masked("number", 0, 1)
    assert bdd.MAX_RANGES < 1 << 19
    assert Outline(even).meets("number", 1, 1)
