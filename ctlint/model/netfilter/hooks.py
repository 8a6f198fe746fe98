# SPDX-License-Identifier: GPL-2.0-only
"""Hooks, and the order in which tables are asked at each.

Source: enum nf_ip_hook_priorities (include/uapi/linux/netfilter_ipv4.h): raw -300, conntrack -200,
mangle -150, nat -100 (destination) and 100 (source), filter 0, security 50. Measured on 6.18 for
hosts, routers and loopback.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Hook(Enum):
    """A place in the stack; the value is the name of its chains."""

    PREROUTING = "PREROUTING"
    LOCAL_IN = "INPUT"
    FORWARD = "FORWARD"
    LOCAL_OUT = "OUTPUT"
    POSTROUTING = "POSTROUTING"

    # Each is one object: it need not be told from its likes by name, which is slow.
    __hash__ = object.__hash__


class Stop(NamedTuple):
    """One table asked at one hook. ``tracked``: conntrack has seen the packet before."""

    hook: Hook
    table: str
    tracked: bool

    @property
    def chain(self) -> str:
        """The base chain's name."""
        return self.hook.value


class Path(Enum):
    """The way of a packet relative to the host that holds the rules."""

    IN = "in"
    OUT = "out"
    FORWARD = "forward"
    LOOPBACK = "loopback"


_RECEIVE: Final = (
    Stop(Hook.PREROUTING, "raw", False),
    Stop(Hook.PREROUTING, "mangle", True),
    Stop(Hook.PREROUTING, "nat", True),
)
_DELIVER: Final = (
    Stop(Hook.LOCAL_IN, "mangle", True),
    Stop(Hook.LOCAL_IN, "filter", True),
    Stop(Hook.LOCAL_IN, "security", True),
    Stop(Hook.LOCAL_IN, "nat", True),
)
_SEND: Final = (
    Stop(Hook.LOCAL_OUT, "raw", False),
    Stop(Hook.LOCAL_OUT, "mangle", True),
    Stop(Hook.LOCAL_OUT, "nat", True),
    Stop(Hook.LOCAL_OUT, "filter", True),
    Stop(Hook.LOCAL_OUT, "security", True),
    Stop(Hook.POSTROUTING, "mangle", True),
    Stop(Hook.POSTROUTING, "nat", True),
)

STOPS: Final = {
    Path.IN: _RECEIVE + _DELIVER,
    Path.OUT: _SEND,
    Path.FORWARD: (
        *_RECEIVE,
        Stop(Hook.FORWARD, "mangle", True),
        Stop(Hook.FORWARD, "filter", True),
        Stop(Hook.FORWARD, "security", True),
        Stop(Hook.POSTROUTING, "mangle", True),
        Stop(Hook.POSTROUTING, "nat", True),
    ),
    # The packet keeps its entry through the loopback device, so nat is not asked again; raw is,
    # and sees the entry there.
    Path.LOOPBACK: (
        *_SEND,
        Stop(Hook.PREROUTING, "raw", True),
        Stop(Hook.PREROUTING, "mangle", True),
        Stop(Hook.LOCAL_IN, "mangle", True),
        Stop(Hook.LOCAL_IN, "filter", True),
        Stop(Hook.LOCAL_IN, "security", True),
    ),
}
"""The stops of each path in order. Source: kernel 6.18, measured rule by rule."""
