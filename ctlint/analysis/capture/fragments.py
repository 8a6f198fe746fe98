# SPDX-License-Identifier: GPL-2.0-only
"""Packets put together from their fragments, as nf_defrag does before conntrack sees them.

Only the first fragment's bytes are kept: of the others conntrack needs to know that they are there.

Source: net/ipv4/ip_fragment.c and inet_fragment.c; net/ipv6/netfilter/nf_conntrack_reasm.c; Linux
6.18. Fragments that overlap make both give up the whole packet (RFC 5722).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from ctlint.wire.addresses import Family
from ctlint.wire.decoding import Decoded, Header, Piece, transport
from ctlint.wire.frame import LeftOut
from ctlint.wire.moments import SECOND, Micros

MOST_OPEN: Final = 4096
"""Packets that wait for fragments; of more the oldest is given up."""

_MOST_PIECES: Final = 64
_KEPT_HEAD: Final = 512
_PATIENCE: Final = {Family.IPV4: 30 * SECOND, Family.IPV6: 60 * SECOND}
"""ipfrag_time and nf_conntrack_frag6_timeout."""


class _Waiting:
    """Fragments of one packet: where they begin and end, and the total length once it is known."""

    __slots__ = ("began", "count", "head", "header", "length", "spans")

    def __init__(self, began: Micros, header: Header) -> None:
        self.began = began
        self.header = header
        self.spans: list[tuple[int, int]] = []
        self.length: int | None = None
        self.head = b""
        self.count = 0


class Whole(NamedTuple):
    """A packet that is whole now, or why it never will be; ``frames`` is how many it took."""

    packet: Decoded | LeftOut
    frames: int


class Reassembly:
    """Waits for fragments. ``given_up`` counts those of packets that did not become whole."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[int, ...], _Waiting] = OrderedDict()
        self.given_up = 0

    @property
    def waiting(self) -> int:
        """Fragments of packets that are not whole yet."""
        return sum(one.count for one in self._waiting.values())

    def add(self, piece: Piece, now: Micros) -> Whole | None:
        """A fragment came; what it made whole, if anything."""
        header = piece.header
        # IPv6 knows a packet by the protocol of its first fragment alone.
        protocol = header.protocol if header.family is Family.IPV4 else 0
        key = (header.family, header.saddr, header.daddr, protocol, header.number)
        known = self._waiting.get(key)
        if known is not None and now - known.began >= _PATIENCE[header.family]:
            self._give_up(key)
            known = None
        if known is None:
            if len(self._waiting) >= MOST_OPEN:
                self._give_up(next(iter(self._waiting)))
            known = self._waiting[key] = _Waiting(now, header)
        known.count += 1
        if not self._fits(known, piece):
            del self._waiting[key]
            return Whole(LeftOut.OVERLAP, known.count)
        if known.length is None or sum(end - start for start, end in known.spans) < known.length:
            return None
        del self._waiting[key]
        whole = transport(known.header, known.head, 0, known.length, keeps_payload=False)
        return Whole(whole, known.count)

    def _give_up(self, key: tuple[int, ...]) -> None:
        self.given_up += self._waiting.pop(key).count

    @staticmethod
    def _fits(known: _Waiting, piece: Piece) -> bool:
        start, end = piece.start, piece.start + piece.length
        if (start, end) in known.spans:
            return True  # The same once more (since 4.19 it is ignored).
        if end > 65535 or (piece.has_more and piece.length % 8) or len(known.spans) >= _MOST_PIECES:
            return False
        if any(start < its_end and its_start < end for its_start, its_end in known.spans):
            return False
        if not piece.has_more:
            if known.length is not None or any(its_end > end for _, its_end in known.spans):
                return False
            known.length = end
        elif known.length is not None and end > known.length:
            return False
        if start == 0:
            known.header, known.head = piece.header, piece.head[:_KEPT_HEAD]
        known.spans.append((start, end))
        return True
