# SPDX-License-Identifier: GPL-2.0-only
"""Packets that a capture shows twice: as they came in, and as they left the box again.

What the model sends out is awaited for a moment: a frame that is the same, with the TTL and the
addresses that it left with, is not played once more. So are the answers that the box makes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from ctlint.model.netfilter.passage import Emitted
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet

_PATIENCE: Final[Micros] = SECOND
_MOST_AWAITED: Final = 8192


class _Sighting(NamedTuple):
    """What tells a packet from others. ``number`` and ``ttl`` are None where the kernel chose them
    for a packet of its own.
    """

    ends: tuple[int | None, ...]
    numbers: tuple[int | None, ...]
    number: int | None
    ttl: int | None


def _sighting(packet: Packet, number: int | None, ttl: int | None) -> _Sighting:
    # Family, addresses, protocol, ports, flags; then what ICMP has, the length and the numbers.
    return _Sighting(packet[:7], (*packet[7:12], packet.icmp_id), number, ttl)


class Sightings:
    """The packets that are to be seen again."""

    def __init__(self) -> None:
        self._awaited: OrderedDict[_Sighting, Micros] = OrderedDict()
        self._made: OrderedDict[_Sighting, Micros] = OrderedDict()

    def expect(self, emitted: Emitted, number: int, now: Micros) -> None:
        """The model has sent this packet; ``number`` is the identification of what came in."""
        packet = emitted.packet
        if emitted.is_same:
            _keep(self._awaited, _sighting(packet, number, packet.ttl), now)
        else:
            _keep(self._made, _sighting(packet, None, None), now)

    def is_known(self, packet: Packet, number: int, now: Micros) -> bool:
        """Whether this is such a packet; each is known once."""
        until = self._awaited.pop(_sighting(packet, number, packet.ttl), None)
        if until is None and self._made:
            until = self._made.pop(_sighting(packet, None, None), None)
        return until is not None and now <= until


def _keep(awaited: OrderedDict[_Sighting, Micros], key: _Sighting, now: Micros) -> None:
    awaited[key] = now + _PATIENCE
    awaited.move_to_end(key)
    if len(awaited) > _MOST_AWAITED:
        awaited.popitem(last=False)
