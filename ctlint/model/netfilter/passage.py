# SPDX-License-Identifier: GPL-2.0-only
"""What became of a packet on its way through a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ctlint.model.conntrack.log import LogLine
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.traverse import Open, Outcome
from ctlint.wire.packet import Packet


class Emitted(NamedTuple):
    """A packet that came out of the box. ``is_same``: it is the one that went in."""

    interface: str
    packet: Packet
    is_same: bool


class Passage(NamedTuple):
    """What became of a packet.

    ``ctstates`` holds what the first table behind conntrack sees at each hook. ``matched`` names
    the rules as in docs/scenario.md, ``made_matched`` those that the box's answers met.
    ``arrived`` is the packet as a socket of the box would get it. ``cause`` is what stopped it,
    None where no rule did. ``open`` are matches that leave its fate undecided, ``unsure`` those
    that leave only ``matched`` so. ``reached`` is the last hook that was asked. ``told``
    are packets that the box made and that came to sockets of its own.
    """

    ctstates: Mapping[Hook, CtState]
    matched: Sequence[str]
    made_matched: Sequence[str]
    arrived: Packet | None
    out: Sequence[Emitted]
    log: Sequence[LogLine]
    cause: Outcome | None
    open: Sequence[Open]
    unsure: Sequence[Open]
    reached: Hook | None = None
    told: Sequence[Packet] = ()

    @property
    def is_delivered(self) -> bool:
        """Whether it came out, or reached a socket of the box."""
        return self.arrived is not None or any(emitted.is_same for emitted in self.out)


class Record:
    """A Passage while it is written."""

    __slots__ = (*Passage._fields,)

    def __init__(self) -> None:
        self.ctstates: dict[Hook, CtState] = {}
        self.matched: list[str] = []
        self.made_matched: list[str] = []
        self.arrived: Packet | None = None
        self.out: list[Emitted] = []
        self.log: list[LogLine] = []
        self.cause: Outcome | None = None
        self.open: list[Open] = []
        self.unsure: list[Open] = []
        self.reached: Hook | None = None
        self.told: list[Packet] = []

    def passage(self) -> Passage:
        """What became of the packet, in the end."""
        return Passage(
            self.ctstates,
            self.matched,
            self.made_matched,
            self.arrived,
            self.out,
            self.log,
            self.cause,
            self.open,
            self.unsure,
            self.reached,
            self.told,
        )
