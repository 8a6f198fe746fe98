# SPDX-License-Identifier: GPL-2.0-only
"""``-m rt``, the IPv6 routing header. Source: libip6t_rt of iptables 1.8.11."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import IPV6_ONLY, OptionSpec, RuleContext, match
from ctlint.parse.operands import ADDRESS, UINT32, integer, integer_range, list_of

MOST_ADDRESSES = 16
"""IP6T_RT_HOPS."""


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    before: set[str] = set()
    for option in options:
        if option.name in ("rt-0-res", "rt-0-addrs") and "rt-type" not in before:
            return f"--{option.name} needs --rt-type 0 before it"
        if option.name == "rt-0-not-strict" and "rt-0-addrs" not in before:
            return "--rt-0-not-strict needs --rt-0-addrs before it"
        if option.name != "rt-type" or (option.value == 0 and not option.negated):
            before.add(option.name)
    return None


EXTENSIONS = (
    match(
        "rt",
        OptionSpec("rt-type", (integer(0, UINT32),), negatable=True),
        OptionSpec("rt-segsleft", (integer_range(0, UINT32),), negatable=True),
        OptionSpec("rt-len", (integer(0, UINT32),), negatable=True),
        OptionSpec("rt-0-res"),
        OptionSpec("rt-0-addrs", (list_of(ADDRESS, most=MOST_ADDRESSES),)),
        OptionSpec("rt-0-not-strict"),
        families=IPV6_ONLY,
        check=_check,
    ),
)
