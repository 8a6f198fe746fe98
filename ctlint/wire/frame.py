# SPDX-License-Identifier: GPL-2.0-only
"""A captured frame, and where the IP packet begins in it.

Source: https://www.tcpdump.org/linktypes.html; IEEE 802.1Q for tags.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros

NULL, ETHERNET, RAW_BSD, RAW_OPENBSD, RAW, LOOP = 0, 1, 12, 14, 101, 108
COOKED, COOKED2, RAW_IPV4, RAW_IPV6 = 113, 276, 228, 229
"""Link types (LINKTYPE_*). 12 and 14 are what some systems write for 101."""

_TAGS: Final = frozenset((0x8100, 0x88A8, 0x9100))
"""802.1Q, 802.1ad, and what stood for that before."""
_MOST_TAGS: Final = 8
_ADDRESS_FAMILIES: Final = {2: Family.IPV4} | dict.fromkeys((10, 24, 28, 30), Family.IPV6)
"""AF_INET, and AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS."""
_COOKED_HEADER, _COOKED2_HEADER = 16, 20


class Frame(NamedTuple):
    """A frame as it was captured. ``at`` is in microseconds since 1970, None where the capture does
    not say when; ``link`` is its link type, ``length`` what it had on the wire, of which ``data``
    are the first bytes. ``interface`` is the name or number of the interface, empty where the
    capture does not say. ``offset`` is where its record begins in the capture.
    """

    at: Micros | None
    link: int
    data: bytes
    length: int
    interface: str
    offset: int


class LeftOut(Enum):
    """Why a frame is not played."""

    NO_TIME = "no moment: the record does not say when it was captured"
    UNKNOWN_LINK = "of a link type that is not read"
    NO_IP = "not IP (ARP, LLDP, PPPoE …)"
    CUT = "cut off by the capture before the ports, so that its connection is not known"
    MALFORMED = "malformed: IP drops it before conntrack sees it"
    FRAGMENT = "fragments of packets that were never whole"
    OVERLAP = "fragments that overlap: IP drops the whole packet"
    OTHER_TRACKER = "of a protocol whose tracker is not modelled (GRE, SCTP …)"
    SPECIAL = "to or from a special address (multicast, broadcast, link-local, unspecified)"
    OUTPUT = "seen again as they left the box"

    @property
    def sentence(self) -> str:
        """What is said of such frames."""
        return self.value


def ip_start(link: int, data: bytes) -> int | LeftOut:
    """Where the IP header begins in a frame."""
    if link == ETHERNET:
        return _behind_type(data, 12)
    if link == COOKED:
        return _behind_type(data, _COOKED_HEADER - 2)
    if link == COOKED2:
        if len(data) < _COOKED2_HEADER:
            return LeftOut.CUT
        return _behind_type(data, 0, _COOKED2_HEADER)
    if link in (RAW, RAW_BSD, RAW_OPENBSD, RAW_IPV4, RAW_IPV6):
        return 0
    if link in (NULL, LOOP):
        if len(data) < 4:
            return LeftOut.CUT
        # Of NULL the order is that of the machine that captured it: families are small.
        number = min(int.from_bytes(data[:4], "big"), int.from_bytes(data[:4], "little"))
        return 4 if number in _ADDRESS_FAMILIES else LeftOut.NO_IP
    return LeftOut.UNKNOWN_LINK


def _behind_type(data: bytes, at: int, start: int | None = None) -> int | LeftOut:
    """Where IP begins, by the type of the payload at a place, behind any tags. The payload begins
    behind the type, or at ``start``.
    """
    start = at + 2 if start is None else start
    for _ in range(_MOST_TAGS):
        kind = data[at : at + 2]
        if kind in (b"\x08\x00", b"\x86\xdd"):
            return start
        if len(kind) < 2:
            return LeftOut.CUT
        if int.from_bytes(kind, "big") not in _TAGS:
            return LeftOut.NO_IP
        at, start = start + 2, start + 4
    return LeftOut.NO_IP


def interface_number(data: bytes) -> str:
    """The number of the interface in a frame of Linux cooked, version 2; empty where it is cut."""
    if len(data) < _COOKED2_HEADER:
        return ""
    return str(int.from_bytes(data[4:8], "big"))
