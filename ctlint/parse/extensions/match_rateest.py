# SPDX-License-Identifier: GPL-2.0-only
"""``-m rateest``, what a RATEEST target has measured.

Rates are in bytes per second; an option without one (two estimators are compared as they are)
has no value. Source: libxt_rateest of iptables 1.8.11; net/netfilter/xt_rateest.c, Linux 6.18.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, match
from ctlint.parse.operands import UINT32, Operand, cut_text, integer
from ctlint.wire.addresses import Family

_RATE = re.compile(
    r"(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE]([+-]?\d{1,2}))?([a-zA-Z]*)", re.ASCII
)
_PREFIXES = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def _bits_per_unit(unit: str) -> int | None:
    found = re.fullmatch(r"([kmgt]?)(i?)(bit|bps)|", unit)
    if found is None or (found[2] and not found[1]):
        return None
    step = 1024 if found[2] else 1000
    return (8 if found[3] == "bps" else 1) * int(step ** _PREFIXES[found[1] or ""])


def _parse_rate(word: str, _: Family) -> int:
    found = _RATE.fullmatch(word)
    scale = _bits_per_unit(found[3].lower()) if found else None
    if found is None or scale is None:
        raise ValueError(f"{word!r} is not a rate such as 5kbit or 2MBps")
    # A number without a unit counts bits, too.
    rate = int(Fraction(found[1]) * Fraction(10) ** int(found[2] or 0) * scale / 8)
    if rate > UINT32:
        raise ValueError(f"{word} is more than {UINT32} bytes per second")
    return rate


_BYTES = (Operand("a rate", _parse_rate, lambda rate: f"{rate * 8}bit"),)
_PACKETS = (integer(0, UINT32),)
_NAME = (cut_text(15),)


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    names = {option.name for option in options}
    if names.isdisjoint({"rateest-lt", "rateest-gt", "rateest-eq"}):
        return "needs --rateest-lt, --rateest-gt or --rateest-eq"
    if names.isdisjoint(f"rateest-{unit}{n}" for unit in ("bps", "pps") for n in (1, 2)):
        return "needs --rateest-bps or --rateest-pps"
    return None


EXTENSIONS = (
    match(
        "rateest",
        OptionSpec("rateest1", _NAME, required=True),
        OptionSpec("rateest", _NAME, canonical="rateest1"),
        OptionSpec("rateest2", _NAME),
        OptionSpec("rateest-bps1", _BYTES, operand_is_optional=True),
        OptionSpec("rateest-pps1", _PACKETS, operand_is_optional=True),
        OptionSpec("rateest-bps2", _BYTES, operand_is_optional=True),
        OptionSpec("rateest-pps2", _PACKETS, operand_is_optional=True),
        OptionSpec("rateest-bps", _BYTES, operand_is_optional=True, canonical="rateest-bps2"),
        OptionSpec("rateest-pps", _PACKETS, operand_is_optional=True, canonical="rateest-pps2"),
        OptionSpec("rateest-delta"),
        OptionSpec("rateest-lt", negatable=True),
        OptionSpec("rateest-gt", negatable=True),
        OptionSpec("rateest-eq", negatable=True),
        check=_check,
    ),
)
