# SPDX-License-Identifier: GPL-2.0-only
"""Fragments as ip_fragment.c and nf_conntrack_reasm.c put them together (RFC 791, RFC 5722)."""

from __future__ import annotations

import struct

import pytest

from ctlint.analysis.capture import fragments
from ctlint.analysis.capture.fragments import Reassembly, Whole
from ctlint.wire.addresses import Family
from ctlint.wire.decoding import Decoded, Header, Piece
from ctlint.wire.frame import LeftOut
from ctlint.wire.protocols import UDP

_SECOND = 1_000_000
_UDP = struct.pack("!HHHH", 5, 53, 100, 0)


def _piece(start: int, length: int, *, more: bool = True, number: int = 7) -> Piece:
    header = Header(Family.IPV4, 1, 2, UDP, 64, 0, number)
    return Piece(header, start, length, more, b"" if start else _UDP.ljust(length, b"x"))


_FIRST, _MIDDLE, _LAST = _piece(0, 40), _piece(40, 40), _piece(80, 20, more=False)


@pytest.mark.parametrize(
    "order", [(_FIRST, _MIDDLE, _LAST), (_LAST, _MIDDLE, _FIRST), (_MIDDLE, _FIRST, _FIRST, _LAST)]
)
def test_in_any_order(order: tuple[Piece, ...]) -> None:
    waits = Reassembly()
    assert [waits.add(piece, 0) for piece in order[:-1]] == [None] * (len(order) - 1)
    assert waits.waiting == len(order) - 1
    whole = waits.add(order[-1], 0)
    assert whole is not None
    assert isinstance(whole.packet, Decoded)
    packet = whole.packet.packet
    assert (packet.sport, packet.dport, packet.payload) == (5, 53, 92)
    assert whole.frames == len(order)
    assert waits.waiting == 0


@pytest.mark.parametrize(
    "pieces",
    [
        (_FIRST, _piece(32, 40)),  # overlaps
        (_LAST, _piece(88, 20, more=False)),  # a second end
        (_LAST, _piece(96, 40)),  # beyond the end
        (_piece(80, 40), _piece(40, 20, more=False)),  # an end before what is there
        (_piece(0, 39),),  # not whole words
        (_piece(65528, 40, more=False),),  # too long
    ],
)
def test_what_does_not_fit_gives_up_the_packet(pieces: tuple[Piece, ...]) -> None:
    waits = Reassembly()
    *before, last = pieces
    for piece in before:
        assert waits.add(piece, 0) is None
    assert waits.add(last, 0) == Whole(LeftOut.OVERLAP, len(pieces))


def test_of_two_packets_each_has_its_own() -> None:
    waits = Reassembly()
    assert waits.add(_piece(0, 40, number=1), 0) is None
    assert waits.add(_piece(40, 60, more=False, number=2), 0) is None
    assert waits.add(_piece(40, 60, more=False, number=1), 0) is not None


def test_patience() -> None:
    waits = Reassembly()
    waits.add(_FIRST, 0)
    waits.add(_MIDDLE, 0)
    # ipfrag_time is 30 s: what comes then begins anew.
    assert waits.add(_LAST, 30 * _SECOND) is None
    assert (waits.given_up, waits.waiting) == (2, 1)


def test_no_more_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "MOST_OPEN", 10)
    waits = Reassembly()
    for number in range(25):
        waits.add(_piece(0, 40, number=number), 0)
    assert (waits.given_up, waits.waiting) == (15, 10)
