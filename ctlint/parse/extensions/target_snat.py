# SPDX-License-Identifier: GPL-2.0-only
"""``-j SNAT``. Source: libxt_NAT of iptables 1.8.11, xt_nat.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.nat_ranges import NAT_RANGE, ports_need_protocol

EXTENSIONS = (
    target(
        "SNAT",
        OptionSpec("to-source", (NAT_RANGE,), required=True),
        OptionSpec("random"),
        OptionSpec("random-fully"),
        OptionSpec("persistent"),
        tables=("nat",),
        base_chains=("INPUT", "POSTROUTING"),
        check=ports_need_protocol,
    ),
)
