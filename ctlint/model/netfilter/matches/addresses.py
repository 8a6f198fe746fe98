# SPDX-License-Identifier: GPL-2.0-only
"""Matches on addresses: ranges, and what the routing table says of them.

Source: net/netfilter/xt_addrtype.c, xt_iprange.c, xt_pkttype.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ctlint.ir.rule import Match
from ctlint.model.netfilter.host import AddressType
from ctlint.model.netfilter.matches.predicate import Predicate, Rows, of_option, undecided
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.addresses import Family


def _addrtype(match: Match, _: Facts) -> Iterator[Predicate]:
    limited = any(option.name.startswith("limit-iface") for option in match.options)
    for option in match.options:
        if option.name in ("src-type", "dst-type"):
            if limited:
                yield undecided("the addresses of the interface are not known")
                continue
            attribute = "source_type" if option.name == "src-type" else "destination_type"
            yield of_option(
                option,
                partial(_is_address_type, option.value, attribute),
                Field.ADDRESS_TYPE,
                Field.DADDR,
                why="depends on the routing table",
            )


def _is_address_type(names: tuple[str, ...], attribute: str, transit: Transit) -> bool | None:
    kind: AddressType = getattr(transit, attribute)
    if attribute == "destination_type" and not _is_for_one_host(transit):
        return None
    if transit.packet.family is Family.IPV6:
        return _is_address_type6(names, kind)
    if kind.value in names:
        return True
    # Special kinds of routes (BLACKHOLE, PROHIBIT, …) depend on the routing table.
    decided = {"LOCAL", "UNICAST", "BROADCAST", "MULTICAST", "ANYCAST", "UNSPEC"}
    return False if set(names) <= decided else None


def _is_address_type6(names: tuple[str, ...], kind: AddressType) -> bool | None:
    """Port of match_type6() for an address of a TCP connection.

    UNICAST says something of the address, so it holds for the host's own too; and what is said of
    the address and of its route must both hold.
    """
    if "MULTICAST" in names or "UNSPEC" in names:
        return False
    if not {"LOCAL", "ANYCAST", "UNREACHABLE"} & set(names):
        return True
    if kind is AddressType.LOCAL and "LOCAL" in names:
        return True
    return None if "UNREACHABLE" in names else False


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


def _pkttype(match: Match, _: Facts) -> Iterator[Predicate]:
    # A packet for one host is unicast; on lo the kernel says so too.
    for option in match.options:
        yield of_option(
            option,
            partial(_is_packet_type, option.value),
            Field.DADDR,
            why="depends on the link layer",
        )


def _is_packet_type(wanted: str, transit: Transit) -> bool | None:
    return wanted == "unicast" if _is_for_one_host(transit) else None


def _is_for_one_host(transit: Transit) -> bool:
    """Whether the destination is neither a multicast nor the limited broadcast address."""
    address = transit.packet.daddr
    if transit.packet.family is Family.IPV6:
        return address >> 120 != 0xFF
    return address >> 28 != 0xE and address != 0xFFFFFFFF


ROWS: Final[Rows] = {"addrtype": _addrtype, "iprange": _iprange, "pkttype": _pkttype}
