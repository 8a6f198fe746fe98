# SPDX-License-Identifier: GPL-2.0-only
"""``-m addrtype``. Source: libxt_addrtype of iptables 1.8.11, net/netfilter/xt_addrtype.c."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import (
    OptionSpec,
    RuleContext,
    all_checks,
    match,
    one_of,
    only_in,
)
from ctlint.parse.operands import abbreviated
from ctlint.wire.addresses import Family

TYPES = (
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
)
"""The route types of linux/rtnetlink.h, in their order."""

_IPV4_TYPES = frozenset({"BROADCAST", "BLACKHOLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE"})


def _check_family(options: Sequence[Option], context: RuleContext) -> str | None:
    if context.family is Family.IPV6:
        for option in options:
            for name in option.value or ():
                if name in _IPV4_TYPES:
                    return f"the type {name} is not known in IPv6"
    return None


EXTENSIONS = (
    match(
        "addrtype",
        OptionSpec("src-type", (abbreviated(TYPES),), negatable=True),
        OptionSpec("dst-type", (abbreviated(TYPES),), negatable=True),
        OptionSpec("limit-iface-in", excludes=("limit-iface-out",)),
        OptionSpec("limit-iface-out", excludes=("limit-iface-in",)),
        check=all_checks(
            one_of("src-type", "dst-type"),
            _check_family,
        ),
        hook_check=all_checks(
            only_in("limit-iface-in", "PREROUTING", "INPUT", "FORWARD"),
            only_in("limit-iface-out", "FORWARD", "OUTPUT", "POSTROUTING"),
        ),
    ),
)
