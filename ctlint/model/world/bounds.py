# SPDX-License-Identifier: GPL-2.0-only
"""Where a run ends, and why."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from ctlint.wire.moments import SECOND, Micros

DAY: Final[Micros] = 86_400 * SECOND


class Why(Enum):
    """Why a run ended; the value is its word in JSON."""

    QUIET = "quiet"
    """Nothing is left that could happen: what is now stays for ever."""

    TIME = "time"
    """The moment up to which it was to run has come."""

    STEADY = "steady"
    """Packets go on, but nothing else changes any more."""

    EVENTS = "events"
    """It took more events than a run may have."""

    UNDECIDED = "undecided"
    """What becomes of a packet cannot be decided, so neither what comes of it."""


class Ending(NamedTuple):
    """Why a run ended and when; ``detail`` says what could not be decided."""

    why: Why
    at: Micros
    detail: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether what was to be played was played."""
        return self.why in (Why.QUIET, Why.TIME, Why.STEADY)


class Bounds(NamedTuple):
    """What a run may take. ``events``: in all. ``idle_packets``: so many packets may be sent
    without a socket changing its state, or getting data, before the run counts as steady.
    """

    events: int = 10_000_000
    idle_packets: int = 20_000


USUAL_BOUNDS: Final = Bounds()
