# SPDX-License-Identifier: GPL-2.0-only
"""The box of a scenario: its addresses and routes, and so the way that a packet takes.

docs/scenario.md says how each topology is wired. Source of the order of hooks: net/ipv4/ip_input.c,
ip_forward.c and ip_output.c, and their IPv6 counterparts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from ctlint.model.conntrack.status import Dir
from ctlint.scenario.scenario import Flow, Forward, Host, Loopback, Topology
from ctlint.wire.addresses import Family, format_address

PREROUTING: Final = "PREROUTING"
INPUT: Final = "INPUT"
FORWARD: Final = "FORWARD"
OUTPUT: Final = "OUTPUT"

_LEFT, _RIGHT, _WIRE = "left", "right", "wire"
_OVER_LO: Final = (OUTPUT, PREROUTING, INPUT)
_EVERYWHERE: Final = ipaddress.IPv4Network("0.0.0.0/0")

_MOST_REMEMBERED: Final = 4096
"""Ways that are remembered."""

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Path(NamedTuple):
    """Where a packet goes that nothing drops: the hooks that it passes.

    `side` is where it comes out, None for what the box keeps. `receiver` is the end that gets it,
    None where neither does.
    """

    hooks: tuple[str, ...]
    side: str | None
    receiver: Dir | None


class UnroutableError(Exception):
    """An address with which routing does more than find a way."""

    def __init__(self, address: str) -> None:
        super().__init__(f"how the box routes {address} is not simulated")


class Box:
    """The box of a topology. Raises UnroutableError where an address of its own is no host's."""

    def __init__(self, topology: Topology, flow: Flow) -> None:
        self._topology = topology
        self._family = topology.family
        self._own = {flow.saddr, flow.daddr}
        self._routes: list[tuple[_Network, str]] = []
        self._networks: list[_Network] = []
        self._default: str | None = None
        self._paths: dict[tuple[Dir, int, int], Path] = {}
        if isinstance(topology, Forward):
            left, right = (
                ipaddress.ip_interface(text) for text in (topology.left_addr, topology.right_addr)
            )
            self._networks = [left.network, right.network]
            self._own = {int(left.ip), int(right.ip)}
            # A host route for each end, before those of the networks.
            self._routes = [(self._host(flow.saddr), _LEFT), (self._host(flow.daddr), _RIGHT)]
            if topology.left_if != topology.right_if:  # else who is meant stands on the one wire
                self._routes += [(left.network, _LEFT), (right.network, _RIGHT)]
            self._default = _RIGHT
        elif isinstance(topology, Host):
            own = ipaddress.ip_interface(topology.addr)
            self._networks = [own.network]
            self._own = {int(own.ip)}
            self._default = _WIRE
        for address in self._own:
            if ipaddress.ip_address(format_address(self._family, address)).is_multicast:
                raise UnroutableError(format_address(self._family, address))

    def _host(self, address: int) -> _Network:
        return ipaddress.ip_network(format_address(self._family, address))

    def path(self, sender: Dir, saddr: int, daddr: int) -> Path:
        """The way of a packet of that end. Raises UnroutableError."""
        key = sender, saddr, daddr
        found = self._paths.get(key)
        if found is None:
            if len(self._paths) >= _MOST_REMEMBERED:
                self._paths.clear()
            found = self._paths[key] = self._find(sender, saddr, daddr)
        return found

    def _find(self, sender: Dir, saddr: int, daddr: int) -> Path:
        topology = self._topology
        if isinstance(topology, Loopback):
            self._refuse(end for end in (saddr, daddr) if end not in self._own)
            return Path(_OVER_LO, None, sender.other)
        is_sent = isinstance(topology, Host) and topology.role is sender
        self._refuse(
            end
            for end in (saddr, daddr)
            if self._is_special(end) or (end == saddr and end in self._own and not is_sent)
        )
        side = None if daddr in self._own else self._side_of(daddr)
        if isinstance(topology, Forward):
            if side is None:
                return Path((PREROUTING, INPUT), None, None)
            receiver = Dir.ORIGINAL if side == _LEFT else Dir.REPLY
            return Path((PREROUTING, FORWARD), side, receiver)
        if side is not None:
            hooks = (OUTPUT,) if is_sent else (PREROUTING, FORWARD)
            return Path(hooks, side, topology.role.other)
        if is_sent:
            return Path(_OVER_LO, None, None)
        return Path((PREROUTING, INPUT), None, topology.role)

    def _refuse(self, addresses: Iterable[int]) -> None:
        for address in addresses:
            raise UnroutableError(format_address(self._family, address))

    def _side_of(self, address: int) -> str | None:
        found = ipaddress.ip_address(format_address(self._family, address))
        return next((side for network, side in self._routes if found in network), self._default)

    def _is_special(self, address: int) -> bool:
        found = ipaddress.ip_address(format_address(self._family, address))
        if found.is_multicast or found.is_loopback or found.is_unspecified:
            return True
        if self._family is Family.IPV6:
            return found.is_link_local
        return address >> 24 == 0 or any(
            found == network.broadcast_address
            for network in (_EVERYWHERE, *self._networks)
            if network.prefixlen < network.max_prefixlen - 1
        )
