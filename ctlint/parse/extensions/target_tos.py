# SPDX-License-Identifier: GPL-2.0-only
"""``-j TOS``. All its options are kept as ``set-tos``: tos = (tos & ~mask) ^ value.

Source: libxt_TOS of iptables 1.8.11, tos_tg() in xt_DSCP.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.ir.values import Masked
from ctlint.parse.extension import OptionSpec, one_of, target
from ctlint.parse.operands import TOS, UINT8, Operand, format_tos, parse_integer
from ctlint.wire.addresses import Family


def _parse_and(text: str, _: Family) -> Masked:
    return Masked(0, parse_integer(text, 0, UINT8) ^ UINT8)


def _parse_or(text: str, _: Family) -> Masked:
    bits = parse_integer(text, 0, UINT8)
    return Masked(bits, bits)


def _parse_xor(text: str, _: Family) -> Masked:
    return Masked(parse_integer(text, 0, UINT8), 0)


_BITS = "a number in 0-255"

EXTENSIONS = (
    target(
        "TOS",
        OptionSpec("set-tos", (TOS,)),
        OptionSpec("and-tos", (Operand(_BITS, _parse_and, format_tos),), canonical="set-tos"),
        OptionSpec("or-tos", (Operand(_BITS, _parse_or, format_tos),), canonical="set-tos"),
        OptionSpec("xor-tos", (Operand(_BITS, _parse_xor, format_tos),), canonical="set-tos"),
        tables=("mangle",),
        check=one_of("set-tos"),
    ),
)
