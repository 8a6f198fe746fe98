# SPDX-License-Identifier: GPL-2.0-only
"""What a socket script expects of its sockets and packets."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from ctlint.ir.span import Span
from ctlint.model.endpoint.happening import Errno
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.world.chronicle import Fate
from ctlint.model.world.line import Side


class Range(NamedTuple):
    """From `low` to `high`, both included; None: without end."""

    low: int
    high: int | None

    def holds(self, value: int) -> bool:
        """Whether a number, or a span, is in it."""
        return value >= self.low and (self.high is None or value <= self.high)


class Stays(NamedTuple):
    """``client FIN_WAIT_1 for 107s``: the socket comes to the state and stays so long; without
    `span` it is in the state at the end. `is_for_ever`: it never leaves it.
    """

    side: Side
    state: TcpState
    span: Range | None
    is_for_ever: bool


class Goes(NamedTuple):
    """``client gone after 60s``: the socket leaves the table of its host."""

    side: Side
    after: Range | None


class Notices(NamedTuple):
    """``client gets ECONNRESET after 1s``; `event` is EOF, data, or the name of an error."""

    side: Side
    event: str
    after: Range | None


class Connects(NamedTuple):
    """``connected after 1s``."""

    after: Range | None


class Fails(NamedTuple):
    """``fails ETIMEDOUT after 131s``: connect() fails."""

    error: Errno | None
    after: Range | None


class Counts(NamedTuple):
    """``client sends 9 FINs``, ``no FIN arrives``, ``6 RSTs are dropped by filter/OUTPUT#1``.

    `side` is who sends, None: either. `kind` are letters of flags, empty for any segment.
    """

    side: Side | None
    number: Range
    kind: str
    fate: Fate | None
    rule: str | None


class Many(NamedTuple):
    """``990 connected``, ``10 fail ETIMEDOUT``: of what is repeated."""

    number: Range
    fails: bool
    error: Errno | None


class HasEntry(NamedTuple):
    """``entry ESTABLISHED``: the box has an entry of the connection in this state; None: none."""

    state: str | None


What: TypeAlias = Stays | Goes | Notices | Connects | Fails | Counts | Many | HasEntry


class Claim(NamedTuple):
    """One thing that is expected, and where it is written."""

    what: What
    span: Span
