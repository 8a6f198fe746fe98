# SPDX-License-Identifier: GPL-2.0-only
"""``-j RATEEST``. Times are in microseconds. Source: libxt_RATEEST of iptables 1.8.11."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import takewhile

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, target
from ctlint.parse.operands import UINT32, Operand, cut_text
from ctlint.wire.addresses import Family

_TIME = re.compile(r"(\d{1,20}\.?\d{0,20}|\.\d{1,20})(e[+-]?\d{1,2})?([mu]?s(?:ecs?)?)?", re.ASCII)
_MICROSECONDS = {"u": 1, "m": 1_000, "s": 1_000_000}
_LONGEST_INTERVAL = 8_000_000


def _parse_time(word: str, _: Family) -> int:
    found = _TIME.fullmatch(word.lower())
    if found is None:
        raise ValueError(f"{word!r} is not a time such as 250ms")
    number, exponent, unit = found.groups(default="")
    value = float(number + exponent) * (_MICROSECONDS[unit[0]] if unit else 1)
    if value > UINT32:
        raise ValueError(f"{word} is too long")
    return int(value)


_SPAN = Operand("a time in s, ms or us", _parse_time, "{}us".format)


def _check_average(options: Sequence[Option], _: RuleContext) -> str | None:
    """The kernel keeps the averaging time as a power of two, 1 to 30, of the interval."""
    times = {option.name: option.value for option in options}
    interval = times["rateest-interval"]
    average = times["rateest-ewmalog"]
    if interval > _LONGEST_INTERVAL:
        return "--rateest-interval is more than 8s"

    def is_reached(power: int) -> bool:
        return bool(interval / -math.log(1 - 1 / (1 << power)) <= average)

    power = len(list(takewhile(is_reached, range(1, 32))))
    if not 0 < power < 31:
        return "--rateest-ewmalog is out of range for this interval"
    return None


EXTENSIONS = (
    target(
        "RATEEST",
        OptionSpec("rateest-name", (cut_text(15),), required=True),
        OptionSpec("rateest-interval", (_SPAN,), required=True),
        OptionSpec("rateest-ewmalog", (_SPAN,), required=True),
        check=_check_average,
    ),
)
