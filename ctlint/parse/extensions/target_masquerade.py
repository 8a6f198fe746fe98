# SPDX-License-Identifier: GPL-2.0-only
"""``-j MASQUERADE``. Source: libxt_NAT of iptables 1.8.11, xt_MASQUERADE.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.nat_ranges import NAT_PORTS, ports_need_protocol

EXTENSIONS = (
    target(
        "MASQUERADE",
        OptionSpec("to-ports", (NAT_PORTS,)),
        OptionSpec("random"),
        OptionSpec("random-fully"),
        tables=("nat",),
        base_chains=("POSTROUTING",),
        check=ports_need_protocol,
    ),
)
