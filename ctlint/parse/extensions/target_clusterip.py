# SPDX-License-Identifier: GPL-2.0-only
"""``-j CLUSTERIP``, gone from Linux 6.3 on. Source: libipt_CLUSTERIP of iptables 1.8.11."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.ir.values import MacAddress
from ctlint.parse.extension import IPV4_ONLY, OptionSpec, RuleContext, target
from ctlint.parse.operands import MAC, Operand, choice, format_mac, integer, parse_mac
from ctlint.wire.addresses import Family

_MODES = ("sourceip", "sourceip-sourceport", "sourceip-sourceport-destport")
_TOGETHER = ("new", "hashmode", "clustermac", "total-nodes", "local-node")
_MULTICAST = 1 << 40


def _parse_multicast(text: str, _: Family) -> MacAddress:
    mac = parse_mac(text)
    if not mac.address & _MULTICAST:
        raise ValueError(f"{text} is not a multicast address")
    return mac


def _check_whole(options: Sequence[Option], _: RuleContext) -> str | None:
    given = {option.name for option in options}
    missing = [name for name in _TOGETHER if name not in given]
    return f"needs --{missing[0]}" if given and missing else None


EXTENSIONS = (
    target(
        "CLUSTERIP",
        OptionSpec("new"),
        OptionSpec("hashmode", (choice(_MODES),)),
        OptionSpec("clustermac", (Operand(MAC.expected, _parse_multicast, format_mac),)),
        OptionSpec("total-nodes", (integer(0, 16),)),
        OptionSpec("local-node", (integer(0, 16),)),
        OptionSpec("hash-init", (integer(),)),
        families=IPV4_ONLY,
        base_chains=("INPUT",),
        check=_check_whole,
    ),
)
