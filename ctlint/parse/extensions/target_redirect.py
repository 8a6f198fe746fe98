# SPDX-License-Identifier: GPL-2.0-only
"""``-j REDIRECT``. Source: libxt_NAT of iptables 1.8.11, xt_REDIRECT.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, all_checks, target
from ctlint.parse.nat_ranges import NAT_PORTS, no_shift, ports_need_protocol

EXTENSIONS = (
    target(
        "REDIRECT",
        OptionSpec("to-ports", (NAT_PORTS,)),
        OptionSpec("random"),
        tables=("nat",),
        base_chains=("PREROUTING", "OUTPUT"),
        check=all_checks(ports_need_protocol, no_shift),
    ),
)
