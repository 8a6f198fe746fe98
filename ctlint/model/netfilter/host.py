# SPDX-License-Identifier: GPL-2.0-only
"""The box as routing sees it: its interfaces, their addresses, its routes.

Source: net/ipv4/fib_frontend.c (__inet_dev_addr_type, fib_add_ifaddr), fib_semantics.c and
devinet.c; net/ipv6/route.c and addrconf.c; Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from ctlint.wire.addresses import Family, Net

LOOPBACK: Final = "lo"
LOOPBACK_ADDRESS: Final = {Family.IPV4: 0x7F000001, Family.IPV6: 1}
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

    def holds(self, address: int) -> bool:
        """Whether an address is in the network (inet_ifa_match)."""
        return (address ^ self.address) & self.mask == 0

    def likeness(self, address: int) -> int:
        """How many leading bits another address has in common, of those of the network."""
        differing = (self.address ^ address).bit_length()
        return min(self.family.bits - differing, self.prefix_length)


class Route(NamedTuple):
    """Packets for ``net`` leave by ``interface``. ``source`` is the address that the box's own
    have then; None where the interface's addresses say it.
    """

    net: Net
    interface: str
    source: int | None = None


def _is_for_itself(address: int, family: Family) -> bool:
    """Whether no other host knows the address (scope host): 127.0.0.0/8."""
    return family is Family.IPV4 and address >> 24 == 127


def _scope(address: int) -> int:
    """Port of ipv6_addr_scope for unicast addresses: how far the address is known."""
    return {0xFE80 >> 6: 0x2, 0xFEC0 >> 6: 0x5}.get(address >> 118, 0xE)


def _fitness(own: int, wanted: int) -> int:
    """Of scopes that are wide enough the narrowest is best, of the others the widest."""
    return -own if own >= wanted else own - 0x20


class Host:
    """A box. ``addresses`` stand in the order in which they were added. ``routes`` are those beyond
    the networks of the addresses. ``mtu`` is that of all its links, in bytes; None where it is not
    known.
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
            Route(
                Net(found.family, found.address & found.mask, found.mask),
                found.interface,
                found.address,
            )
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
        route = self._route(address, family)
        return None if route is None else route.interface

    def _route(self, address: int, family: Family) -> Route | None:
        return next((one for one in self.routes if self._leads_to(one, address, family)), None)

    def strict_route(self, interface: str, address: int, family: Family) -> str | None:
        """The interface by which a packet leaves that must leave by the one where it came in, as
        IPv6 demands where the address means another host on each link (rt6_need_strict); None
        where no route leads there.
        """
        leads = any(
            route.interface == interface and self._leads_to(route, address, family)
            for route in self.routes
        )
        return interface if leads else None

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

    def first_address(self, interface: str, family: Family) -> int | None:
        """The address of an interface that stands first in the kernel's list of them; None where it
        has none. IPv4 puts another behind the ones before (__inet_insert_ifa), IPv6 before those of
        its scope (ipv6_link_dev_addr).
        """
        own = [
            found.address
            for found in self.addresses
            if found.family is family and found.interface == interface
        ]
        if not own:
            return None
        return own[0] if family is Family.IPV4 else own[-1]

    def source_over(self, interface: str, daddr: int, family: Family) -> int | None:
        """The address that an interface gives to what leaves by it to an address; where it has none
        that others know, that of another.
        """
        if family is Family.IPV4:
            return self._inet_select_addr(interface, daddr)
        return self._ipv6_dev_get_saddr(interface, daddr)

    def source_to(self, daddr: int, family: Family, interface: str | None = None) -> int | None:
        """The address that the box's own packets to an address have; None where they have none.

        An ``interface`` by which IPv6 packets have to leave goes before that of the route.
        """
        if self.is_local(daddr, family):
            return daddr
        if family is Family.IPV6:
            over = interface or self.route(daddr, family)
            return None if over is None else self._ipv6_dev_get_saddr(over, daddr)
        route = self._route(daddr, family)
        if route is None:
            return None
        if route.source is not None:
            return route.source
        return self._inet_select_addr(route.interface)

    def _inet_select_addr(self, interface: str, daddr: int | None = None) -> int | None:
        """Port of inet_select_addr: the first that is in one network with the other, else the first
        of the interface, else the first of all.
        """
        known = [
            found
            for found in self.addresses
            if found.family is Family.IPV4 and not _is_for_itself(found.address, Family.IPV4)
        ]
        own = [found for found in known if found.interface == interface]
        near = [found for found in own if daddr is not None and found.holds(daddr)]
        return next((found.address for found in (*near, *own, *known)), None)

    def _ipv6_dev_get_saddr(self, interface: str, daddr: int) -> int | None:
        """Port of ipv6_dev_get_saddr (RFC 6724, rules 1, 2, 5 and 8): the address itself, else one
        of a fitting scope, of these one of the interface, of these the one that is most like it.
        """
        if self.is_local(daddr, Family.IPV6):
            return daddr
        newest_first = [found for found in reversed(self.addresses) if found.family is Family.IPV6]
        best = max(
            newest_first,
            key=lambda found: (
                _fitness(_scope(found.address), _scope(daddr)),
                found.interface == interface,
                found.likeness(daddr),
            ),
            default=None,
        )
        return None if best is None else best.address

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
