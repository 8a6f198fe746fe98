# SPDX-License-Identifier: GPL-2.0-only
"""``-m connbytes``. Source: libxt_connbytes of iptables 1.8.11, net/netfilter/xt_connbytes.c.

One number is a lower bound: ``--connbytes 1000`` is 1000 and more. The kernel knows a negated range
by its swapped bounds, so ``! --connbytes 5:5`` is *not* negated: it matches exactly 5.
"""

from __future__ import annotations

from ctlint.ir.values import Range
from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import UINT64, Operand, choice, integer_range
from ctlint.wire.addresses import Family

_BOUNDS = integer_range(0, UINT64)


def _parse_count(text: str, family: Family) -> Range:
    bounds: Range = _BOUNDS.parse(text, family)
    return bounds if ":" in text else Range(bounds.low, UINT64)


def _format_count(count: Range) -> str:
    return str(count.low) if count.high == UINT64 else f"{count.low}:{count.high}"


EXTENSIONS = (
    match(
        "connbytes",
        OptionSpec(
            "connbytes",
            (Operand("a lower bound or a range", _parse_count, _format_count),),
            negatable=True,
            required=True,
        ),
        OptionSpec("connbytes-dir", (choice(("original", "reply", "both")),), required=True),
        OptionSpec("connbytes-mode", (choice(("packets", "bytes", "avgpkt")),), required=True),
    ),
)
