# SPDX-License-Identifier: GPL-2.0-only
"""What a set of packets can do, and the parts of a header that it is over.

Two kinds of sets do the same: plain boxes (boxes.py) and binary decision diagrams (bdd.py, where
oxidd is installed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from ctlint.ir.values import Range

Layout: TypeAlias = Mapping[str, int]
"""The parts of a header by name, each with its width in bits."""

Point: TypeAlias = Mapping[str, int]
"""One packet: a value for each part."""


class TooLargeError(Exception):
    """A set would need more memory or time than was allowed."""


class PacketSet(Protocol):
    """A set of packets. It never changes. Operations raise TooLargeError."""

    def __and__(self, other: Self, /) -> Self:
        """Those in both."""

    def __or__(self, other: Self, /) -> Self:
        """Those in either."""

    def __sub__(self, other: Self, /) -> Self:
        """Those in this one alone."""

    def is_empty(self) -> bool:
        """Whether it holds no packet."""

    def contains(self, point: Point) -> bool:
        """Whether it holds this packet."""

    def values(self, part: str, at_most: int | None = None) -> tuple[Range, ...]:
        """What a part can be in its packets: as few disjoint ranges as can be, the lowest first.
        Further ones than ``at_most`` are not told.
        """

    def pick(self, wishes: Mapping[str, Iterable[int]]) -> Point | None:
        """One of its packets; None where it is empty.

        Part by part in the order of the layout: the first wish that its packets can have, else the
        lowest value.
        """


class Space(Protocol):
    """Makes sets over one layout. Those of two spaces do not mix."""

    @property
    def layout(self) -> Layout:
        """The parts, in the order in which values are picked."""

    @property
    def nothing(self) -> PacketSet:
        """The empty set."""

    @property
    def everything(self) -> PacketSet:
        """All packets."""

    def between(self, part: str, low: int, high: int) -> PacketSet:
        """The packets of which this part is in a range, ends included."""

    def masked(self, part: str, value: int, mask: int) -> PacketSet:
        """The packets of which this part has the value where the mask is 1."""

    def renewed(self) -> Space:
        """A space over the same layout in which as much may be done as in a new one: this one, as
        long as it holds little.
        """

    def union(self, sets: Iterable[Any]) -> Any:
        """The packets in any of these."""


_Set = TypeVar("_Set", bound=PacketSet)


def union(sets: Iterable[_Set], nothing: _Set) -> _Set:
    """The packets in any of these. Two are joined, then twos, and so on: no step but the last is
    with a set as large as the result.
    """
    level = list(sets) or [nothing]
    while len(level) > 1:
        level = [
            level[at] | level[at + 1] if at + 1 < len(level) else level[at]
            for at in range(0, len(level), 2)
        ]
    return level[0]
