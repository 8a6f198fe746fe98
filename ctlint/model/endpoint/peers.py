# SPDX-License-Identifier: GPL-2.0-only
"""What a host remembers of others for tcp_tw_recycle: the last timestamp of each address.

Source: net/ipv4/tcp_metrics.c, tcp_peer_is_proven and tcp_remember_stamp, Linux 3.10. All who share
an address by NAT are one peer.
"""

from __future__ import annotations

from typing import Final

from ctlint.model.endpoint.options import is_behind
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet

_PAWS_MSL: Final[Micros] = 60 * SECOND
_PAWS_WINDOW: Final = 1
_MOST: Final = 65536


class Peers:
    """The peers of one host; of too many the oldest are forgotten. `rejections` counts the SYNs
    that were dropped (PAWSPassive).
    """

    __slots__ = ("_seen", "rejections")

    def __init__(self) -> None:
        self._seen: dict[tuple[Family, int], tuple[int, Micros]] = {}
        self.rejections = 0

    def remember(self, family: Family, address: int, stamp: int, now: Micros) -> None:
        """Port of tcp_remember_stamp."""
        self._seen.pop((family, address), None)
        self._seen[family, address] = (stamp, now)
        if len(self._seen) > _MOST:
            del self._seen[next(iter(self._seen))]

    def rejects(self, packet: Packet, stamps: tuple[int, int] | None, now: Micros) -> bool:
        """Whether a SYN is older than what was seen from its address in the last minute."""
        if stamps is None:
            return False
        seen = self._seen.get((packet.family, packet.saddr))
        if seen is None or now - seen[1] >= _PAWS_MSL:
            return False
        if not is_behind(stamps[0], seen[0], _PAWS_WINDOW):
            return False
        self.rejections += 1
        return True
