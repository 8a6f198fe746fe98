# SPDX-License-Identifier: GPL-2.0-only
"""Sets of packets as binary decision diagrams: one variable for each bit of a header.

Needs oxidd. Good for ten thousands of rules over networks and ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from itertools import islice
from typing import Final, TypeAlias

from oxidd.bdd import BDDFunction, BDDManager
from oxidd.util import DDMemoryError

from ctlint.headerspace.bdd_cubes import Cube, Cubes
from ctlint.headerspace.boxes import joined
from ctlint.headerspace.space import Layout, Point, TooLargeError, union
from ctlint.ir.values import Range

MAX_NODES: Final = 1 << 22
"""Nodes of all diagrams of a space: some 150 MB."""
_CACHE: Final = 1 << 18
MAX_WORK: Final = 600_000_000
"""Some three seconds."""
_REMEMBERED: Final = 1 << 16
"""Results of operations that are kept."""
_SAMPLED: Final = 31
"""Of so many results one is counted, for all: counting takes as long as making."""
SHARED_NODES: Final = MAX_NODES + MAX_NODES // 8
"""The same of a space that several questions share."""
_HELD: Final = SHARED_NODES // 9
"""Nodes that may be there from former questions: so many are left as a space has for one."""
MAX_RANGES: Final = 20_000


Operation: TypeAlias = Callable[[BDDFunction, BDDFunction], BDDFunction]
Results: TypeAlias = "dict[tuple[int, int], tuple[BddSet, BddSet, BddSet]]"
"""Results of an operation by the identities of its operands, which are kept with each."""


def _without(one: BDDFunction, other: BDDFunction) -> BDDFunction:
    """What is in one and not in the other."""
    return other.imp_strict(one)


@contextmanager
def _within_memory() -> Iterator[None]:
    """Raises TooLargeError where there is no room for more nodes."""
    try:
        yield
    except DDMemoryError:
        raise TooLargeError from None


class BddSpace:
    """The space of diagrams, with at most so many nodes; `max_work` bounds all that is done in it,
    as the nodes of all results.
    """

    def __init__(
        self, layout: Layout, max_nodes: int = MAX_NODES, max_work: int = MAX_WORK
    ) -> None:
        self.layout = layout
        self._masks = {part: (1 << width) - 1 for part, width in layout.items()}
        self._operations = 0
        self._left = self._max_work = max_work
        self._max_nodes = max_nodes
        self._manager = BDDManager(max_nodes, _CACHE, 1)
        # Of each part the highest bit comes first.
        self.bits: dict[str, range] = {
            part: self._manager.add_vars(width) for part, width in layout.items()
        }
        self._cubes = Cubes(self._manager, self.bits, self.spend)
        self.meets: Results = {}
        self.joins: Results = {}
        self.rests: Results = {}
        self._sets: dict[BDDFunction, BddSet] = {}
        self._most = _REMEMBERED
        self.ranges: dict[tuple[BDDFunction, str, int | None], tuple[Range, ...]] = {}
        """What parts were found to be in sets."""
        self._known: dict[tuple[str, int, int], BddSet] = {}
        self.nothing = BddSet(self, self._manager.false())
        self.everything = BddSet(self, self._manager.true(), {})
        self._remember()

    def between(self, part: str, low: int, high: int) -> BddSet:
        """The packets of which this part is in a range, ends included."""
        if low == high:
            return self.masked(part, low, self._masks[part])
        found = self._known.get((part, low, high))
        if found is None:
            with _within_memory():
                above = self._compared(part, low, is_above=True)
                below = self._compared(part, high, is_above=False)
                found = self._known[part, low, high] = self.set_of(above & below)
        return found

    def renewed(self) -> BddSpace:
        """A space in which as much may be done as in a new one: this one, if it holds little."""
        if self._manager.approx_num_inner_nodes() > _HELD:
            return BddSpace(self.layout, self._max_nodes, self._max_work)
        self._left += self._max_work
        self._most = len(self._sets) + _REMEMBERED
        return self

    def _remember(self) -> None:
        """Forgets all results, but for the sets that are always there."""
        for results in (self.meets, self.joins, self.rests):
            results.clear()
        self._sets = {each._function: each for each in (self.nothing, self.everything)}

    def set_of(self, diagram: BDDFunction) -> BddSet:
        """The set of a diagram: as a rule the same for the same, and always if it is empty."""
        found = self._sets.get(diagram)
        if found is None:
            if len(self._sets) >= self._most:
                # What is kept here keeps its nodes.
                self._remember()
            found = self._sets[diagram] = BddSet(self, diagram)
        return found

    def keep_as_found(self, diagram: BDDFunction, packets: BddSet) -> None:
        """Makes a set of which more is known the set of its diagram."""
        if len(self._sets) < self._most:
            self._sets.setdefault(diagram, packets)

    def result(self, results: Results, operation: Operation, left: BddSet, right: BddSet) -> BddSet:
        """The result of an operation. Raises TooLargeError."""
        one, other = left._function, right._function
        try:
            diagram = operation(one, other)
        except DDMemoryError:
            raise TooLargeError from None
        self.spend(one, other, diagram)
        found = self.set_of(diagram)
        self.keep(results, left, right, found)
        return found

    def keep(self, results: Results, left: BddSet, right: BddSet, found: BddSet) -> None:
        """Keeps the result of an operation: most are asked for again."""
        if len(results) >= _REMEMBERED:
            results.clear()
        # The operands are kept with it, so that no other set is ever taken for one of them.
        results[id(left), id(right)] = found, left, right

    def _compared(self, part: str, limit: int, *, is_above: bool) -> BDDFunction:
        """The numbers that are not below a limit, or not above it: bit by bit from the lowest."""
        found = self._manager.true()
        for place, bit in enumerate(reversed(self.bits[part])):
            one, zero = self._cubes.positive[bit], self._cubes.negative[bit]
            is_set = limit >> place & 1
            if is_above:
                found = one & found if is_set else one | found
            else:
                found = zero | found if is_set else zero & found
        return found

    def masked(self, part: str, value: int, mask: int) -> BddSet:
        """The packets of which this part has the value where the mask is 1."""
        mask &= self._masks[part]
        return BddSet(self, None, {part: (value & mask, mask)} if mask else {})

    def diagram(self, cube: Cube) -> BDDFunction:
        """The packets of which each part has its value where its mask is 1."""
        with _within_memory():
            return self._cubes.diagram(cube)

    def union(self, sets: Iterable[BddSet]) -> BddSet:
        """The packets in any of these."""
        cubes: list[BddSet] = []
        others: list[BddSet] = []
        for each in sets:
            (others if each.cube is None else cubes).append(each)
        if len(cubes) > 2:
            with _within_memory():
                joined = self._cubes.union([each.cube for each in cubes if each.cube is not None])
            cubes = [self.set_of(joined)]
        return union(others + cubes, self.nothing)

    def spend(self, *diagrams: BDDFunction) -> None:
        """Counts an operation with these. Raises TooLargeError where it is one too many."""
        self._operations += 1
        if self._operations % _SAMPLED == 0:
            self._left -= _SAMPLED * sum(each.node_count() for each in diagrams)
            if self._left < 0:
                raise TooLargeError

    def literal(self, bit: int, value: int) -> BddSet:
        """The packets of which one bit has a value."""
        return self.set_of((self._cubes.positive if value else self._cubes.negative)[bit])

    def others(self, part: str) -> BDDFunction:
        """The variables of all other parts, as a conjunction."""
        names = (name for name in self.bits if name != part)
        bits = (self._cubes.positive[bit] for name in names for bit in self.bits[name])
        return reduce(BDDFunction.__and__, bits, self._manager.true())


class BddSet:
    """See PacketSet. Of some the ``cube`` is known: what each part has where its mask is 1. Others
    are what is left of one set without another in it: their ``rest``. Both are met without a
    diagram, which is made once something else is asked of them. ``within`` is a set that holds it.
    """

    __slots__ = ("_diagram", "_space", "cube", "rest", "within")

    def __init__(
        self,
        space: BddSpace,
        diagram: BDDFunction | None,
        cube: Cube | None = None,
        rest: tuple[BddSet, BddSet] | None = None,
    ) -> None:
        self._space = space
        self._diagram = diagram
        self.cube = cube
        self.rest = rest
        self.within: BddSet | None = None

    @property
    def _function(self) -> BDDFunction:
        found = self._diagram
        if found is None:
            space = self._space
            if self.rest is not None:
                whole, part = self.rest
                with _within_memory():
                    found = _without(whole._function, part._function)
                space.spend(found)
                if whole is not space.everything:
                    # What is left of a set often has another left of it, and so on.
                    self.rest = None
            else:
                assert self.cube is not None
                found = space.diagram(self.cube)
            self._diagram = found
            space.keep_as_found(found, self)
        return found

    def __and__(self, other: BddSet, /) -> BddSet:
        if self.cube is not None and other.cube is not None:
            return self._met(self.cube, other.cube, other)
        space = self._space
        if other is space.everything or self is space.nothing or self.within is other:
            return self
        if self is space.everything or other is space.nothing or other.within is self:
            return other
        if other.rest is not None and other.rest[0] is space.everything:
            return self - other.rest[1]
        if self.rest is not None and self.rest[0] is space.everything:
            return other - self.rest[1]
        known = space.meets.get((id(self), id(other)))
        if known is not None:
            return known[0]
        found = space.result(space.meets, BDDFunction.__and__, self, other)
        if found is not other and found is not space.nothing:
            found.within = other
        return found

    def _met(self, one: Cube, two: Cube, other: BddSet) -> BddSet:
        if not two:
            return self
        if not one:
            return other
        found = {**one, **two}
        if len(found) < len(one) + len(two):
            for part in one.keys() & two.keys():
                (value, mask), (known, seen) = one[part], two[part]
                if (known ^ value) & mask & seen:
                    return self._space.nothing
                found[part] = known | value, seen | mask
        return BddSet(self._space, None, found)

    def __or__(self, other: BddSet, /) -> BddSet:
        space = self._space
        if other is space.nothing or self is space.everything:
            return self
        if self is space.nothing or other is space.everything:
            return other
        known = space.joins.get((id(self), id(other)))
        if known is not None:
            return known[0]
        return space.result(space.joins, BDDFunction.__or__, self, other)

    def __sub__(self, other: BddSet, /) -> BddSet:
        space = self._space
        if other is space.nothing or self is space.nothing:
            return self
        if other is space.everything or self.within is other:
            return space.nothing
        if other.rest is not None:
            whole, part = other.rest
            if whole is space.everything:
                return self & part
            if whole is self:
                return part
        known = space.rests.get((id(self), id(other)))
        if known is not None:
            return known[0]
        part = other
        if self is not space.everything or other.cube == {}:
            met = space.meets.get((id(self), id(other)))
            if met is None or met[0] == self:
                return space.result(space.rests, _without, self, other)
            part = met[0]
            if part is space.nothing:
                return self
        # Something is left, whatever it is.
        found = BddSet(space, None, None, (self, part))
        space.keep(space.rests, self, other, found)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BddSet) and bool(self._function == other._function)

    def __hash__(self) -> int:
        return hash(self._function)

    def is_empty(self) -> bool:
        """Whether it holds no packet."""
        return self is self._space.nothing

    def contains(self, point: Point) -> bool:
        """Whether it holds this packet."""
        return self._function.eval(
            (bit, bool(point[part] >> place & 1))
            for part, bits in self._space.bits.items()
            for place, bit in enumerate(reversed(bits))
        )

    def values(self, part: str, at_most: int | None = None) -> tuple[Range, ...]:
        """What a part can be in its packets."""
        space, key = self._space, (self._function, part, at_most)
        found = space.ranges.get(key)
        if found is None:
            with _within_memory():
                projected = self._function.exists(space.others(part))
            found = tuple(islice(joined(_ranges(projected, space.bits[part])), at_most))
            space.ranges[key] = found
        return found

    def pick(self, wishes: Mapping[str, Iterable[int]]) -> Point | None:
        """One of its packets; None where it is empty."""
        if self.is_empty():
            return None
        found: dict[str, int] = {}
        left = self
        for part, bits in self._space.bits.items():
            for wish in wishes.get(part, ()):
                narrower = left & self._space.between(part, wish, wish)
                if not narrower.is_empty():
                    found[part], left = wish, narrower
                    break
            else:
                value = 0
                for bit in bits:
                    narrower = left & self._space.literal(bit, 0)
                    is_set = narrower.is_empty()
                    left = left & self._space.literal(bit, 1) if is_set else narrower
                    value = value << 1 | is_set
                found[part] = value
        return found


def _ranges(function: BDDFunction, bits: range) -> Iterator[Range]:
    """The numbers of a diagram over the bits of one part, from the lowest."""
    count = 0
    stack = [(function, 0, 0)] if function.satisfiable() else []
    while stack:
        found, depth, prefix = stack.pop()
        while (cofactors := found.cofactors()) is not None:
            high, low = cofactors if found.node_var() == bits[depth] else (found, found)
            depth += 1
            prefix <<= 1
            if not low.satisfiable():
                found = high
                prefix |= 1
                continue
            if high.satisfiable():
                stack.append((high, depth, prefix | 1))
            found = low
        count += 1
        if count > MAX_RANGES:
            raise TooLargeError
        left = len(bits) - depth
        yield Range(prefix << left, (prefix + 1 << left) - 1)
