# SPDX-License-Identifier: GPL-2.0-only
"""Timestamps of segments: PAWS.

Source: RFC 7323, section 5; include/net/tcp.h, tcp_paws_check and tcp_paws_reject, Linux 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.sequence import LAST

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket

_PAWS_24DAYS: Final[Micros] = 60 * 60 * 24 * 24 * SECOND
_PAWS_MSL: Final[Micros] = 60 * SECOND


def read_timestamps(packet: Packet) -> tuple[int, int] | None:
    """The timestamps of a segment: value and echo."""
    options = packet.options
    return None if options is None else options.timestamps


def is_behind(value: int, other: int, window: int) -> bool:
    """Whether a timestamp is older than another by more than a window, around the circle."""
    difference = other - value & LAST
    return window < difference < 1 << 31


def is_too_old(sk: Socket, value: int, window: int, now: Micros) -> bool:
    """Port of tcp_paws_check, negated: whether a timestamp is older than one that was seen."""
    if sk.ts_recent_at is None or not window < (sk.ts_recent - value & LAST) < 1 << 31:
        return False
    return now - sk.ts_recent_at < _PAWS_24DAYS and sk.ts_recent != 0


def is_rejected(sk: Socket, value: int, now: Micros, *, is_rst: bool) -> bool:
    """Port of tcp_paws_reject: a RST is held against what was seen for a minute only."""
    if not is_too_old(sk, value, 0, now):
        return False
    assert sk.ts_recent_at is not None
    return not is_rst or now - sk.ts_recent_at < _PAWS_MSL
