# SPDX-License-Identifier: GPL-2.0-only
"""``-j MARK``. All its options are kept as ``set-xmark``: mark = (mark & ~mask) ^ value.

Source: libxt_MARK of iptables 1.8.11, mark_tg() in xt_mark.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.ir.values import Masked
from ctlint.parse.extension import OptionSpec, one_of, target
from ctlint.parse.operands import MARK, UINT32, Operand, parse_integer
from ctlint.wire.addresses import Family


def format_xmark(value: Masked) -> str:
    """``VALUE/MASK`` in hex, as iptables-save prints it."""
    return f"{value.value:#x}/{value.mask:#x}"


def _parse_set_mark(text: str, family: Family) -> Masked:
    given = MARK.parse(text, family)
    return Masked(given.value, given.value | given.mask)


def _parse_and(text: str, _: Family) -> Masked:
    return Masked(0, parse_integer(text) ^ UINT32)


def _parse_or(text: str, _: Family) -> Masked:
    bits = parse_integer(text)
    return Masked(bits, bits)


def _parse_xor(text: str, _: Family) -> Masked:
    return Masked(parse_integer(text), 0)


_BITS = "a number in 0-4294967295"

MARK_CHANGES = (
    OptionSpec("set-xmark", (Operand(MARK.expected, MARK.parse, format_xmark),)),
    OptionSpec(
        "set-mark", (Operand(MARK.expected, _parse_set_mark, format_xmark),), canonical="set-xmark"
    ),
    OptionSpec("and-mark", (Operand(_BITS, _parse_and, format_xmark),), canonical="set-xmark"),
    OptionSpec("or-mark", (Operand(_BITS, _parse_or, format_xmark),), canonical="set-xmark"),
    OptionSpec("xor-mark", (Operand(_BITS, _parse_xor, format_xmark),), canonical="set-xmark"),
)
"""The options that MARK and CONNMARK share; each is a value and a mask for ``set-xmark``."""

EXTENSIONS = (target("MARK", *MARK_CHANGES, check=one_of("set-xmark")),)
