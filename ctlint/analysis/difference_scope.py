# SPDX-License-Identifier: GPL-2.0-only
"""What a set of connections is made of, as far as that can be said in few words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ctlint.analysis.coordinates import (
    CLIENT_ADDRESS,
    CLIENT_INTERFACE,
    SERVER_ADDRESS,
    SERVER_INTERFACE,
    SERVER_PORT,
    Coordinates,
)
from ctlint.analysis.difference import Scope
from ctlint.finding import Role
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.values import Range
from ctlint.wire.addresses import Family, Net, format_address

MAX_NETWORKS: Final = 8
"""More networks are not named."""
OTHER_INTERFACES: Final = "others"
"""Stands for all interfaces that no rule names."""


def scope_of(packets: PacketSet, coordinates: Coordinates, role: Role) -> Scope:
    """The parts of connections, each by itself: not every combination need be among them. ``role``
    is that of the host once NAT has given them their destination.
    """
    both = (CLIENT_INTERFACE, SERVER_INTERFACE)
    client, server = (_interfaces(packets, part, coordinates) for part in both)
    return Scope(
        _ports(packets, coordinates),
        _networks(packets, CLIENT_ADDRESS, coordinates),
        _networks(packets, SERVER_ADDRESS, coordinates),
        client,
        server if role is Role.FORWARD else (),
    )


def _values(packets: PacketSet, part: str, coordinates: Coordinates) -> Sequence[Range] | None:
    """What a part can be; empty where it can be anything, None where that is too much to tell."""
    try:
        found = packets.values(part)
    except TooLargeError:
        return None
    return () if found == coordinates.possible().values(part) else found


def _ports(packets: PacketSet, coordinates: Coordinates) -> tuple[Range, ...] | None:
    found = _values(packets, SERVER_PORT, coordinates)
    return None if found is None else tuple(found)


def _networks(packets: PacketSet, part: str, coordinates: Coordinates) -> tuple[str, ...] | None:
    found = _values(packets, part, coordinates)
    if found is None or len(found) > MAX_NETWORKS:
        return None
    networks = [net for each in found for net in _split(each, coordinates.family)]
    return tuple(map(_text, networks)) if len(networks) <= MAX_NETWORKS else None


def _split(addresses: Range, family: Family) -> Iterator[Net]:
    """A range as networks; see RFC 4632."""
    low, high = addresses
    while low <= high:
        size = low & -low if low else 1 << family.bits
        while size > high - low + 1:
            size >>= 1
        yield Net(family, low, family.full_mask ^ (size - 1))
        low += size


def _text(net: Net) -> str:
    return format_address(net.family, net.address) if net.is_host else str(net)


def _interfaces(packets: PacketSet, part: str, coordinates: Coordinates) -> tuple[str, ...]:
    if coordinates.role is Role.LOOPBACK:
        return ()
    numbers = [number for each in packets.values(part) for number in range(each[0], each[1] + 1)]
    names = [coordinates.interfaces[number] for number in numbers]
    if len(names) == len(coordinates.interfaces):
        return ()
    named = [name for name in names if name not in coordinates.unnamed]
    return (*named, *([OTHER_INTERFACES] if len(named) < len(names) else []))
