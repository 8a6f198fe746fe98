# SPDX-License-Identifier: GPL-2.0-only
"""The box as routing sees it: its interfaces, their addresses, its routes.

Source: net/ipv4/fib_frontend.c (inet_addr_type), fib_semantics.c and devinet.c; net/ipv6/route.c;
Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from ctlint.wire.addresses import Family, Net

LOOPBACK: Final = "lo"
_LIMITED_BROADCAST: Final = 0xFFFFFFFF


class AddressType(Enum):
    """Kind of an address, as the routing table says (``-m addrtype``)."""

    LOCAL = "LOCAL"
    UNICAST = "UNICAST"
    BROADCAST = "BROADCAST"
    MULTICAST = "MULTICAST"
    UNREACHABLE = "UNREACHABLE"


class InterfaceAddress(NamedTuple):
    """An address of an interface with the network that it is in."""

    interface: str
    family: Family
    address: int
    prefix_length: int

    @property
    def mask(self) -> int:
        """The network's mask."""
        host_bits = self.family.bits - self.prefix_length
        return self.family.full_mask >> host_bits << host_bits

    @property
    def broadcast(self) -> int | None:
        """The network's broadcast address, where it has one (IPv4, more than two hosts)."""
        if self.family is Family.IPV6 or self.prefix_length > 30:
            return None
        return self.address | (self.mask ^ self.family.full_mask)


class Route(NamedTuple):
    """Packets for ``net`` leave by ``interface``."""

    net: Net
    interface: str


class Host:
    """A box. ``addresses`` stand in the order in which they were added: the first of an interface
    is its primary one. ``routes`` are those beyond the networks of the addresses.
    """

    def __init__(self, addresses: Sequence[InterfaceAddress], routes: Sequence[Route] = ()) -> None:
        self.addresses = tuple(addresses)
        self._local = {(found.family, found.address) for found in addresses}
        self._broadcast = {
            (found.family, found.broadcast) for found in addresses if found.broadcast is not None
        }
        networks = [
            Route(Net(found.family, found.address & found.mask, found.mask), found.interface)
            for found in addresses
            if found.interface != LOOPBACK
        ]
        # The longest mask wins; of equal ones the first.
        self.routes = tuple(sorted([*routes, *networks], key=lambda route: -route.net.mask))

    def is_local(self, address: int, family: Family) -> bool:
        """Whether packets for the address are for this box."""
        if (family, address) in self._local:
            return True
        return (family is Family.IPV4 and address >> 24 == 127) or (
            family is Family.IPV6 and address == 1
        )

    def interface_of(self, address: int, family: Family) -> str | None:
        """The interface that has the address itself; None where none does."""
        for found in self.addresses:
            if found.family is family and found.address == address:
                return found.interface
        return LOOPBACK if self.is_local(address, family) else None

    def route(self, address: int, family: Family) -> str | None:
        """The interface by which packets for the address leave; None where there is no route."""
        if self.is_local(address, family):
            return LOOPBACK
        for route in self.routes:
            if route.net.family is family and address & route.net.mask == route.net.address:
                return route.interface
        return None

    def primary_address(self, interface: str, family: Family) -> int | None:
        """The address that packets of the box's own have on an interface."""
        for found in self.addresses:
            if found.interface == interface and found.family is family:
                return found.address
        return None

    def address_type(
        self, address: int, family: Family, interface: str | None = None
    ) -> AddressType:
        """Port of inet_addr_type and inet_dev_addr_type: with ``interface``, LOCAL only for what
        that interface has.
        """
        if family is Family.IPV4:
            if address >> 28 == 0xE:
                return AddressType.MULTICAST
            if address == _LIMITED_BROADCAST or address >> 24 == 0:
                return AddressType.BROADCAST
            if (family, address) in self._broadcast:
                return AddressType.BROADCAST
        elif address >> 120 == 0xFF:
            return AddressType.MULTICAST
        if interface is None:
            is_local = self.is_local(address, family)
        else:
            is_local = self.interface_of(address, family) == interface
        if is_local:
            return AddressType.LOCAL
        found = self.route(address, family)
        return AddressType.UNREACHABLE if found is None else AddressType.UNICAST
