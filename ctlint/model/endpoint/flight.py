# SPDX-License-Identifier: GPL-2.0-only
"""What is in flight, and which timer watches it."""

from __future__ import annotations

from enum import Enum
from typing import Final

from ctlint.wire.moments import Micros
from ctlint.wire.sequence import LAST


class Pending(Enum):
    """What the retransmission timer of a socket is set for (icsk_pending)."""

    RETRANS = "retransmit"
    LOSS_PROBE = "loss probe"
    PROBE0 = "persist"


# As the states: names of a module are found faster.
RETRANS: Final = Pending.RETRANS
LOSS_PROBE: Final = Pending.LOSS_PROBE
PROBE0: Final = Pending.PROBE0


class Segment:
    """A segment in flight."""

    __slots__ = (
        "end",
        "is_fin",
        "is_lost",
        "is_sacked",
        "is_syn",
        "length",
        "sent_at",
        "seq",
        "times",
    )

    def __init__(self, seq: int, length: int, *, is_syn: bool, is_fin: bool, now: Micros) -> None:
        self.seq = seq
        self.length = length
        self.is_syn = is_syn
        self.is_fin = is_fin
        self.is_lost = False
        self.is_sacked = False
        self.end = seq + length + is_syn + is_fin & LAST
        self.sent_at = now
        self.times = 1
