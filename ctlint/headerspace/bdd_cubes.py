# SPDX-License-Identifier: GPL-2.0-only
"""Diagrams of cubes: sets of packets of which some parts have a value where a mask is 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeAlias

from oxidd.bdd import BDDFunction, BDDManager

Cube: TypeAlias = Mapping[str, tuple[int, int]]
"""A value and a mask for some parts."""

Row: TypeAlias = tuple[tuple[int, int], ...]
"""The same for all parts in their order; of those that are open both are 0."""

_BYTE: Final = 8
_ONES: Final = (1 << _BYTE) - 1
_OPEN: Final = (0, 0)


class Cubes:
    """Makes diagrams over parts, each of which has a range of variables. ``spend`` is told of all
    operations but those that make a single cube.
    """

    def __init__(
        self,
        manager: BDDManager,
        bits: Mapping[str, range],
        spend: Callable[[BDDFunction, BDDFunction, BDDFunction], None],
    ) -> None:
        self._true = manager.true()
        self._names = tuple(bits)
        self._spend = spend
        self.positive = {bit: manager.var(bit) for each in bits.values() for bit in each}
        self.negative = {bit: ~one for bit, one in self.positive.items()}
        self._bits = tuple(bits.values())
        self._bytes: dict[tuple[int, int, int], BDDFunction] = {}

    def diagram(self, cube: Cube) -> BDDFunction:
        """The packets of which each part has its value where its mask is 1."""
        return self._made(self._row(cube), 0)

    def union(self, cubes: Iterable[Cube]) -> BDDFunction:
        """The packets in any of these."""
        # Neighbours have most of their nodes in common, and what is joined of them stays small.
        return self._joined(sorted(map(self._row, cubes)), 0)

    def _row(self, cube: Cube) -> Row:
        return tuple([cube.get(name, _OPEN) for name in self._names])

    def _joined(self, rows: Sequence[Row], at: int) -> BDDFunction:
        """The union of rows that are in order, without the parts before one. What those have in
        common that begin alike is made once.
        """
        if at == len(self._names):
            return self._true
        level: list[BDDFunction] = []
        for pair, each in groupby(rows, itemgetter(at)):
            alike = list(each)
            if len(alike) == 1:
                level.append(self._made(alike[0], at))
            else:
                level.append(self._with(at, pair, self._joined(alike, at + 1)))
        while len(level) > 1:
            level = [
                self._either(level[one], level[one + 1]) if one + 1 < len(level) else level[one]
                for one in range(0, len(level), 2)
            ]
        return level[0]

    def _either(self, one: BDDFunction, other: BDDFunction) -> BDDFunction:
        found = one | other
        self._spend(one, other, found)
        return found

    def _made(self, row: Row, at: int) -> BDDFunction:
        """A single row, without the parts before one."""
        found = self._true
        # From the lowest bits, so that each step adds nodes above what is there.
        for part in range(len(row) - 1, at - 1, -1):
            found = self._with(part, row[part], found)
        return found

    def _with(self, part: int, pair: tuple[int, int], below: BDDFunction) -> BDDFunction:
        """Those of packets of which a part has a value where a mask is 1; nothing is asked yet of
        that part and those before it.
        """
        value, mask = pair
        known = self._bytes
        # The lowest bits are at the end.
        end = self._bits[part].stop
        while mask:
            if some := mask & _ONES:
                key = end, value & some, some
                byte = known.get(key)
                if byte is None:
                    byte = known[key] = self._byte(*key)
                below = byte & below
            value, mask, end = value >> _BYTE, mask >> _BYTE, end - _BYTE
        return below

    def _byte(self, end: int, value: int, mask: int) -> BDDFunction:
        """The packets of which the eight bits before one have the value where the mask is 1."""
        found = self._true
        for place in range(mask.bit_length()):
            if mask >> place & 1:
                literal = self.positive if value >> place & 1 else self.negative
                found = literal[end - 1 - place] & found
        return found
