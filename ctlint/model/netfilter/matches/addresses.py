# SPDX-License-Identifier: GPL-2.0-only
"""Matches on addresses: ranges, and what the routing table says of them.

Source: net/netfilter/xt_addrtype.c, xt_iprange.c; __ipv6_addr_type() in net/ipv6/addrconf_core.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ctlint.ir.rule import Match
from ctlint.model.netfilter.host import AddressType, Host
from ctlint.model.netfilter.matches.link import is_for_one_host
from ctlint.model.netfilter.matches.predicate import Predicate, Rows, of_option
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.addresses import Family


def _addrtype(match: Match, _: Facts) -> Iterator[Predicate]:
    limit = next((o.name for o in match.options if o.name.startswith("limit-iface")), None)
    for option in match.options:
        if option.name in ("src-type", "dst-type"):
            reads = [Field.ADDRESS_TYPE, Field.SADDR, Field.DADDR]
            if limit is not None:
                reads += [Field.IN_INTERFACE, Field.OUT_INTERFACE]
            yield of_option(
                option,
                partial(_is_address_type, option.value, option.name == "src-type", limit),
                *reads,
                why="depends on the routing table"
                if limit is None
                else "the addresses of the interface are not known",
            )


def _is_address_type(
    names: tuple[str, ...], is_source: bool, limit: str | None, transit: Transit
) -> bool | None:
    if transit.box is not None:
        address = transit.packet.saddr if is_source else transit.packet.daddr
        interface = None
        if limit is not None:
            is_in = limit == "limit-iface-in"
            interface = transit.in_interface if is_in else transit.out_interface
            if not interface:
                return None
        if transit.packet.family is Family.IPV6:
            return _has_type6(names, address, transit.box.host, interface)
        kind = transit.box.host.address_type(address, Family.IPV4, interface)
        return kind.value in names
    if limit is not None:
        return None
    kind = transit.source_type if is_source else transit.destination_type
    if not is_source and not is_for_one_host(transit):
        return None
    if transit.packet.family is Family.IPV6:
        return _might_have_type6(names, kind)
    if kind.value in names:
        return True
    # Special kinds of routes (BLACKHOLE, PROHIBIT, …) depend on the routing table.
    decided = {"LOCAL", "UNICAST", "BROADCAST", "MULTICAST", "ANYCAST", "UNSPEC"}
    return False if set(names) <= decided else None


def _might_have_type6(names: tuple[str, ...], kind: AddressType) -> bool | None:
    """Port of match_type6() for an address of a TCP connection.

    UNICAST says something of the address, so it holds for the host's own too; and what is said of
    the address and of its route must both hold.
    """
    if "MULTICAST" in names or "UNSPEC" in names:
        return False
    if not _OF_ROUTES & set(names):
        return True
    if kind is AddressType.LOCAL and "LOCAL" in names:
        return True
    return None if "UNREACHABLE" in names else False


def _has_type6(
    names: tuple[str, ...], address: int, host: Host, interface: str | None
) -> bool | None:
    """Port of match_type6() and match_lookup_rt6()."""
    is_multicast = address >> 120 == 0xFF
    is_unicast = not (is_multicast or address == 0 or address >> 32 == _MAPPED)
    if (
        ("MULTICAST" in names and not is_multicast)
        or ("UNICAST" in names and not is_unicast)
        or ("UNSPEC" in names and address != 0)
    ):
        return False
    asked = _OF_ROUTES & set(names)
    if not asked:
        return True
    if is_multicast or address == 0 or address >> 118 == _LINK_LOCAL:
        # Their routes and addresses come with the interfaces.
        return None
    is_local = host.address_type(address, Family.IPV6, interface) is AddressType.LOCAL
    if interface is None:
        is_reachable = host.route(address, Family.IPV6) is not None
    else:
        is_reachable = host.has_route_over(interface, address, Family.IPV6)
    if not is_reachable:
        return "UNREACHABLE" in names
    is_anycast = not is_local and host.is_anycast(address, interface)
    return (is_local and "LOCAL" in names) or (is_anycast and "ANYCAST" in names)


_OF_ROUTES: Final = frozenset({"LOCAL", "ANYCAST", "UNREACHABLE"})
_MAPPED: Final = 0xFFFF
_LINK_LOCAL: Final = 0xFE80 >> 6


def _iprange(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        low, high = option.value.low, option.value.high
        if option.name == "src-range":
            yield of_option(
                option,
                lambda t, low=low, high=high: low <= t.packet.saddr <= high,  # type: ignore[misc]
                Field.SADDR,
            )
        else:
            yield of_option(
                option,
                lambda t, low=low, high=high: low <= t.packet.daddr <= high,  # type: ignore[misc]
                Field.DADDR,
            )


ROWS: Final[Rows] = {"addrtype": _addrtype, "iprange": _iprange}
