# SPDX-License-Identifier: GPL-2.0-only
"""``-m hashlimit``. Source: libxt_hashlimit (revision 3) of iptables 1.8.11, xt_hashlimit.c.

A rate is in packets, or with ``b/s``, ``kb/s``, ``mb/s`` in bytes. ``--hashlimit-burst`` counts in
the unit of the rate; its value here is that number, with k and m already multiplied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.ir.values import Rate
from ctlint.parse.extension import OptionSpec, RuleContext, all_checks, match, one_of
from ctlint.parse.extensions.match_limit import format_rate, leading_number, parse_rate
from ctlint.parse.operands import (
    PREFIX_LENGTH,
    UINT32,
    UINT64,
    Operand,
    choice,
    cut_text,
    integer,
    parse_integer,
    tokens,
)
from ctlint.wire.addresses import Family

SCALE = 1_000_000
"""Steps a second in which packets are counted (XT_HASHLIMIT_SCALE_v2)."""

MAX_BURST = 1_000_000
"""Largest burst in packets, and in bytes where no unit follows (XT_HASHLIMIT_BURST_MAX)."""

BYTE_STEP = 16
"""Bytes are counted in steps of this many (1 << XT_HASHLIMIT_BYTE_SHIFT)."""

_BURST_TEXT = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)(.?)", re.ASCII)
_FACTORS = {"k": 1 << 10, "m": 1 << 20}
_UNIT_OF = {factor: letter for letter, factor in _FACTORS.items()}


def _parse_rate(text: str, _: Family) -> Rate:
    at = text.find("b/s")
    amount = leading_number(text) if at > 0 else 0
    if amount == 0:
        return parse_rate(text, SCALE)
    amount *= _FACTORS.get(text[at - 1], 1)
    if amount // BYTE_STEP >= UINT32:
        raise ValueError(f"the rate {text} is too fast: iptables counts up to 64 GiB/s")
    return Rate(amount, 1, "bytes")


def _format_bytes(amount: int) -> str:
    for factor in sorted(_UNIT_OF, reverse=True):
        if amount % factor == 0:
            return f"{amount // factor}{_UNIT_OF[factor]}b"
    return f"{amount}b"


def _format_rate(rate: Rate) -> str:
    return f"{_format_bytes(rate.amount)}/s" if rate.unit == "bytes" else format_rate(rate)


def _parse_burst(text: str, _: Family) -> int:
    found = _BURST_TEXT.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no number")
    amount = parse_integer(found[1], 1, UINT64 if found[2] else MAX_BURST)
    return amount * _FACTORS.get(found[2], 1)


def _format_burst(burst: int) -> str:
    return str(burst) if burst <= MAX_BURST else _format_bytes(burst)


def _parse_interval(text: str, _: Family) -> int:
    seconds = leading_number(text)
    if not 0 < seconds < 1 << 31:
        raise ValueError(f"{text!r} is no number of seconds above 0")
    return seconds


def _parse_name(text: str, family: Family) -> str:
    if text in ("", ".", "..") or "/" in text:
        raise ValueError(f"{text!r} cannot name a file in /proc/net/ipt_hashlimit")
    name: str = _NAME.parse(text, family)
    return name


def least_burst(rate: Rate) -> int:
    """Bytes that a burst holds at least: the rate as the kernel rounds it (cost_to_bytes())."""
    cost = UINT32 // (rate.amount // BYTE_STEP + 1)
    return (UINT32 // cost - 1) * BYTE_STEP


def _check_burst(options: Sequence[Option], _: RuleContext) -> str | None:
    values = {option.name: option.value for option in options}
    burst = values.get("hashlimit-burst")
    rate: Rate = values.get("hashlimit-upto") or values["hashlimit-above"]
    if burst is None:
        return None
    if rate.unit == "packets":
        return None if burst <= MAX_BURST else f"a burst has at most {MAX_BURST} packets"
    least = least_burst(rate)
    if least == 0:
        return f"a rate below {BYTE_STEP}b/s takes no --hashlimit-burst (iptables divides by zero)"
    return None if burst >= least else f"a burst at this rate has at least {least}b"


_NAME = cut_text(254)
_RATE = (Operand("a rate such as 5/minute or 10kb/s", _parse_rate, _format_rate),)
_BURST = (Operand("a number of packets or bytes", _parse_burst, _format_burst),)
_MODE = (tokens(choice(("dstip", "srcip", "srcport", "dstport")), separators=",|"),)
_SECONDS = (Operand("a number of seconds", _parse_interval),)
_UPTO = ("hashlimit-upto",)
_ABOVE = ("hashlimit-above",)

EXTENSIONS = (
    match(
        "hashlimit",
        OptionSpec("hashlimit-upto", _RATE, negatable=True, excludes=_ABOVE),
        OptionSpec("hashlimit-above", _RATE, negatable=True, excludes=_UPTO),
        OptionSpec("hashlimit", _RATE, negatable=True, canonical="hashlimit-upto", excludes=_ABOVE),
        OptionSpec("hashlimit-srcmask", (PREFIX_LENGTH,)),
        OptionSpec("hashlimit-dstmask", (PREFIX_LENGTH,)),
        OptionSpec("hashlimit-burst", _BURST),
        OptionSpec("hashlimit-htable-size", (integer(),)),
        OptionSpec("hashlimit-htable-max", (integer(),)),
        OptionSpec("hashlimit-htable-gcinterval", (integer(1),)),
        OptionSpec("hashlimit-htable-expire", (integer(1),)),
        OptionSpec("hashlimit-mode", _MODE),
        OptionSpec(
            "hashlimit-name", (Operand("a name", _parse_name),), required=True, holds_blanks=True
        ),
        OptionSpec("hashlimit-rate-match"),
        OptionSpec("hashlimit-rate-interval", _SECONDS),
        check=all_checks(one_of("hashlimit-upto", "hashlimit-above"), _check_burst),
    ),
)
