# SPDX-License-Identifier: GPL-2.0-only
"""The way that packets of an open connection take while they fare alike, kept with its entry.

Where a rule asks for more of a packet than addresses, ports, flags and marks, each takes its own
way; see ReadyRule.is_steady.
"""

from __future__ import annotations

from typing import Final, cast

from ctlint.model.conntrack.core import Tracked
from ctlint.model.conntrack.status import CtInfo
from ctlint.model.netfilter.passage import Emitted, Passage, Record
from ctlint.wire.packet import Packet


class Course:
    """The way that packets of one direction of a connection take while they fare alike.

    ``came_by`` is the interface by which they come, ``ends`` are their addresses and ports as they
    leave, ``interface`` is where; empty where the box itself gets them, None where ``cause`` stops
    them. ``by_flags`` holds the courses of packets with other flags, where rules ask for those.
    """

    __slots__ = (
        "by_flags",
        "came_by",
        "cause",
        "ctstates",
        "ends",
        "hops",
        "interface",
        "matched",
        "reached",
    )

    def __init__(
        self, came_by: str, before: Packet, after: Packet, interface: str | None, seen: Record
    ) -> None:
        self.came_by = came_by
        self.ends = (after.saddr, after.daddr, after.protocol, after.sport, after.dport)
        self.hops = before.ttl - after.ttl
        self.interface = interface
        self.cause = seen.cause
        self.ctstates = seen.ctstates
        self.matched = seen.matched
        self.reached = seen.reached
        self.by_flags: dict[int, Course] | None = None


Courses = list["Course | None"]
"""Those of the original direction and of the reply direction."""


def follow(tracked: Tracked, interface: str, packet: Packet) -> Passage | None:
    """Take the way of the packet's connection, if it is known."""
    entry = tracked.entry
    if entry is None:
        return None
    courses = cast("Courses | None", entry.extension)
    if courses is None:
        return None
    ctinfo = tracked.ctinfo
    if ctinfo is _ESTABLISHED:
        course = courses[0]
    elif ctinfo is _ESTABLISHED_REPLY:
        course = courses[1]
    else:  # an error about the connection
        return None
    if course is None or course.came_by != interface or packet.ttl <= 1:
        return None
    if course.by_flags is not None:
        course = course.by_flags.get(int(packet.flags or 0))
        if course is None:
            return None
    out_interface = course.interface
    arrived: Packet | None = None
    out: tuple[Emitted, ...] = ()
    if out_interface is not None:
        fields = list(packet)
        fields[1:_FLAGS] = course.ends
        fields[_TTL] = packet.ttl - course.hops
        after = _make(Packet, fields)
        if out_interface:
            out = (_make(Emitted, (out_interface, after, True)),)
        else:
            arrived = after
    return _make(
        Passage,
        (
            *(course.ctstates, course.matched, (), arrived, out, tracked.log, course.cause),
            *((), (), course.reached, ()),
        ),
    )


_make = tuple.__new__
_ESTABLISHED: Final = CtInfo.ESTABLISHED
_ESTABLISHED_REPLY: Final = CtInfo.ESTABLISHED_REPLY
_FLAGS: Final = Packet._fields.index("flags")
_TTL: Final = Packet._fields.index("ttl")
