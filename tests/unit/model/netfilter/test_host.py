# SPDX-License-Identifier: GPL-2.0-only
"""Addresses and routes of a box. Which address it speaks with was measured on a live 6.18 kernel;
the rest is net/ipv4/fib_frontend.c's, RFC 6724's and RFC 4291's.
"""

from __future__ import annotations

import pytest

from ctlint.model.netfilter.host import LOOPBACK, AddressType, Host, Route
from ctlint.wire.addresses import Family, Net, format_address
from tests.unit.model.netfilter.addresses import address, family_of, ip

V4, V6 = Family.IPV4, Family.IPV6


def host(*addresses: tuple[str, str], default: str | None = None) -> Host:
    routes = [] if default is None else [Route(Net(family, 0, 0), default) for family in Family]
    return Host([address(*each) for each in addresses], routes)


ROUTER = host(
    ("eth0", "10.1.0.1/16"),
    ("eth1", "10.2.0.1/16"),
    ("eth0", "fd01::1/64"),
    ("eth1", "fd02::1/64"),
    ("lo", "192.0.2.1/32"),
    default="eth1",
)


# Routes


@pytest.mark.parametrize(
    ("target", "interface"),
    [
        ("10.1.9.9", "eth0"),
        ("10.2.9.9", "eth1"),
        ("8.8.8.8", "eth1"),
        ("10.1.0.1", LOOPBACK),
        ("192.0.2.1", LOOPBACK),
        ("127.3.2.1", LOOPBACK),
        ("fd01::99", "eth0"),
        ("2001:db8::1", "eth1"),
        ("fd02::1", LOOPBACK),
        ("::1", LOOPBACK),
    ],
)
def test_the_way_to_an_address(target: str, interface: str) -> None:
    assert ROUTER.route(ip(target), family_of(target)) == interface


def test_the_longest_mask_leads_and_of_equal_ones_the_first() -> None:
    box = Host(
        [address("eth0", "10.1.0.1/16"), address("eth1", "10.1.0.9/16")],
        [Route(Net(V4, ip("10.1.0.7"), V4.full_mask), "eth1")],
    )
    assert box.route(ip("10.1.0.7"), V4) == "eth1"
    assert box.route(ip("10.1.0.8"), V4) == "eth0"


def test_without_a_route_there_is_no_way() -> None:
    box = host(("eth0", "10.1.0.1/16"))
    assert box.route(ip("10.2.0.1"), V4) is None
    assert box.route(ip("fd01::1"), V6) is None
    assert box.route_from(ip("10.1.0.1"), ip("10.2.0.1"), V4) is None


@pytest.mark.parametrize(
    ("source", "target", "interface"),
    [
        ("10.1.0.1", "8.8.8.8", "eth1"),
        ("127.0.0.1", "8.8.8.8", None),
        ("127.0.0.1", "10.1.0.1", LOOPBACK),
        ("::1", "fd02::2", "eth1"),
    ],
)
def test_what_is_for_the_box_alone_does_not_leave_it(
    source: str, target: str, interface: str | None
) -> None:
    assert ROUTER.route_from(ip(source), ip(target), family_of(source)) == interface


@pytest.mark.parametrize(
    ("interface", "target", "reaches"),
    [
        ("eth1", "10.1.9.9", True),
        ("eth0", "10.1.9.9", True),
        ("eth0", "10.2.9.9", False),
        ("eth0", "10.1.0.1", True),
        ("eth1", "10.1.0.1", False),
        ("lo", "127.0.0.1", True),
    ],
)
def test_any_route_counts_for_who_asks_of_an_interface(
    interface: str, target: str, reaches: bool
) -> None:
    assert ROUTER.has_route_over(interface, ip(target), family_of(target)) is reaches


# Whose address


@pytest.mark.parametrize(
    ("own", "interface"),
    [
        ("10.1.0.1", "eth0"),
        ("fd02::1", "eth1"),
        ("192.0.2.1", "lo"),
        ("127.9.9.9", "lo"),
        ("::1", "lo"),
        ("10.1.0.2", None),
    ],
)
def test_who_has_an_address(own: str, interface: str | None) -> None:
    assert ROUTER.interface_of(ip(own), family_of(own)) == interface
    assert ROUTER.is_local(ip(own), family_of(own)) is (interface is not None)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("10.1.0.1", AddressType.LOCAL),
        ("127.0.0.1", AddressType.LOCAL),
        ("127.255.255.255", AddressType.BROADCAST),
        ("10.1.255.255", AddressType.BROADCAST),
        ("255.255.255.255", AddressType.BROADCAST),
        ("0.0.0.0", AddressType.BROADCAST),
        ("224.0.0.1", AddressType.MULTICAST),
        ("239.255.255.255", AddressType.MULTICAST),
        ("240.0.0.1", AddressType.UNICAST),
        ("10.1.0.0", AddressType.UNICAST),
        ("8.8.8.8", AddressType.UNICAST),
        ("fd01::1", AddressType.LOCAL),
        ("::1", AddressType.LOCAL),
        ("ff02::1", AddressType.MULTICAST),
        ("fd01::2", AddressType.UNICAST),
    ],
)
def test_kinds_of_addresses(target: str, kind: AddressType) -> None:
    assert ROUTER.address_type(ip(target), family_of(target)) is kind


@pytest.mark.parametrize(
    ("target", "interface", "kind"),
    [
        ("10.1.0.1", "eth0", AddressType.LOCAL),
        ("10.1.0.1", "eth1", AddressType.UNICAST),
        ("10.1.255.255", "eth0", AddressType.BROADCAST),
        ("10.1.255.255", "eth1", AddressType.UNICAST),
        ("127.0.0.1", "lo", AddressType.LOCAL),
        ("fd01::1", "eth0", AddressType.LOCAL),
        ("fd01::1", "eth1", AddressType.UNICAST),
    ],
)
def test_kinds_of_addresses_of_one_interface(
    target: str, interface: str, kind: AddressType
) -> None:
    assert ROUTER.address_type(ip(target), family_of(target), interface) is kind


def test_only_ipv6_asks_for_the_route() -> None:
    box = host(("eth0", "10.1.0.1/16"), ("eth0", "fd01::1/64"))
    assert box.address_type(ip("8.8.8.8"), V4) is AddressType.UNICAST
    assert box.address_type(ip("fd02::1"), V6) is AddressType.UNREACHABLE


@pytest.mark.parametrize("length", [31, 32])
def test_a_network_of_two_has_no_broadcast_address(length: int) -> None:
    # RFC 3021; 10.1.0.2/31 is 10.1.0.2 and 10.1.0.3.
    box = host(("eth0", f"10.1.0.2/{length}"))
    assert box.address_type(ip("10.1.0.3"), V4) is AddressType.UNICAST


@pytest.mark.parametrize(
    ("target", "interface", "is_anycast"),
    [
        ("fd01::", None, True),
        ("fd01::", "eth0", True),
        ("fd01::", "eth1", False),
        ("fd01::1", None, False),
        ("fd03::", None, False),
    ],
)
def test_the_anycast_address_of_routers(
    target: str, interface: str | None, is_anycast: bool
) -> None:
    assert ROUTER.is_anycast(ip(target), interface) is is_anycast
    assert not host(("eth0", "fd01::/127")).is_anycast(ip("fd01::"))
    assert not host(("lo", "fd01::1/64")).is_anycast(ip("fd01::"))


# Which address the box speaks with

BOTH4 = host(("eth0", "10.1.0.1/16"), ("eth0", "10.2.0.1/16"), default="eth0")
NESTED4 = host(("eth0", "10.1.0.1/16"), ("eth0", "10.1.0.9/24"), default="eth0")
BOTH6 = host(("eth0", "fd01::1/64"), ("eth0", "fd02::1/64"), default="eth0")


@pytest.mark.parametrize(
    ("box", "target", "source"),
    [
        (BOTH4, "10.1.0.2", "10.1.0.1"),
        (BOTH4, "10.2.0.2", "10.2.0.1"),
        (BOTH4, "8.8.8.8", "10.1.0.1"),
        (NESTED4, "10.1.0.5", "10.1.0.1"),
        (BOTH6, "fd01::99", "fd01::1"),
        (BOTH6, "fd02::2", "fd02::1"),
        # Of those that are equally like it the kernel has the newest first.
        (BOTH6, "2001:db8::1", "fd02::1"),
        (BOTH6, "fd03::1", "fd02::1"),
        (BOTH6, "fd01::1", "fd01::1"),
    ],
)
def test_what_an_interface_gives_to_what_is_masqueraded(
    box: Host, target: str, source: str
) -> None:
    found = box.source_over("eth0", ip(target), family_of(target))
    assert found == ip(source)


def test_likeness_ends_with_the_network() -> None:
    # RFC 6724, rule 8: common prefixes count as far as that of the address goes.
    box = host(("eth0", "fd01:0:0:1::1/48"), ("eth0", "fd01:0:0:2::1/48"))
    assert box.source_over("eth0", ip("fd01:0:0:1::99"), V6) == ip("fd01:0:0:2::1")


@pytest.mark.parametrize(("target", "source"), [("10.1.0.9", "192.0.2.1"), ("fd01::9", "fd01::1")])
def test_what_an_interface_has_not_another_lends(target: str, source: str) -> None:
    box = host(("lo", "127.0.0.2/32"), ("lo", "192.0.2.1/32"), ("eth1", "fd01::1/64"))
    assert box.source_over("eth0", ip(target), family_of(target)) == ip(source)


@pytest.mark.parametrize("family", Family)
def test_who_has_none_gives_none(family: Family) -> None:
    box = host(("lo", "127.0.0.1/8"))
    far = ip("10.1.0.9") if family is V4 else ip("fd01::9")
    assert box.source_over("eth0", far, family) is None
    assert box.first_address("eth0", family) is None
    assert box.source_to(far, family) is None


def test_the_first_address_of_an_interface_is_the_oldest_of_ipv4_and_the_newest_of_ipv6() -> None:
    assert BOTH4.first_address("eth0", V4) == ip("10.1.0.1")
    assert BOTH6.first_address("eth0", V6) == ip("fd02::1")
    assert BOTH6.first_address("eth1", V6) is None
    assert BOTH6.first_address("eth0", V4) is None


@pytest.mark.parametrize(
    ("box", "target", "source"),
    [
        # The route to a network says with which address: the default route does not.
        (BOTH4, "10.2.0.77", "10.2.0.1"),
        (BOTH4, "9.9.9.9", "10.1.0.1"),
        (NESTED4, "10.1.0.77", "10.1.0.9"),
        (NESTED4, "10.1.3.77", "10.1.0.1"),
        (BOTH4, "10.2.0.1", "10.2.0.1"),
        (BOTH6, "fd01::99", "fd01::1"),
        (BOTH6, "2001:db8::1", "fd02::1"),
        (BOTH6, "fd01::1", "fd01::1"),
    ],
)
def test_what_the_box_itself_speaks_with(box: Host, target: str, source: str) -> None:
    found = box.source_to(ip(target), family_of(target))
    assert format_address(family_of(target), found or 0) == source


def test_only_ipv6_answers_from_where_it_was_asked() -> None:
    assert ROUTER.source_to(ip("2001:db8::1"), V6, "eth0") == ip("fd01::1")
    assert ROUTER.source_to(ip("2001:db8::1"), V6) == ip("fd02::1")
    assert ROUTER.source_to(ip("9.9.9.9"), V4, "eth0") == ip("10.2.0.1")
