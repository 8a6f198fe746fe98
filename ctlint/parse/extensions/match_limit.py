# SPDX-License-Identifier: GPL-2.0-only
"""``-m limit``. Source: libxt_limit of iptables 1.8.11.

Without options: 3/hour, burst 5. Some kernels refuse a slow rate with a large burst (1/day with the
default burst overflows 32 bits of xt_limit, while nft takes it): such rules are read here.
"""

from __future__ import annotations

import re

from ctlint.ir.values import Rate
from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import Operand, integer

SCALE = 10_000
"""Steps a second in which xt_limit counts: a faster rate cannot be told (XT_LIMIT_SCALE)."""

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_SAVED = {1: "sec", 60: "min", 3600: "hour", 86400: "day"}
_LEADING_NUMBER = re.compile(r"\s*\+?(\d+)", re.ASCII)


def leading_number(text: str) -> int:
    """The number that the text starts with, as atoi() reads it: 0 where there is none."""
    found = _LEADING_NUMBER.match(text)
    return int(found[1]) if found else 0


def parse_rate(text: str, scale: int) -> Rate:
    """Read ``N[/UNIT]``; a unit may be cut short, and letters behind N do not count.

    ``scale`` is the number of steps a second in which the match counts. Raises ValueError.
    """
    _, slash, unit = text.partition("/")
    names = [name for name in _UNITS if unit and name.startswith(unit.lower())]
    amount = leading_number(text)
    if (slash and not names) or amount == 0:
        raise ValueError(f"{text!r} is no rate such as 5/minute")
    per = _UNITS[names[0]] if slash else 1
    if amount > scale * per:
        raise ValueError(f"the rate {text} is too fast, at most {scale}/second can be told")
    return Rate(amount, per, "packets")


def format_rate(rate: Rate) -> str:
    """``N/UNIT``, as iptables-save prints it."""
    return f"{rate.amount}/{_SAVED[rate.per]}"


EXTENSIONS = (
    match(
        "limit",
        OptionSpec(
            "limit",
            (Operand("a rate such as 5/minute", lambda t, _: parse_rate(t, SCALE), format_rate),),
        ),
        OptionSpec("limit-burst", (integer(0, 10_000),)),
    ),
)
