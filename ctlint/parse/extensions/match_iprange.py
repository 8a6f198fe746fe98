# SPDX-License-Identifier: GPL-2.0-only
"""``-m iprange``. Source: libxt_iprange of iptables 1.8.11.

A range whose first address is the higher one is loaded, with a warning: it holds no address.
"""

from __future__ import annotations

from ctlint.ir.values import AddressRange
from ctlint.parse.extension import OptionSpec, match, one_of
from ctlint.parse.operands import Operand
from ctlint.wire.addresses import Family, format_address, parse_address


def _parse_addresses(text: str, family: Family) -> AddressRange:
    first, dash, last = text.partition("-")
    low = parse_address(first, family)
    return AddressRange(family, low, parse_address(last, family) if dash else low)


def _format_addresses(value: AddressRange) -> str:
    return "-".join(format_address(value.family, end) for end in (value.low, value.high))


_RANGE = Operand("ADDRESS or ADDRESS-ADDRESS", _parse_addresses, _format_addresses)

EXTENSIONS = (
    match(
        "iprange",
        OptionSpec("src-range", (_RANGE,), negatable=True),
        OptionSpec("dst-range", (_RANGE,), negatable=True),
        check=one_of("src-range", "dst-range"),
    ),
)
