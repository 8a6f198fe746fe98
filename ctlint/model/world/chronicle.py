# SPDX-License-Identifier: GPL-2.0-only
"""What happened in a world, for those who look on: packets, states of sockets, deeds."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet

if TYPE_CHECKING:
    from ctlint.model.conntrack.status import CtState
    from ctlint.model.endpoint.happening import Happening
    from ctlint.model.endpoint.tcp_state import TcpState
    from ctlint.model.world.line import Half, Line

MOST_RUNGS: Final = 20_000
"""So many packets, states and deeds are kept; those that follow are counted."""


class Fate(Enum):
    """What became of a packet; the value is its word in JSON."""

    UNDER_WAY = "under way"
    """The run ended before it arrived."""

    ARRIVED = "arrived"
    REFUSED = "refused"
    """The sender's own output dropped it: it never left the host, and the call fails."""

    DROPPED = "dropped"
    """The box dropped it."""

    REJECTED = "rejected"
    """The box dropped it, and said so."""

    LOST = "lost"
    """A link lost it."""

    ASTRAY = "astray"
    """It came out of the box for an address that nobody has."""

    UNDECIDED = "undecided"


class Rung:
    """One packet of a line. ``sender`` is a host, or the box where it made the packet. ``states``
    are those of the client's and the server's socket, the sender's when it had sent and the other's
    when that had taken the packet; None where there is no socket. ``rules`` are those that matched,
    ``cause`` what dropped it. ``entry`` is the state of conntrack's entry behind it, and how long
    that has to live.
    """

    __slots__ = (
        *("arrived", "at", "cause", "ctstate", "entry", "fate", "half"),
        *("is_own", "line", "packet", "rules", "sender", "states"),
    )

    def __init__(
        self, at: Micros, line: Line, half: Half | None, sender: str, packet: Packet
    ) -> None:
        self.at = at
        self.line = line
        self.half = half
        self.sender = sender
        self.packet = packet
        self.fate = Fate.UNDER_WAY
        self.arrived: Micros | None = None
        self.ctstate: CtState | None = None
        self.rules: tuple[str, ...] = ()
        self.cause: str | None = None
        self.entry: tuple[str, int] | None = None
        self.states: list[TcpState | None] = [None, None]


class Turn:
    """A socket changed its state, or its program noticed something."""

    __slots__ = ("at", "half", "happening")

    def __init__(self, at: Micros, half: Half, happening: Happening) -> None:
        self.at = at
        self.half = half
        self.happening = happening


class Deed:
    """What was done, by the number of its step; ``inner`` is a step of what is repeated.
    ``trouble`` says why it could not be done.
    """

    __slots__ = ("at", "inner", "line", "number", "trouble")

    def __init__(
        self, at: Micros, number: int, line: Line | None, inner: object | None = None
    ) -> None:
        self.at = at
        self.number = number
        self.line = line
        self.inner = inner
        self.trouble: str | None = None


Event: TypeAlias = Rung | Turn | Deed


class Chronicle:
    """What happened, in the order in which it did. ``left_out`` counts what is not kept."""

    __slots__ = ("events", "left_out", "most")

    def __init__(self, most: int = MOST_RUNGS) -> None:
        self.events: list[Event] = []
        self.left_out = 0
        self.most = most

    def add(self, event: Event) -> None:
        """Keeps it, while there is room."""
        if len(self.events) < self.most:
            self.events.append(event)
        else:
            self.left_out += 1
