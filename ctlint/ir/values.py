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
    port ``p`` becomes ``ports.low + (p - base)``, so that a range is shifted as a whole.
    """

    addresses: AddressRange | None
    ports: Range | None = None
    base: int | None = None
