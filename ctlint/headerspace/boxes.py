# SPDX-License-Identifier: GPL-2.0-only
"""Sets of packets as disjoint boxes: for each part of the header a range.

Plain enough to be believed: the diagrams of bdd.py are tested against it. Good for some hundred
rules; what needs more boxes than allowed is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from ctlint.headerspace.space import Layout, Point, TooLargeError, union
from ctlint.ir.values import Range

MAX_BOXES: Final = 20_000
MAX_WORK: Final = 500_000
"""Pairs of boxes that are compared in all operations of one space: some seconds."""

Box: TypeAlias = tuple[Range, ...]


class BoxSpace:
    """The space of box sets. `max_work` bounds all that is done in it."""

    def __init__(self, layout: Layout, max_work: int = MAX_WORK) -> None:
        self.layout = layout
        self.parts = tuple(layout)
        self._max_work = max_work
        self._whole = tuple(Range(0, (1 << width) - 1) for width in layout.values())
        self._left = max_work
        self.nothing = BoxSet(self, ())
        self.whole = (self._whole,)
        self.everything = BoxSet(self, self.whole)

    def renewed(self) -> BoxSpace:
        """A space in which as much may be done as in a new one."""
        return BoxSpace(self.layout, self._max_work)

    def spend(self, work: int) -> None:
        """Counts pairs of boxes. Raises TooLargeError where they are too many."""
        self._left -= work
        if self._left < 0:
            raise TooLargeError

    def between(self, part: str, low: int, high: int) -> BoxSet:
        """The packets of which this part is in a range, ends included."""
        return BoxSet(self, tuple(self._slabs(part, [Range(low, high)])))

    def masked(self, part: str, value: int, mask: int) -> BoxSet:
        """The packets of which this part has the value where the mask is 1."""
        ranges = _ranges_of(value, mask, self.layout[part])
        return BoxSet(self, tuple(self._slabs(part, ranges)))

    def union(self, sets: Iterable[BoxSet]) -> BoxSet:
        """The packets in any of these."""
        return union(sets, self.nothing)

    def _slabs(self, part: str, ranges: Iterable[Range]) -> Iterator[Box]:
        index = self.parts.index(part)
        for each in ranges:
            if each.low <= each.high:
                yield (*self._whole[:index], each, *self._whole[index + 1 :])


class BoxSet:
    """See PacketSet. Its boxes are disjoint."""

    __slots__ = ("_boxes", "_space")

    def __init__(self, space: BoxSpace, boxes: tuple[Box, ...]) -> None:
        if len(boxes) > MAX_BOXES:
            raise TooLargeError
        self._space = space
        self._boxes = boxes

    def __and__(self, other: BoxSet, /) -> BoxSet:
        if self._boxes == (whole := self._space.whole):
            return other
        if other._boxes == whole:
            return self
        self._space.spend(len(self._boxes) * len(other._boxes))
        pairs = (_common(one, two) for one in self._boxes for two in other._boxes)
        return BoxSet(self._space, tuple(box for box in pairs if box is not None))

    def __or__(self, other: BoxSet, /) -> BoxSet:
        if not self._boxes:
            return other
        return BoxSet(self._space, (*self._boxes, *(other - self)._boxes))

    def __sub__(self, other: BoxSet, /) -> BoxSet:
        boxes = self._boxes
        for less in other._boxes:
            self._space.spend(len(boxes))
            boxes = tuple(piece for box in boxes for piece in _without(box, less))
            if len(boxes) > MAX_BOXES:
                raise TooLargeError
        return BoxSet(self._space, boxes)

    def __eq__(self, other: object) -> bool:
        """Whether both are made of the same boxes; equal sets may be cut otherwise."""
        return isinstance(other, BoxSet) and self._boxes == other._boxes

    def __hash__(self) -> int:
        return hash(self._boxes)

    def is_empty(self) -> bool:
        """Whether it holds no packet."""
        return not self._boxes

    def contains(self, point: Point) -> bool:
        """Whether it holds this packet."""
        values = [point[part] for part in self._space.parts]
        return any(
            all(value in each for value, each in zip(values, box, strict=True))
            for box in self._boxes
        )

    def values(self, part: str, at_most: int | None = None) -> tuple[Range, ...]:
        """What a part can be in its packets."""
        index = self._space.parts.index(part)
        return merged(box[index] for box in self._boxes)[:at_most]

    def pick(self, wishes: Mapping[str, Iterable[int]]) -> Point | None:
        """One of its packets; None where it is empty."""
        boxes: Sequence[Box] = self._boxes
        if not boxes:
            return None
        found: dict[str, int] = {}
        for index, part in enumerate(self._space.parts):
            lowest = min(box[index].low for box in boxes)
            for value in (*wishes.get(part, ()), lowest):
                fitting = [box for box in boxes if value in box[index]]
                if fitting:
                    found[part], boxes = value, fitting
                    break
        return found


def _common(one: Box, other: Box) -> Box | None:
    box = tuple(
        Range(max(a.low, b.low), min(a.high, b.high)) for a, b in zip(one, other, strict=True)
    )
    return box if all(each.low <= each.high for each in box) else None


def _without(box: Box, less: Box) -> Iterator[Box]:
    """The rest of a box as disjoint pieces, cut off part by part."""
    if _common(box, less) is None:
        yield box
        return
    for index, (mine, theirs) in enumerate(zip(box, less, strict=True)):
        if mine.low < theirs.low:
            yield (*box[:index], Range(mine.low, theirs.low - 1), *box[index + 1 :])
        if theirs.high < mine.high:
            yield (*box[:index], Range(theirs.high + 1, mine.high), *box[index + 1 :])
        inside = Range(max(mine.low, theirs.low), min(mine.high, theirs.high))
        box = (*box[:index], inside, *box[index + 1 :])


def _ranges_of(value: int, mask: int, width: int) -> Iterator[Range]:
    """The numbers that have the value under the mask. Raises TooLargeError where they are not few
    ranges: a mask with many holes.
    """
    mask &= (1 << width) - 1
    free = [bit for bit in range(width) if not mask >> bit & 1]
    # The free bits at the end make one range.
    run = next((bit for bit in range(width) if mask >> bit & 1), width)
    holes = [bit for bit in free if bit >= run]
    if 1 << len(holes) > MAX_BOXES:
        raise TooLargeError
    for choice in range(1 << len(holes)):
        low = value & mask
        for index, bit in enumerate(holes):
            low |= (choice >> index & 1) << bit
        yield Range(low, low | (1 << run) - 1)


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same numbers as disjoint ranges that do not touch, the lowest first."""
    return tuple(joined(sorted(ranges)))


def joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """The same of ranges that come in their order."""
    last: Range | None = None
    for each in ranges:
        if last is None:
            last = each
        elif each.low <= last.high + 1:
            last = Range(last.low, max(last.high, each.high))
        else:
            yield last
            last = each
    if last is not None:
        yield last
