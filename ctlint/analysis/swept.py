# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of the packets of many connections: on their whole way, and in one chain."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple, TypeAlias

from ctlint.analysis.fate import Disposition, End
from ctlint.analysis.flows import Bounds, Flows, Key
from ctlint.headerspace.space import PacketSet, Space
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.ready import ReadyChain
from ctlint.model.netfilter.traverse import Open


@dataclass(slots=True)
class Swept:
    """What became of the packets: those that came through, the ends of the others, and those that
    NAT translates in a way that is not followed. ``undecided`` are those of which something else
    decides; they are among the ends too. Those in ``unsure`` may be lost too: by a rule
    that nobody asked for, or for a zone in which they do not find their entry. ``open`` holds what
    leaves the way of packets open, and of which connections. ``met`` are the effects of the base
    chains, with those that came there: what they leave open is not told apart before it is asked.
    """

    space: Space
    passed: Flows = field(default_factory=dict)
    ends: dict[End, tuple[CtState, Bounds]] = field(default_factory=dict)
    translated: dict[RuleRef, Bounds] = field(default_factory=dict)
    undecided: Flows = field(default_factory=dict)
    open: dict[Open, PacketSet] = field(default_factory=dict)
    unsure: list[PacketSet] = field(default_factory=list)
    met: list[tuple[Effect, Bounds]] = field(default_factory=list)

    def left_open(self, known: Container[Open]) -> Iterator[Open]:
        """What leaves the way of a packet open, but for what is known."""
        for item in self.open:
            if item not in known:
                yield item
        for effect, entering in self.met:
            for item, those in effect.swept.open.items():
                if item not in known and not (those & entering.possible).is_empty():
                    yield item

    def elsewhere(self) -> PacketSet:
        """The connections whose packets may not come through, or not for certain."""
        found: PacketSet = self.space.union(self.losses())
        return found

    def losses(self) -> Iterator[PacketSet]:
        """The same in pieces."""
        yield from self.unsure
        for _, bounds in self.ends.values():
            yield bounds.possible
        for bounds in self.translated.values():
            yield bounds.possible

    def with_two_ends(self) -> PacketSet:
        """The connections whose packet may be lost in several ways."""
        if all(bounds.is_exact for _, bounds in self.ends.values()):
            return self.space.nothing
        policies = [
            (bounds.possible, self.space.nothing)
            for end, (_, bounds) in self.ends.items()
            if end.disposition is Disposition.DROPPED_BY_POLICY
        ]
        of_rules = []
        for effect, entering in self.met:
            once, twice = effect.counted()
            of_rules.append((once & entering.possible, twice & entering.possible))
        _, found = counted([*policies, *of_rules], self.space)
        return found

    def end(self, end: End, ctstate: CtState, bounds: Bounds) -> None:
        """Adds connections to those that end so."""
        known = self.ends.get(end)
        self.ends[end] = ctstate, bounds if known is None else known[1] | bounds

    def translate(self, ref: RuleRef, bounds: Bounds) -> None:
        """Adds connections to those that a rule translates."""
        known = self.translated.get(ref)
        self.translated[ref] = bounds if known is None else known | bounds

    def leave_open(self, item: Open, packets: PacketSet) -> None:
        """Adds connections to those of which something leaves open what becomes of them."""
        known = self.open.get(item)
        self.open[item] = packets if known is None else known | packets


class Effect:
    """What a chain does to the packets of all connections that there could be: what it is to some
    is what it does to those of them. ``swept`` has the ends, behind the calls from here on.
    ``calls`` are those of the chains that it calls, but for those through which the packets were
    sent themselves: these are ``entered``, with the chain. It is told of the connections in
    ``among`` alone, and of others it may be wrong. ``tells_ends``: see Kindred; None where it does
    not hang on that.
    """

    __slots__ = (
        "_counted",
        "accepted",
        "among",
        "back",
        "calls",
        "entered",
        "name",
        "ready",
        "swept",
        "tells_ends",
    )

    def __init__(self, name: str, ready: ReadyChain, swept: Swept, among: PacketSet) -> None:
        self.name = name
        self.ready = ready
        self.swept = swept
        self.among = among
        self.tells_ends: bool | None = None
        self.back: Flows = {}
        self.accepted: Flows = {}
        self.calls: dict[Effect, None] = {}
        self.entered: Sequence[ReadyChain] = (ready,)
        self._counted: Counted | None = None

    def is_plain(self, key: Key) -> bool:
        """Whether all is decided in the chain, and what comes back has the key that it had."""
        swept = self.swept
        bounds = [*self.back.values(), *self.accepted.values(), *swept.translated.values()]
        bounds += [each for _, each in swept.ends.values()]
        return not swept.open and self.back.keys() <= {key} and all(b.is_exact for b in bounds)

    def counted(self) -> Counted:
        """How many ends it may have for each packet."""
        if self._counted is None:
            space = self.swept.space
            self._counted = counted(
                ((each.possible, space.nothing) for _, each in self.swept.ends.values()), space
            )
        return self._counted


class AnyOf(NamedTuple):
    """The connections whose packets may match any of some rules, told of those ``among`` some;
    whether they do, for all is decided.
    """

    among: PacketSet
    packets: PacketSet
    is_exact: bool


Counted: TypeAlias = tuple[PacketSet, PacketSet]
"""Connections whose packet may end in one way or more, and in two or more."""


def counted(several: Iterable[Counted], space: Space) -> Counted:
    """The same of all ends together. They are joined two by two, as unions are."""
    none = space.nothing, space.nothing
    level = list(several) or [none]
    while len(level) > 1:
        level = [
            (once | other, twice | more | (once & other))
            for (once, twice), (other, more) in zip_longest(level[::2], level[1::2], fillvalue=none)
        ]
    return level[0]
