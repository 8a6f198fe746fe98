# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with the connections of a host: values, which reports lay out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ctlint.analysis.evidence import Counted
from ctlint.finding import Location, Role
from ctlint.ir.evidence import EntryLine, LoggedPacket, SocketLine
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.hooks import Hook
from ctlint.wire.tcp_flags import TcpFlags


class Pattern(Enum):
    """What a trouble is like: the value is how it is named. Those that are incidents of
    ``ctlint simulate`` have its names.
    """

    FIN_WAIT_1 = "fin-wait-1"
    PORT_REUSE = "port-reuse"
    HALF_CLOSE = "half-close"
    TW_RECYCLE = "tw-recycle"
    ACCEPT_QUEUE = "accept-queue"
    SYN_RETRIES = "syn-retries"
    REQUEST_QUEUE = "request-queue"
    TABLE_FULL = "table-full"
    UNANSWERED = "unanswered"

    @property
    def page(self) -> str | None:
        """Its page in the documents."""
        has_page = self not in (Pattern.REQUEST_QUEUE, Pattern.TABLE_FULL, Pattern.UNANSWERED)
        return f"docs/incidents/{self.value}.md" if has_page else None


class LostPacket(NamedTuple):
    """A packet of the socket that a rule or policy eats. ``sender``: this host or the peer.
    ``counted``: what the counter of that rule says; ``logged``: the lines of the log that
    show such a packet, the newest first.
    """

    flags: TcpFlags
    sender: str
    ctstate: CtState | None
    hook: Hook | None
    rejected: bool
    location: Location
    name: str
    via: tuple[Location, ...]
    counted: Counted | None
    logged: tuple[LoggedPacket, ...]


class Lasts(NamedTuple):
    """For how much longer it lasts, in seconds from the time of the evidence; None: nothing ends
    it. ``why`` says what ends it, or why that is not known (``is_known`` false).
    """

    least: int | None
    most: int | None
    why: str
    is_known: bool = True


class Advice(NamedTuple):
    """What to do or to change: in words, and as commands where there are some. ``checked``: what
    was played to see that it helps; empty: nothing.
    """

    what: str
    commands: tuple[str, ...] = ()
    checked: str = ""


class EntryKnown(Enum):
    """What is known of a socket's entry; UNUSED: no rule of this host asks conntrack."""

    FOUND = "found"
    MISSING = "missing"
    UNUSED = "unused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong. ``socket`` is None for what is wrong with the host as a whole, and
    ``role``, where this host stands in the connection, for all but connections.
    """

    pattern: Pattern
    what: str
    socket: SocketLine | None = None
    entry_known: EntryKnown = EntryKnown.UNKNOWN
    entry: EntryLine | None = None
    lost: tuple[LostPacket, ...] = ()
    lasts: Lasts | None = None
    signs: tuple[str, ...] = ()
    now: tuple[Advice, ...] = ()
    change: tuple[Advice, ...] = ()
    undecided: tuple[str, ...] = ()
    role: Role | None = None


class Looked(NamedTuple):
    """Something that was looked at: what, in which file, and how much of it there was."""

    what: str
    file: str
    found: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that is said of a host. ``states`` counts its sockets by state; ``missing`` is evidence
    that was not there, and what cannot be said without it; ``unseen`` counts sockets beyond the
    most that are looked at.
    """

    name: str
    kernel: str
    date: str | None
    interval: int | None
    troubles: tuple[Trouble, ...]
    states: Mapping[str, int]
    looked: tuple[Looked, ...]
    missing: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    unseen: int = 0
