# SPDX-License-Identifier: GPL-2.0-only
"""Parts of a packet's header that a text may tell or not."""

from __future__ import annotations

from enum import Enum, auto


class HeaderField(Enum):
    """A part beyond addresses, ports, flags and types. LENGTH is that of the whole packet, DSCP the
    upper six bits of TOS, OPTIONS those of TCP.
    """

    LENGTH = auto()
    TTL = auto()
    DSCP = auto()
    TOS = auto()
    OPTIONS = auto()
