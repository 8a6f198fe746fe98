# SPDX-License-Identifier: GPL-2.0-only
"""The way of a packet through hooks and tables, and how a rewritten destination turns it.

Where a packet goes is the role's to say, for routes and addresses of the host are not known. What
is known without them: REDIRECT and a loopback address lead to this host, and an address other than
that to which this host was called leads on to another host.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ctlint.model.netfilter.hooks import HAS_OUT, Hook, Path, Stop, stops
from ctlint.model.netfilter.host import LOOPBACK, AddressType
from ctlint.model.netfilter.transit import Transit
from ctlint.wire.addresses import Family


class Ends(NamedTuple):
    """Interfaces and address types of a packet's path; see Transit."""

    path: Path
    in_interface: str | None
    out_interface: str | None
    source_type: AddressType
    destination_type: AddressType


# A forwarded packet has its incoming interface in POSTROUTING too: since kernel 5.7, measured on
# 6.18. It shows in user chains only, for -i is refused in POSTROUTING itself.
_HAS_IN: Final = frozenset({Hook.PREROUTING, Hook.LOCAL_IN, Hook.FORWARD})


class Way:
    """The stops of a path in order. ``ends`` are those of the path that is followed now;
    ``is_nft``: the rules are those of iptables-nft.
    """

    def __init__(self, ends: Ends, *, is_nft: bool) -> None:
        self.ends = ends
        self._is_nft = is_nft
        # All of OUTPUT sees the interface of the route before NAT (struct nf_hook_state).
        self._sent_by = ends.out_interface
        self._stops = stops(ends.path, is_nft=is_nft)
        self._at = 0

    def __iter__(self) -> Iterator[Stop]:
        while self._at < len(self._stops):
            self._at += 1
            yield self._stops[self._at - 1]

    def show(self, transit: Transit, hook: Hook) -> None:
        """Give the transit the interfaces and address types that a hook knows."""
        ends = self.ends
        forwarded = ends.path is Path.FORWARD
        transit.in_interface = ends.in_interface if forwarded or hook in _HAS_IN else ""
        transit.out_interface = ends.out_interface if hook in HAS_OUT else ""
        if hook is Hook.LOCAL_OUT:
            transit.out_interface = self._sent_by
        transit.source_type = ends.source_type
        transit.destination_type = ends.destination_type

    def turn(self, path: Path, hook: Hook) -> None:
        """Go on along another path behind the nat table of a hook that both have."""
        ends = self.ends
        if path is ends.path:
            return
        self._stops = stops(path, is_nft=self._is_nft)
        self._at = next(n for n, stop in enumerate(self._stops, 1) if stop[:2] == (hook, "nat"))
        if path is Path.LOOPBACK:
            local = AddressType.LOCAL
            self.ends = Ends(path, LOOPBACK, LOOPBACK, local, local)
        else:
            kind = AddressType.LOCAL if path is Path.IN else AddressType.UNICAST
            self.ends = ends._replace(path=path, destination_type=kind)


def path_to(address: int, family: Family, path: Path, *, is_redirect: bool) -> Path:
    """The path of a packet whose destination was rewritten to another address."""
    if path is Path.LOOPBACK:
        return path
    is_here = is_redirect or (address >> 24 == 127 if family is Family.IPV4 else address == 1)
    if path is Path.OUT:
        return Path.LOOPBACK if is_here else path
    return Path.IN if is_here else Path.FORWARD


ANSWERING: Final = {
    Path.IN: Path.OUT,
    Path.OUT: Path.IN,
    Path.FORWARD: Path.FORWARD,
    Path.LOOPBACK: Path.LOOPBACK,
}
"""The path of the other end's packets."""
