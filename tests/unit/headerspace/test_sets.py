# SPDX-License-Identifier: GPL-2.0-only
"""Boxes and diagrams against sets of points that are counted one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import pairwise, product
from operator import and_, or_
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctlint.headerspace.bdd import BddSet, BddSpace
from ctlint.headerspace.boxes import BoxSpace, merged
from ctlint.headerspace.space import Layout, PacketSet, Space, TooLargeError
from ctlint.ir.values import Range

LAYOUT: Final = {"a": 4, "b": 1, "c": 3}
POINTS: Final = frozenset(product(*(range(1 << width) for width in LAYOUT.values())))
SPACES: Final = (BoxSpace, BddSpace)

Points = frozenset[tuple[int, ...]]


class Both(NamedTuple):
    """A set, and the same counted."""

    packets: Any
    points: Points


@st.composite
def atoms(draw: st.DrawFn, space: Space) -> Both:
    part = draw(st.sampled_from(list(LAYOUT)))
    index, top = list(LAYOUT).index(part), (1 << LAYOUT[part]) - 1
    numbers = st.integers(0, top)
    if draw(st.booleans()):
        low, high = draw(numbers), draw(numbers)
        points = frozenset(point for point in POINTS if low <= point[index] <= high)
        return Both(space.between(part, low, high), points)
    value, mask = draw(numbers), draw(numbers)
    points = frozenset(point for point in POINTS if point[index] & mask == value & mask)
    return Both(space.masked(part, value, mask), points)


def joined(one: Both, other: Both, sign: str) -> Both:
    if sign == "&":
        return Both(one.packets & other.packets, one.points & other.points)
    if sign == "|":
        return Both(one.packets | other.packets, one.points | other.points)
    return Both(one.packets - other.packets, one.points - other.points)


def sets(space: Space) -> st.SearchStrategy[Both]:
    ends = st.sampled_from([Both(space.nothing, frozenset()), Both(space.everything, POINTS)])
    return st.recursive(
        atoms(space) | ends,
        lambda inner: st.builds(joined, inner, inner, st.sampled_from("&|-")),
        max_leaves=8,
    )


def point_of(values: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(LAYOUT, values, strict=True))


@pytest.mark.parametrize("kind", SPACES)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_sets_hold_what_they_should(kind: Callable[[Layout], Space], data: st.DataObject) -> None:
    both = data.draw(sets(kind(LAYOUT)))
    packets: PacketSet = both.packets
    held = frozenset(point for point in POINTS if packets.contains(point_of(point)))
    assert held == both.points
    assert packets.is_empty() is (not held)
    for index, part in enumerate(LAYOUT):
        numbers = sorted({point[index] for point in held})
        found = packets.values(part)
        assert [n for each in found for n in range(each.low, each.high + 1)] == numbers
        assert all(one.high + 1 < other.low for one, other in pairwise(found))
    wishes = {part: data.draw(st.lists(st.integers(0, 15), max_size=3)) for part in LAYOUT}
    wishes = {part: [n for n in each if n < 1 << LAYOUT[part]] for part, each in wishes.items()}
    assert packets.pick(wishes) == picked(held, wishes)


@pytest.mark.parametrize("kind", SPACES)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_what_is_left_of_a_set_is_the_same_once_it_has_met_the_other(
    kind: Callable[[Layout], Space], data: st.DataObject
) -> None:
    space = kind(LAYOUT)
    one, other = data.draw(sets(space)), data.draw(sets(space))
    met = joined(one, other, "&")
    left = joined(one, other, "-")
    nothing = Both(space.nothing, frozenset())
    for found, expected in (
        (joined(one, left, "-"), met),
        (joined(met, other, "&"), met),
        (joined(other, met, "&"), met),
        (joined(met, other, "-"), nothing),
        (joined(left, one, "&"), left),
        (joined(left, other, "-"), left),
        (joined(met, left, "|"), one),
    ):
        held = frozenset(point for point in POINTS if found.packets.contains(point_of(point)))
        assert held == found.points == expected.points
        assert found.packets.is_empty() is (not held)


def picked(held: Points, wishes: dict[str, list[int]]) -> dict[str, int] | None:
    if not held:
        return None
    for index, part in enumerate(LAYOUT):
        able = {point[index] for point in held}
        value = next((wish for wish in wishes[part] if wish in able), min(able))
        held = frozenset(point for point in held if point[index] == value)
    (found,) = held
    return point_of(found)


WIDE: Final = {"address": 128, "port": 16}


@pytest.mark.parametrize("kind", SPACES)
def test_addresses_are_as_wide_as_they_are(kind: Callable[[Layout], Space]) -> None:
    space = kind(WIDE)
    net = space.masked("address", 0xFD01 << 112, 0xFFFF << 112)
    assert net.values("address") == (Range(0xFD01 << 112, (0xFD02 << 112) - 1),)
    rest = space.everything - net
    assert rest.values("address") == (
        Range(0, (0xFD01 << 112) - 1),
        Range(0xFD02 << 112, (1 << 128) - 1),
    )
    assert rest.pick({"address": [0xFD01 << 112], "port": [80]}) == {"address": 0, "port": 80}


def test_too_many_boxes_are_refused() -> None:
    space = BoxSpace({"address": 32, "port": 16}, max_work=100_000)
    with pytest.raises(TooLargeError):
        reduce(or_, (space.between("port", number, number) for number in range(1, 40_000, 2)))
    with pytest.raises(TooLargeError):
        BoxSpace({"address": 32}).masked("address", 0, 1)


def test_too_many_nodes_are_refused() -> None:
    width = 24
    space = BddSpace({"a": width, "b": width}, max_nodes=1 << 12)

    def equal(bit: int) -> BddSet:
        one, other = (space.masked(part, 1 << bit, 1 << bit) for part in "ab")
        return (one & other) | (space.everything - one - other)

    with pytest.raises(TooLargeError):
        reduce(and_, map(equal, range(width)))


def test_making_and_picking_need_nodes_too() -> None:
    space = BddSpace({"a": 32, "b": 32}, max_nodes=150)
    with pytest.raises(TooLargeError):
        [space.between("a", number, number + 7) for number in range(1000)]
    space = BddSpace({"a": 32, "b": 32}, max_nodes=400)
    kept: list[BddSet] = []
    with pytest.raises(TooLargeError):
        kept.extend(
            space.masked("b", 0, 1) - space.masked("a", 3 * number, 0xFFFF)
            for number in range(1000)
        )
    with pytest.raises(TooLargeError):
        [found.pick({"a": range(7, 90, 3)}) for found in kept]


def test_ranges_that_touch_are_one() -> None:
    given = [Range(5, 6), Range(1, 2), Range(3, 3), Range(9, 9), Range(5, 5)]
    assert merged(given) == (Range(1, 3), Range(5, 6), Range(9, 9))
