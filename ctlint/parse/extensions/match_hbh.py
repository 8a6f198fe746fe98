# SPDX-License-Identifier: GPL-2.0-only
"""``-m hbh``, the IPv6 hop-by-hop header. Source: libip6t_hbh of iptables 1.8.11."""

from __future__ import annotations

from collections.abc import Iterable

from ctlint.ir.values import HeaderOption
from ctlint.parse.extension import IPV6_ONLY, OptionSpec, match
from ctlint.parse.operands import UINT8, UINT64, Operand, integer, parse_integer
from ctlint.wire.addresses import Family

MAX_OPTIONS = 16
"""How many options one match can name (IP6T_OPTS_OPTSNR)."""


def _parse_one(text: str) -> HeaderOption:
    # iptables keeps the low eight bits of either number; length 255 is its mark for any length.
    kind, colon, length = text.partition(":")
    number = parse_integer(kind, 0, UINT64) & UINT8
    if not colon:
        return HeaderOption(number)
    if number == 0:
        raise ValueError("option 0 (Pad1) has no length")
    octets = parse_integer(length, 0, UINT64) & UINT8
    return HeaderOption(number, None if octets == UINT8 else octets)


def _parse_options(text: str, _: Family) -> tuple[HeaderOption, ...]:
    parts = text.split(",")
    if len(parts) > MAX_OPTIONS:
        raise ValueError(f"more than {MAX_OPTIONS} options")
    if len(parts) == MAX_OPTIONS and ":" in parts[-1]:
        raise ValueError(f"iptables takes no length for option {MAX_OPTIONS} of the list")
    return tuple(_parse_one(part) for part in parts)


def _format_options(options: Iterable[HeaderOption]) -> str:
    return ",".join(
        str(option.type) if option.length is None else f"{option.type}:{option.length}"
        for option in options
    )


HEADER_OPTIONS = Operand("a list of TYPE or TYPE:LENGTH", _parse_options, _format_options)

EXTENSIONS = (
    match(
        "hbh",
        OptionSpec("hbh-len", (integer(),), negatable=True),
        OptionSpec("hbh-opts", (HEADER_OPTIONS,)),
        families=IPV6_ONLY,
    ),
)
