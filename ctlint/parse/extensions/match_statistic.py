# SPDX-License-Identifier: GPL-2.0-only
"""``-m statistic``. Source: libxt_statistic of iptables 1.8.11."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, match
from ctlint.parse.operands import UINT32, Operand, choice, integer
from ctlint.wire.addresses import Family

_DECIMAL = re.compile(r"\+?(?:\d{1,30}\.?\d{0,60}|\.\d{1,60})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_STEPS = 1 << 31


def _parse_probability(word: str, _: Family) -> float:
    if not _DECIMAL.fullmatch(word):
        raise ValueError(f"{word!r} is not a decimal number")
    value = float(word)
    if not 0 <= value <= 1:
        raise ValueError(f"{word} is not in 0-1")
    # lround(): halves away from zero. The product is exact in a Fraction, and so is the quotient
    # in a float.
    return int(Fraction(value) * _STEPS + Fraction(1, 2)) / _STEPS


_PROBABILITY = Operand("a probability in 0-1", _parse_probability, lambda value: f"{value:.11f}")
"""A multiple of 2^-31, which is what the kernel compares with."""


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    given = {option.name: option.value for option in options}
    if given["mode"] == "random":
        return None if "probability" in given else "--mode random needs --probability"
    if "every" not in given:
        return "--mode nth needs --every and --packet"
    if given["packet"] >= given["every"]:
        return f"--packet {given['packet']} is not in 0-{given['every'] - 1}"
    return None


EXTENSIONS = (
    match(
        "statistic",
        OptionSpec("mode", (choice(("random", "nth")),), required=True),
        OptionSpec("probability", (_PROBABILITY,), negatable=True, excludes=("every", "packet")),
        OptionSpec(
            "every",
            (integer(1, UINT32),),
            negatable=True,
            excludes=("probability",),
            also=("packet",),
        ),
        OptionSpec("packet", (integer(0, UINT32),), excludes=("probability",), also=("every",)),
        check=_check,
    ),
)
