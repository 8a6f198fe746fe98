# SPDX-License-Identifier: GPL-2.0-only
"""Typed operands of rule options. Addresses stand in :mod:`ctlint.wire.addresses`."""

from __future__ import annotations

from typing import NamedTuple

from ctlint.wire.addresses import Family


class Range(NamedTuple):
    """The integers ``low`` to ``high``, both included."""

    low: int
    high: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


class Masked(NamedTuple):
    """A value that is compared (or set) under a mask."""

    value: int
    mask: int


class MacAddress(NamedTuple):
    """An Ethernet address as a 48-bit integer, with its mask."""

    address: int
    mask: int = (1 << 48) - 1


class Rate(NamedTuple):
    """``amount`` units per ``per`` seconds; ``unit`` is ``packets`` or ``bytes``."""

    amount: int
    per: int
    unit: str


class AddressRange(NamedTuple):
    """The addresses ``low`` to ``high`` of one family, both included."""

    family: Family
    low: int
    high: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


class NatRange(NamedTuple):
    """What a NAT target may choose from (struct nf_nat_range2).

    ``addresses`` or ``ports`` of None leave the address or the port as it is. With ``base`` a
    port ``p`` becomes ``ports.low + (p - base) % size`` for the ``size`` ports of the range, so
    that a range is shifted as a whole (nf_nat_l4proto_unique_tuple, Linux 4.18).
    """

    addresses: AddressRange | None
    ports: Range | None = None
    base: int | None = None


class IcmpType(NamedTuple):
    """An ICMP or ICMPv6 type with the codes from ``code_low`` to ``code_high``.

    In IPv4, type 255 stands for every type and code, whatever the codes here say
    (icmp_type_code_match() in net/netfilter/xt_tcpudp.c); in IPv6 it is a type like any other.
    """

    type: int
    code_low: int = 0
    code_high: int = 255


class HeaderOption(NamedTuple):
    """An option of an IPv6 hop-by-hop or destination header; ``length`` None: any length."""

    type: int
    length: int | None = None


class BpfInstruction(NamedTuple):
    """One instruction of a classic BPF program (struct sock_filter)."""

    code: int
    jump_true: int
    jump_false: int
    k: int


class MaskedAddress(NamedTuple):
    """An address that is compared under a mask, as it was written: host bits count for nothing.

    iptables keeps them and prints them again, where :class:`ctlint.wire.addresses.Net` has none.
    """

    family: Family
    address: int
    mask: int

    def contains(self, address: int) -> bool:
        """Whether ``address`` (an integer of the same family) is equal under the mask."""
        return (address ^ self.address) & self.mask == 0
