# SPDX-License-Identifier: GPL-2.0-only
"""Sets of connections on their way through the rules, and which packets of theirs are sent.

Where a match on the way is not decided, a set is told twice: what would be in it if undecided
matches let packets go on, and what may be.
"""

from __future__ import annotations

from typing import NamedTuple

from ctlint.analysis.rewriting import Translated
from ctlint.headerspace.space import PacketSet, Space
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.transit import EntryView
from ctlint.wire.tcp_flags import TcpFlags


class Kindred(NamedTuple):
    """The packets of a sweep: who sends them, their flags, what conntrack calls them, and their
    entry as rules see it. ``opener`` is the end whose packet made that. ``tells_ends``: it is asked
    which rule ends the way of each. ``opens``: they open their connections, so that NAT's rules
    say how these are translated. ``is_late``: they find no entry any more.
    """

    sender: Dir
    flags: TcpFlags
    ctstate: CtState
    entry: EntryView | None = None
    opener: Dir = Dir.ORIGINAL
    tells_ends: bool = False
    opens: bool = False
    is_late: bool = False


class Bounds(NamedTuple):
    """A set of connections that is not known exactly: what would be in it if undecided matches let
    packets go on (those of RETURN match, all others do not), and what may be. Both are one object
    where nothing is undecided.
    """

    nominal: PacketSet
    possible: PacketSet

    @property
    def is_exact(self) -> bool:
        """Whether nothing was undecided."""
        return self.nominal is self.possible

    def __or__(self, other: Bounds) -> Bounds:
        possible = self.possible | other.possible
        if self.is_exact and other.is_exact:
            return exactly(possible)
        return Bounds(self.nominal | other.nominal, possible)

    def split(self, condition: Condition, *, takes_open: bool) -> tuple[Bounds, Bounds]:
        """Those that meet a condition and those that do not. ``takes_open``: nominally those meet
        it of which it is not decided.
        """
        possible = self.possible & condition.possible
        if possible.is_empty():
            return exactly(possible), self
        rest = self.possible - condition.certain
        if self.is_exact and condition.certain is condition.possible:
            return exactly(possible), exactly(rest)
        taken = condition.possible if takes_open else condition.certain
        return Bounds(self.nominal & taken, possible), Bounds(self.nominal - taken, rest)

    def among(self, entering: Bounds) -> Bounds:
        """Those of the connections that came to where this is what becomes of all."""
        possible = entering.possible & self.possible
        if self.is_exact and entering.is_exact:
            return exactly(possible)
        return Bounds(entering.nominal & self.nominal, possible)

    def is_empty(self) -> bool:
        """Whether nothing may be in it."""
        return self.possible.is_empty()


def exactly(packets: PacketSet) -> Bounds:
    """A set that is known."""
    return Bounds(packets, packets)


class Condition(NamedTuple):
    """The connections whose packets match for certain, and those whose packets may."""

    certain: PacketSet
    possible: PacketSet

    def __and__(self, other: Condition) -> Condition:
        possible = self.possible & other.possible
        if self.certain is self.possible and other.certain is other.possible:
            return Condition(possible, possible)
        return Condition(self.certain & other.certain, possible)


class Key(NamedTuple):
    """What packets on their way differ in beside their connection: their mark (None: not known),
    whether NOTRACK took them, how NAT translates their connection, and in the raw table whether CT
    gave them a template.
    """

    mark: int | None = 0
    is_untracked: bool = False
    translated: Translated | None = None
    has_template: bool = False


Flows = dict[Key, Bounds]


class Gathered:
    """Flows that grow by many small pieces, which are joined at last."""

    __slots__ = ("_pieces", "_space")

    def __init__(self, space: Space) -> None:
        self._space = space
        self._pieces: dict[Key, list[Bounds]] = {}

    def add(self, key: Key, more: Bounds) -> None:
        """Adds connections to those of a key."""
        self._pieces.setdefault(key, []).append(more)

    def joined(self) -> Flows:
        """All of them."""
        found: Flows = {}
        for key, pieces in self._pieces.items():
            possible = self._space.union(each.possible for each in pieces)
            if all(each.is_exact for each in pieces):
                found[key] = exactly(possible)
            else:
                nominal = self._space.union(each.nominal for each in pieces)
                found[key] = Bounds(nominal, possible)
        return found


def add(flows: Flows | Gathered, key: Key, more: Bounds) -> None:
    """Adds connections to those of a key."""
    if more.is_empty():
        return
    if isinstance(flows, Gathered):
        flows.add(key, more)
    else:
        flows[key] = flows[key] | more if key in flows else more


def all_of(flows: Flows, nothing: PacketSet) -> Bounds:
    """The connections of all keys."""
    found = exactly(nothing)
    for each in flows.values():
        found = found | each
    return found
