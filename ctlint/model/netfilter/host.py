# SPDX-License-Identifier: GPL-2.0-only
"""The box as routing sees it: its interfaces, their addresses, its routes.

Source: net/ipv4/fib_frontend.c (__inet_dev_addr_type, fib_add_ifaddr), fib_semantics.c and
devinet.c; net/ipv6/route.c; Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from ctlint.wire.addresses import Family, Net

LOOPBACK: Final = "lo"
_LIMITED_BROADCAST: Final = 0xFFFFFFFF
_LOOPBACK_BROADCAST: Final = 0x7FFFFFFF


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


def _is_for_itself(address: int, family: Family) -> bool:
    """Whether no other host knows the address (scope host): 127.0.0.0/8."""
    return family is Family.IPV4 and address >> 24 == 127


class Host:
    """A box. ``addresses`` stand in the order in which they were added: the first of an interface
    is its primary one. ``routes`` are those beyond the networks of the addresses. ``mtu`` is that
    of all its links, in bytes; None where it is not known.
    """

    def __init__(
        self,
        addresses: Sequence[InterfaceAddress],
        routes: Sequence[Route] = (),
        mtu: int | None = None,
    ) -> None:
        self.mtu = mtu
        self.addresses = tuple(addresses)
        self._local = {(found.family, found.address) for found in addresses}
        self._broadcast = {_LOOPBACK_BROADCAST: LOOPBACK} | {
            found.broadcast: found.interface
            for found in reversed(addresses)
            if found.broadcast is not None
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
            if self._leads_to(route, address, family):
                return route.interface
        return None

    def has_route_over(self, interface: str, address: int, family: Family) -> bool:
        """Whether some route leads to the address over that interface."""
        if self.is_local(address, family):
            return self.interface_of(address, family) == interface
        return any(
            route.interface == interface and self._leads_to(route, address, family)
            for route in self.routes
        )

    def is_anycast(self, address: int, interface: str | None = None) -> bool:
        """Whether an IPv6 address is the anycast address of the routers of a network of the box:
        a forwarding box joins those of its prefixes shorter than 127 bits (RFC 4291, 2.6.1).
        """
        return any(
            found.family is Family.IPV6
            and found.prefix_length < 127
            and found.interface != LOOPBACK
            and address == found.address & found.mask
            and interface in (None, found.interface)
            for found in self.addresses
        )

    @staticmethod
    def _leads_to(route: Route, address: int, family: Family) -> bool:
        return route.net.family is family and address & route.net.mask == route.net.address

    def route_from(self, saddr: int, daddr: int, family: Family) -> str | None:
        """The interface by which packets of the box's own leave; None where they cannot: there is
        no route, or a source in 127.0.0.0/8 would leave the box.
        """
        interface = self.route(daddr, family)
        if interface != LOOPBACK and _is_for_itself(saddr, family):
            return None
        return interface

    def primary_address(self, interface: str, family: Family) -> int | None:
        """The address that packets of the box's own have on an interface; where it has none that
        others know, that of another. Port of inet_select_addr.
        """
        found = None
        for candidate in self.addresses:
            if candidate.family is not family or _is_for_itself(candidate.address, family):
                continue
            if candidate.interface == interface:
                return candidate.address
            if found is None:
                found = candidate.address
        return found

    def address_type(
        self, address: int, family: Family, interface: str | None = None
    ) -> AddressType:
        """Port of inet_addr_type and inet_dev_addr_type: with ``interface``, LOCAL and BROADCAST
        only for what that interface has.

        For IPv4 the routes of the box itself are asked alone, so an address to which no route
        leads is UNICAST like any other.
        """
        if family is Family.IPV4:
            return self._address_type4(address, interface)
        if address >> 120 == 0xFF:
            return AddressType.MULTICAST
        if interface is None:
            is_local = self.is_local(address, family)
        else:
            is_local = self.interface_of(address, family) == interface
        if is_local:
            return AddressType.LOCAL
        found = self.route(address, family)
        return AddressType.UNREACHABLE if found is None else AddressType.UNICAST

    def _address_type4(self, address: int, interface: str | None) -> AddressType:
        if address >> 28 == 0xE:
            return AddressType.MULTICAST
        if address in (0, _LIMITED_BROADCAST):
            return AddressType.BROADCAST
        owner = self._broadcast.get(address)
        if owner is not None:
            kind = AddressType.BROADCAST
        else:
            owner, kind = self.interface_of(address, Family.IPV4), AddressType.LOCAL
        if owner is None or interface not in (None, owner):
            return AddressType.UNICAST
        return kind
