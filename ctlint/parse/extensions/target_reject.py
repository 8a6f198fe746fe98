# SPDX-License-Identifier: GPL-2.0-only
"""``-j REJECT``: drops the packet and answers it. Without option: port unreachable.

A type may be cut short, or be one of the older names; in the IR it is the name that iptables-save
prints. Source: libipt_REJECT and libip6t_REJECT of iptables 1.8.11; ipt_REJECT.c and
ip6t_REJECT.c of Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import (
    IPV4_ONLY,
    IPV6_ONLY,
    Extension,
    OptionSpec,
    RuleContext,
    target,
)
from ctlint.parse.operands import Operand
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import TCP

# Type and older name, in the order in which a shortened type is looked up.
_IPV4_TYPES = (
    ("icmp-net-unreachable", "net-unreach"),
    ("icmp-host-unreachable", "host-unreach"),
    ("icmp-proto-unreachable", "proto-unreach"),
    ("icmp-port-unreachable", "port-unreach"),
    ("icmp-net-prohibited", "net-prohib"),
    ("icmp-host-prohibited", "host-prohib"),
    ("tcp-reset", "tcp-rst"),
    ("icmp-admin-prohibited", "admin-prohib"),
)
_IPV6_TYPES = (
    ("icmp6-no-route", "no-route"),
    ("icmp6-adm-prohibited", "adm-prohibited"),
    ("icmp6-addr-unreachable", "addr-unreach"),
    ("icmp6-port-unreachable", "port-unreach"),
    ("tcp-reset", "tcp-reset"),
    ("icmp6-policy-fail", "policy-fail"),
    ("icmp6-reject-route", "reject-route"),
)


def _reject_type(types: Sequence[tuple[str, str]]) -> Operand:
    def parse(text: str, _: Family) -> str:
        wanted = text.lower()
        for name, older in types:
            if name.startswith(wanted) or older.startswith(wanted):
                return name
        raise ValueError(f"{text!r} is none of {', '.join(name for name, _ in types)}")

    return Operand("a reject type", parse)


def _check_reset(options: Sequence[Option], context: RuleContext) -> str | None:
    if context.is_protocol(TCP) or all(option.value != "tcp-reset" for option in options):
        return None
    return "tcp-reset needs -p tcp"


def _reject(families: frozenset[Family], types: Sequence[tuple[str, str]]) -> Extension:
    return target(
        "REJECT",
        OptionSpec("reject-with", (_reject_type(types),)),
        families=families,
        tables=("filter",),
        check=_check_reset,
    )


EXTENSIONS = (_reject(IPV4_ONLY, _IPV4_TYPES), _reject(IPV6_ONLY, _IPV6_TYPES))
