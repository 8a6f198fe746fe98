# SPDX-License-Identifier: GPL-2.0-only
"""Addresses as tests write them: of the family that their text has."""

from __future__ import annotations

from typing import Final

from ctlint.model.netfilter.host import InterfaceAddress
from ctlint.wire.addresses import Family, parse_address


def family_of(text: str) -> Family:
    return Family.IPV6 if ":" in text else Family.IPV4


def ip(text: str) -> int:
    return parse_address(text, family_of(text))


def address(interface: str, text: str) -> InterfaceAddress:
    """An interface's address, as ADDRESS/LENGTH."""
    own, _, length = text.partition("/")
    return InterfaceAddress(interface, family_of(own), ip(own), int(length))


ROUTER_ADDRESSES: Final = (
    address("eth0", "10.1.0.1/16"),
    address("eth1", "10.2.0.1/16"),
    address("eth0", "fd01::1/64"),
    address("eth1", "fd02::1/64"),
)
"""Those of a box between two networks."""
