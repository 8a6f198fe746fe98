# SPDX-License-Identifier: GPL-2.0-only
"""Packets that a capture shows twice: as they came in, and as they left the box again.

What the model sends out is awaited for a moment: a frame that is the same, with the TTL and the
addresses that it left with, is not played once more. So are the answers that the box makes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ctlint.model.conntrack.tuple import get_tuple
from ctlint.model.netfilter.passage import Emitted
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet

_PATIENCE: Final[Micros] = SECOND
_MOST_AWAITED: Final = 8192


_Key = tuple[object, ...]
_UP_TO_ACK: Final = Packet._fields.index("ack") + 1


class Sightings:
    """The packets that are to be seen again."""

    def __init__(self) -> None:
        self._awaited: OrderedDict[_Key, Micros] = OrderedDict()
        self._made: OrderedDict[_Key, Micros] = OrderedDict()

    def expect(self, emitted: Emitted, number: int, now: Micros) -> None:
        """The model has sent this packet; ``number`` is the identification of what came in."""
        packet = emitted.packet
        if emitted.is_same:
            _keep(self._awaited, (_looks(packet), packet.ttl, number), now)
        else:
            # Its TTL and identification are the kernel's to choose.
            _keep(self._made, _looks(packet), now)

    def is_known(self, packet: Packet, number: int, now: Micros) -> bool:
        """Whether this is such a packet; each is known once."""
        seen = _looks(packet)
        until = self._awaited.pop((seen, packet.ttl, number), None)
        if until is None and self._made:
            until = self._made.pop(seen, None)
        return until is not None and now <= until


def _looks(packet: Packet) -> _Key:
    if packet.icmp_type is None:
        return packet[:_UP_TO_ACK]
    about = None if packet.quoted is None else get_tuple(packet.quoted)
    return (*packet[:_UP_TO_ACK], packet.icmp_id, about)


def _keep(awaited: OrderedDict[_Key, Micros], key: _Key, now: Micros) -> None:
    awaited[key] = now + _PATIENCE
    awaited.move_to_end(key)
    if len(awaited) > _MOST_AWAITED:
        awaited.popitem(last=False)
