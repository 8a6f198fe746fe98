# SPDX-License-Identifier: GPL-2.0-only
"""Matches on the routes of the box, and on what stands beside them: bridges, IPsec, IPVS.

The box of a concrete packet is what its host says and nothing else: its interfaces are no ports of
a bridge and in no group, its routes have no realm, and it knows neither IPsec nor IPVS.

Source: net/ipv4/netfilter/ipt_rpfilter.c, net/ipv6/netfilter/ip6t_rpfilter.c, fib_info_nh_uses_dev,
net/netfilter/xt_realm.c, xt_policy.c, xt_physdev.c, xt_devgroup.c, xt_ipvs.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ctlint.ir.rule import Match, Option
from ctlint.ir.values import Masked
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.host import LOOPBACK, AddressType
from ctlint.model.netfilter.matches.concrete import of_box, settled
from ctlint.model.netfilter.matches.predicate import Predicate, Rows
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.addresses import Family

_NO_ROUTES: Final = "depends on the routing table"
_LIMITED_BROADCAST: Final = 0xFFFFFFFF
_LOCAL_NETWORK_CONTROL: Final = 0xE00000
"""224.0.0.0/24: multicast that no router forwards."""

_LINK_LOCAL: Final = 0xFE80 >> 6


def _rpfilter(match: Match, _: Facts) -> Iterator[Predicate]:
    is_loose = match.get("loose") is not None
    accepts_local = match.get("accept-local") is not None
    test = partial(_comes_back, is_loose, accepts_local)
    inverted = Option("rpfilter", negated=match.get("invert") is not None)
    yield of_box(inverted, test, Field.SADDR, Field.DADDR, Field.IN_INTERFACE, why=_NO_ROUTES)


def _comes_back(is_loose: bool, accepts_local: bool, transit: Transit, box: Box) -> bool | None:
    """Whether an answer would leave by the interface by which the packet came."""
    if transit.in_interface == LOOPBACK:
        return True
    packet, host = transit.packet, box.host
    family, source = packet.family, packet.saddr
    if family is Family.IPV6:
        if source == 0:
            return True
        if source >> 118 == _LINK_LOCAL:
            return None
        if host.is_local(source, family):
            return accepts_local
        if host.is_anycast(source):
            return False
    elif source == 0:
        if packet.daddr == _LIMITED_BROADCAST or packet.daddr >> 8 == _LOCAL_NETWORK_CONTROL:
            return True
    elif source != _LIMITED_BROADCAST:
        kind = host.address_type(source, family)
        if kind is AddressType.BROADCAST:
            return False
        if kind is AddressType.LOCAL:
            if not accepts_local:
                return False
            return is_loose or _is_same(host.interface_of(source, family), transit.in_interface)
    interface = host.route(source, family)
    if interface is None:
        return False
    return is_loose or _is_same(interface, transit.in_interface)


def _is_same(interface: str | None, other: str | None) -> bool | None:
    return None if other is None else interface == other


def _realm(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        yield of_box(option, partial(_is_realm_zero, option.value), why=_NO_ROUTES)


def _is_realm_zero(value: Masked | str, _: Transit, __: Box) -> bool | None:
    # The mask is for the route's realm alone, and a name stands for any number.
    return None if isinstance(value, str) else value.value == 0


def _devgroup(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        test = partial(_is_group_zero, option.value)
        yield of_box(option, test, why="depends on the groups of interfaces")


def _is_group_zero(value: Masked | str, _: Transit, __: Box) -> bool | None:
    return None if isinstance(value, str) else value.value & value.mask == 0


def _policy(match: Match, _: Facts) -> Iterator[Predicate]:
    kind = match.get("pol")
    is_for_none = kind is not None and kind.value == "none"
    yield settled(Option("pol"), is_for_none, "depends on IPsec policies")


def _physdev(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        yield settled(option, False, "depends on the bridge")


def _ipvs(match: Match, _: Facts) -> Iterator[Predicate]:
    # Only ``! --ipvs``, which stands alone, holds without a virtual server.
    for option in match.options:
        asked = option if option.name == "ipvs" else Option(option.name)
        yield settled(asked, False, "depends on the virtual servers")


ROWS: Final[Rows] = {
    "devgroup": _devgroup,
    "ipvs": _ipvs,
    "physdev": _physdev,
    "policy": _policy,
    "realm": _realm,
    "rpfilter": _rpfilter,
}
