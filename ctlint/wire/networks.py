# SPDX-License-Identifier: GPL-2.0-only
"""Ranges of addresses as networks."""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.wire.addresses import Family, Net


def cover(first: int, last: int, family: Family) -> Iterator[Net]:
    """The fewest networks that hold the addresses from ``first`` to ``last`` and no other; none
    where ``last`` is before ``first``.
    """
    while first <= last:
        free = (first & -first).bit_length() - 1 if first else family.bits
        free = min(free, (last - first + 1).bit_length() - 1)
        yield Net(family, first, family.full_mask ^ ((1 << free) - 1))
        first += 1 << free
