# SPDX-License-Identifier: GPL-2.0-only
"""Hooks, and the order in which tables are asked at each.

Source: enum nf_ip_hook_priorities (include/uapi/linux/netfilter_ipv4.h): raw -300, conntrack -200,
mangle -150, nat -100 (destination) and 100 (source), filter 0, security 50; iptables-nft registers
security elsewhere. Measured on 6.18 for hosts, routers and loopback.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

    # See Hook.
    __hash__ = object.__hash__


CONNTRACK: Final = "conntrack"

_TABLES: Final[Mapping[Hook, tuple[str, ...]]] = {
    Hook.PREROUTING: ("raw", CONNTRACK, "mangle", "nat"),
    Hook.LOCAL_IN: ("mangle", "filter", "security", "nat"),
    Hook.FORWARD: ("mangle", "filter", "security"),
    Hook.LOCAL_OUT: ("raw", CONNTRACK, "mangle", "nat", "filter", "security"),
    Hook.POSTROUTING: ("mangle", "nat"),
}
"""Who is asked at each hook, in order; conntrack's confirmation is the last of all."""

_NFT_LOCAL_IN: Final = ("mangle", "filter", "nat", "security")
"""iptables-nft gives the table security the priority 150, behind nat (nft.c of iptables 1.8.11)."""

HAS_OUT: Final = frozenset({Hook.FORWARD, Hook.LOCAL_OUT, Hook.POSTROUTING})
"""Hooks that know by which interface the packet leaves."""


def tables_at(hook: Hook, *, is_nft: bool) -> tuple[str, ...]:
    """Who is asked at a hook, in order. ``is_nft``: the rules are those of iptables-nft."""
    return _NFT_LOCAL_IN if is_nft and hook is Hook.LOCAL_IN else _TABLES[hook]


def stops(path: Path, *, is_nft: bool) -> tuple[Stop, ...]:
    """The stops of a path in order. ``is_nft``: the rules are those of iptables-nft.

    Source: kernel 6.18, measured rule by rule.
    """
    return _STOPS[is_nft][path]


def _stops(path: Path, *, is_nft: bool) -> Iterator[Stop]:
    if path is Path.LOOPBACK:
        yield from _stops(Path.OUT, is_nft=is_nft)
        # The packet keeps its entry through the loopback device, so nat is not asked again; raw is,
        # and sees the entry there.
        for hook in (Hook.PREROUTING, Hook.LOCAL_IN):
            for table in tables_at(hook, is_nft=is_nft):
                if table not in (CONNTRACK, "nat"):
                    yield Stop(hook, table, tracked=True)
        return
    tracked = False
    for hook in _HOOKS[path]:
        for table in tables_at(hook, is_nft=is_nft):
            if table == CONNTRACK:
                tracked = True
            else:
                yield Stop(hook, table, tracked)


_HOOKS: Final = {
    Path.IN: (Hook.PREROUTING, Hook.LOCAL_IN),
    Path.OUT: (Hook.LOCAL_OUT, Hook.POSTROUTING),
    Path.FORWARD: (Hook.PREROUTING, Hook.FORWARD, Hook.POSTROUTING),
}
_STOPS: Final = {
    is_nft: {path: tuple(_stops(path, is_nft=is_nft)) for path in Path} for is_nft in (False, True)
}
