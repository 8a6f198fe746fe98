# SPDX-License-Identifier: GPL-2.0-only
"""The box of a scenario: its addresses and routes, and who stands behind its interfaces.

docs/scenario.md says how each topology is wired.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.host import LOOPBACK, AddressType, Host, InterfaceAddress, Route
from ctlint.scenario.scenario import Flow, Forward, Topology
from ctlint.scenario.scenario import Host as HostTopology
from ctlint.wire.addresses import Family, Net, format_address

MTU: Final = 65535
"""Length of the longest packet, which every link takes."""

_LEFT, _RIGHT, _WIRE = "left", "right", "wire"
_MOST_REMEMBERED: Final = 4096
"""Pairs of addresses that are remembered."""


class UnroutableError(Exception):
    """An address with which routing does more than find a way."""

    def __init__(self, address: str) -> None:
        super().__init__(f"how the box routes {address} is not simulated")


class Box:
    """The box of a topology. Raises UnroutableError where an address of its own is no host's.

    ``entrances`` are the interfaces behind which the ends stand, None where an end is the box.
    """

    def __init__(self, topology: Topology, flow: Flow) -> None:
        self._family = family = topology.family
        self._orig = flow.saddr
        self._is_lo = False
        self._plain: set[tuple[Dir, int, int]] = set()
        self._sides: dict[str, tuple[str, Dir]] = {}
        self._is_hairpin = False
        self.entrances: dict[Dir, str | None]
        default: str | None
        if isinstance(topology, Forward):
            left, right = topology.left_if, topology.right_if
            addresses = [
                self._address(left, topology.left_addr),
                self._address(right, topology.right_addr),
            ]
            routes = [self._to(flow.saddr, left), self._to(flow.daddr, right)]
            default = right
            self.entrances = {Dir.ORIGINAL: left, Dir.REPLY: right}
            self._sides = {right: (_RIGHT, Dir.REPLY), left: (_LEFT, Dir.ORIGINAL)}
            self._is_hairpin = left == right
        elif isinstance(topology, HostTopology):
            wire, role = topology.interface, topology.role
            addresses = [self._address(wire, topology.addr)]
            routes = []
            default = wire
            self.entrances = {role: None, role.other: wire}
            self._sides = {wire: (_WIRE, role.other)}
        else:
            self._is_lo = True
            ends = dict.fromkeys((flow.saddr, flow.daddr))
            addresses = [InterfaceAddress(LOOPBACK, family, end, family.bits) for end in ends]
            routes = []
            default = None
            self.entrances = {Dir.ORIGINAL: None, Dir.REPLY: None}
        if default is not None:
            routes.append(Route(Net(family, 0, 0), default))
        self.host = Host(addresses, routes, MTU)
        self._own = {found.address for found in addresses}
        for address in self._own:
            if ipaddress.ip_address(format_address(family, address)).is_multicast:
                raise UnroutableError(format_address(family, address))

    def _address(self, interface: str, text: str) -> InterfaceAddress:
        own = ipaddress.ip_interface(text)
        return InterfaceAddress(interface, self._family, int(own.ip), own.network.prefixlen)

    def _to(self, address: int, interface: str) -> Route:
        return Route(Net(self._family, address, self._family.full_mask), interface)

    def behind(self, interface: str, daddr: int) -> tuple[str, Dir]:
        """The side on which a packet came out, and the end that stands there."""
        if self._is_hairpin and daddr != self._orig:
            # Both ends are behind one interface: who is meant stands there.
            return _RIGHT, Dir.REPLY
        return self._sides[interface]

    def is_box(self, end: Dir) -> bool:
        """Whether this end is the box itself."""
        return self.entrances[end] is None

    def require_routable(self, sender: Dir, saddr: int, daddr: int) -> None:
        """Refuse addresses of a packet with which routing does more. Raises UnroutableError."""
        key = sender, saddr, daddr
        if key in self._plain:
            return
        for address in (saddr, daddr):
            if self._is_lo:
                is_plain = self.host.is_local(address, self._family)
            else:
                is_plain = not self._is_special(address)
            if not is_plain:
                raise UnroutableError(format_address(self._family, address))
        if len(self._plain) >= _MOST_REMEMBERED:
            self._plain.clear()
        self._plain.add(key)

    def _is_special(self, address: int) -> bool:
        found = ipaddress.ip_address(format_address(self._family, address))
        if found.is_multicast or found.is_loopback or found.is_unspecified:
            return True
        if self._family is Family.IPV6:
            return found.is_link_local
        kind = self.host.address_type(address, self._family)
        return address >> 24 == 0 or kind is AddressType.BROADCAST
