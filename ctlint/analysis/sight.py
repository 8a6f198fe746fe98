# SPDX-License-Identifier: GPL-2.0-only
"""What rules see of the ends of connections in a packet's header: the ends themselves, or what NAT
has made of them so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ctlint.analysis.coordinates import ENDS
from ctlint.analysis.rewriting import Rewritten, Translated
from ctlint.headerspace.space import PacketSet, Space
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.tern import Tern

_SOURCE: Final = frozenset({"saddr", "sport"})
_ADDRESSES: Final = frozenset({"saddr", "daddr"})


class Sight:
    """The header of the packets of one end, ``done`` being the ends that NAT has rewritten already
    in them. The fields are ``saddr``, ``sport``, ``daddr`` and ``dport``.
    """

    def __init__(
        self,
        space: Space,
        sender: Dir,
        translated: Translated | None = None,
        done: frozenset[Manip] = frozenset(),
    ) -> None:
        self._space = space
        self._parts = ENDS[sender]
        self._source, self._destination = _seen(sender, translated, done)
        self._as_is = {
            field: part for field, part in self._parts._asdict().items() if self._of(field) is None
        }
        """The parts of a point that fields hold which NAT has left alone."""

    def masked(self, field: str, value: int, mask: int) -> PacketSet | None:
        """The connections of which an address has the value where the mask is 1; None where that
        cannot be told.
        """
        space = self._space
        if field in self._as_is:
            return space.masked(self._as_is[field], value, mask)
        part, rewritten = getattr(self._parts, field), self._of(field)
        assert rewritten is not None
        if rewritten.addresses is None and not rewritten.is_of_host:
            return space.masked(part, value, mask)
        new = rewritten.addresses
        if new is None:
            return None
        given = mask & ~rewritten.kept
        if new.low == new.high:
            if (new.low ^ value) & given:
                return space.nothing
            return space.masked(part, value & rewritten.kept, mask & rewritten.kept)
        free = mask ^ ((1 << space.layout[part]) - 1)
        if free & (free + 1):
            return None
        return self._told(rewritten.is_address_in(value, value | free))

    def among(self, field: str, ranges: Sequence[tuple[int, int]]) -> PacketSet | None:
        """The connections of which a field is in one of the ranges; None where that cannot be
        told.
        """
        space, part = self._space, getattr(self._parts, field)
        rewritten = self._of(field)
        if rewritten is not None and self._is_changed(field, rewritten):
            if rewritten.kept:
                return None
            is_in = rewritten.is_address_in if field in _ADDRESSES else rewritten.is_port_in
            return self._told(_any(is_in(low, high) for low, high in ranges))
        if len(ranges) == 1:
            return space.between(part, *ranges[0])
        found: PacketSet = space.union(space.between(part, low, high) for low, high in ranges)
        return found

    def part(self, field: str) -> str:
        """The part of a point that a field holds as long as it is plain."""
        part: str = getattr(self._parts, field)
        return part

    def is_plain(self, field: str) -> bool:
        """Whether a field holds what the connection's end has itself."""
        rewritten = self._of(field)
        return rewritten is None or not self._is_changed(field, rewritten)

    def constant(self, field: str) -> int | None:
        """What all packets have in an address; None where they differ in it, or it is not known."""
        rewritten = self._of(field)
        new = None if rewritten is None or rewritten.kept else rewritten.addresses
        return new.low if new is not None and new.low == new.high else None

    def _of(self, field: str) -> Rewritten | None:
        return self._source if field in _SOURCE else self._destination

    def _is_changed(self, field: str, rewritten: Rewritten) -> bool:
        if field in _ADDRESSES:
            return rewritten.addresses is not None or rewritten.is_of_host
        return rewritten.ports is not None

    def _told(self, truth: Tern) -> PacketSet | None:
        if truth is Tern.UNKNOWN:
            return None
        return self._space.everything if truth is Tern.TRUE else self._space.nothing


def _any(truths: Iterable[Tern]) -> Tern:
    found = set(truths)
    return next((one for one in (Tern.TRUE, Tern.UNKNOWN) if one in found), Tern.FALSE)


def _seen(
    sender: Dir, translated: Translated | None, done: frozenset[Manip]
) -> tuple[Rewritten | None, Rewritten | None]:
    """What stands for the source and for the destination of the sender's packets.

    The client's packets have its own ends until they are rewritten; the server answers to what it
    has seen, and its packets are rewritten back.
    """
    if translated is None:
        return None, None
    if sender is Dir.ORIGINAL:
        return (
            translated.source if Manip.SRC in done else None,
            translated.destination if Manip.DST in done else None,
        )
    return (
        None if Manip.SRC in done else translated.destination,
        None if Manip.DST in done else translated.source,
    )
