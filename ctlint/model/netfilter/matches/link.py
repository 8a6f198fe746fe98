# SPDX-License-Identifier: GPL-2.0-only
"""Matches on the frame in which a packet came in.

A link without addresses is a tunnel of type ARPHRD_NONE; lo is no Ethernet either.

Source: net/netfilter/xt_mac.c, xt_pkttype.c, net/ipv6/netfilter/ip6t_eui64.c, eth_type_trans() in
net/ethernet/eth.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ctlint.ir.rule import Match
from ctlint.ir.values import MacAddress
from ctlint.model.netfilter.host import LOOPBACK, AddressType
from ctlint.model.netfilter.matches.predicate import Predicate, Rows, of_option
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Mac, Transit
from ctlint.wire.addresses import Family

_NO_MAC: Final = "the sender's MAC address is not known"


def _mac(match: Match, facts: Facts) -> Iterator[Predicate]:
    for option in match.options:
        asked = of_option(
            option, partial(_is_from, option.value, facts.mac), Field.IN_INTERFACE, why=_NO_MAC
        )
        yield _only_ethernet(asked, facts.mac)


def _eui64(_: Match, facts: Facts) -> Iterator[Predicate]:
    def has_interface_id(transit: Transit) -> Tern:
        if facts.mac is None or facts.mac.address is None:
            return Tern.UNKNOWN
        is_same = transit.packet.saddr & _LOWER_HALF == _interface_id(facts.mac.address)
        return Tern.TRUE if is_same else Tern.FALSE

    reads = frozenset({Field.IN_INTERFACE, Field.SADDR})
    yield _only_ethernet(Predicate(has_interface_id, reads, why=_NO_MAC), facts.mac)


def _only_ethernet(asked: Predicate, mac: Mac | None) -> Predicate:
    """The same on Ethernet; elsewhere no packet matches, negated or not."""

    def test(transit: Transit) -> Tern:
        if transit.box is not None and transit.in_interface == LOOPBACK:
            return Tern.FALSE
        if mac is not None and mac.address is None:
            return Tern.FALSE
        return asked.test(transit)

    return asked._replace(test=test)


def _is_from(wanted: MacAddress, mac: Mac | None, _: Transit) -> bool | None:
    return None if mac is None else mac.address == wanted.address


_LOWER_HALF: Final = (1 << 64) - 1
_UNIVERSAL: Final = 0x02 << 56


def _interface_id(mac: int) -> int:
    """The lower half of an IPv6 address that is made of a MAC address (RFC 4291, appendix A)."""
    return (mac >> 24 << 40 | 0xFFFE << 24 | mac & 0xFFFFFF) ^ _UNIVERSAL


def _pkttype(match: Match, facts: Facts) -> Iterator[Predicate]:
    for option in match.options:
        yield of_option(
            option,
            partial(_is_packet_type, option.value, facts.mac),
            Field.DADDR,
            Field.IN_INTERFACE,
            why="depends on the link layer",
        )


def _is_packet_type(wanted: str, mac: Mac | None, transit: Transit) -> bool | None:
    """A packet for one host is "unicast"; on lo and of the box's own the kernel says so too.

    A tunnel has no other type: what it brings in is for this host.
    """
    is_from_tunnel = (
        transit.box is not None and not transit.is_own and mac is not None and mac.address is None
    )
    is_sure = is_from_tunnel or is_for_one_host(transit)
    return wanted == "unicast" if is_sure else None


def is_for_one_host(transit: Transit) -> bool:
    """Whether the destination is neither a multicast nor a broadcast address, as far as known."""
    packet = transit.packet
    if packet.family is Family.IPV6:
        return packet.daddr >> 120 != 0xFF
    if transit.box is not None:
        kind = transit.box.host.address_type(packet.daddr, Family.IPV4)
        return kind not in (AddressType.MULTICAST, AddressType.BROADCAST)
    return packet.daddr >> 28 != 0xE and packet.daddr != 0xFFFFFFFF


ROWS: Final[Rows] = {"eui64": _eui64, "mac": _mac, "pkttype": _pkttype}
