# SPDX-License-Identifier: GPL-2.0-only
"""What a box made of one captured packet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.passage import Emitted
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet


class Way(Enum):
    """How a packet goes by the box."""

    __hash__ = object.__hash__

    FORWARD = "forward"
    IN = "in"
    OUT = "out"
    LOOPBACK = "loopback"


class Fate(Enum):
    """What becomes of a packet."""

    __hash__ = object.__hash__

    PASSED = "passed"
    DROPPED = "dropped"
    REJECTED = "rejected"
    LOST = "lost"
    """No rule stopped it: conntrack did, or routing."""
    UNDECIDED = "undecided"


class Played(NamedTuple):
    """A packet as it was played. ``at`` is in microseconds since 1970, ``now`` since the first of
    the capture. ``ctstate`` is that at the main hook, None where no rule behind conntrack saw the
    packet, or where that is not decided; ``hooks`` has those of all. ``cause`` names the rule or
    policy that stopped it, ``undecided`` the matches that left it open. ``entry`` is the packet's
    entry behind it, which goes on changing, ``pktdir`` the packet's direction in it, ``is_fresh``:
    the packet made it. ``key`` is its tuple, or that of what it quotes. ``frames``
    is how many frames it took, more than one for fragments.
    """

    at: Micros
    now: Micros
    packet: Packet
    key: tuple[int, ...]
    way: Way
    interface: str
    ctstate: str | None
    hooks: Mapping[Hook, CtState]
    fate: Fate
    cause: str | None = None
    reasons: Sequence[Reason] = ()
    why: Sequence[str] = ()
    rules: Sequence[str] = ()
    undecided: Sequence[Mapping[str, Any]] = ()
    entry: Entry | None = None
    pktdir: Dir | None = None
    is_fresh: bool = False
    out: Sequence[Emitted] = ()
    frames: int = 1
