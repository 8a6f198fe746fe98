# SPDX-License-Identifier: GPL-2.0-only
"""A connection as those see it who look on: both of its ends, whatever became of either."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros

if TYPE_CHECKING:
    from ctlint.model.endpoint.socket import Socket
    from ctlint.model.world.peer import Peer

Key = tuple[Family, int, int, int, int]
"""A half of a connection at its host: family, its address and port, the peer's."""


class Side(IntEnum):
    """Whose end of a connection."""

    CLIENT = 0
    SERVER = 1

    @property
    def other(self) -> Side:
        """The end across."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class Manner(IntEnum):
    """How a program treats a socket by itself."""

    HOLD = 0
    """It reads what comes, and waits to be told."""

    SERVE = 1
    """It reads what comes, and closes when the other end has closed."""

    LEAK = 2
    """It never reads and never closes: it has forgotten the socket."""


class Half:
    """One end of a line. ``socket`` is None until there is one, and for the end of a server that
    never accepted. ``key`` is None until a packet has come to that host.
    """

    __slots__ = ("is_gone", "key", "line", "manner", "peer", "side", "socket")

    def __init__(self, line: Line, side: Side) -> None:
        self.line = line
        self.side = side
        self.peer: Peer | None = None
        self.key: Key | None = None
        self.socket: Socket | None = None
        self.manner = Manner.HOLD
        self.is_gone = False


class Line:
    """A connection that a client opened. ``number`` counts from 1; ``group`` says whose it is,
    where many are alike. ``is_watched``: what happens to it is recorded.
    """

    __slots__ = ("began", "client", "group", "is_watched", "number", "server")

    def __init__(self, number: int, began: Micros, *, is_watched: bool, group: int) -> None:
        self.number = number
        self.began = began
        self.is_watched = is_watched
        self.group = group
        self.client = Half(self, Side.CLIENT)
        self.server = Half(self, Side.SERVER)

    def half(self, side: Side) -> Half:
        """One of its ends."""
        return self.client if side is Side.CLIENT else self.server
