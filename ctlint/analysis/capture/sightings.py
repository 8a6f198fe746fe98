# SPDX-License-Identifier: GPL-2.0-only
"""Packets that a capture shows twice: as they came in, and as they left the box again.

What the model sends out is awaited for a while, for it may have to wait for a neighbour's address:
a frame that is the same, with the TTL and the addresses that it left with, is not played once more.
So are the answers that the box makes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ctlint.model.conntrack.tuple import get_tuple
from ctlint.model.netfilter.passage import Emitted
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet

_PATIENCE: Final[Micros] = 4 * SECOND
"""Longer than a neighbour is asked for its address (mcast_solicit and retrans_time_ms: 3 s)."""

_MOST_AWAITED: Final = 8192


_Key = tuple[object, ...]
_Awaited = OrderedDict[_Key, tuple[Micros, int]]
"""Until when, and how many that look alike."""

_UP_TO_ACK: Final = Packet._fields.index("ack") + 1


class Sightings:
    """The packets that are to be seen again."""

    def __init__(self) -> None:
        self._awaited: _Awaited = OrderedDict()
        self._made: _Awaited = OrderedDict()

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
        return _take(self._awaited, (seen, packet.ttl, number), now) or (
            bool(self._made) and _take(self._made, seen, now)
        )


def _looks(packet: Packet) -> _Key:
    if packet.icmp_type is None:
        return packet[:_UP_TO_ACK]
    about = None if packet.quoted is None else get_tuple(packet.quoted)
    return (*packet[:_UP_TO_ACK], packet.icmp_id, about)


def _keep(awaited: _Awaited, key: _Key, now: Micros) -> None:
    known = awaited.pop(key, None)
    awaited[key] = (now + _PATIENCE, 1 if known is None or known[0] < now else known[1] + 1)
    if len(awaited) > _MOST_AWAITED:
        awaited.popitem(last=False)


def _take(awaited: _Awaited, key: _Key, now: Micros) -> bool:
    known = awaited.pop(key, None)
    if known is None or known[0] < now:
        return False
    if known[1] > 1:
        awaited[key] = (known[0], known[1] - 1)
    return True
