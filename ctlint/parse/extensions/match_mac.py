# SPDX-License-Identifier: GPL-2.0-only
"""``-m mac``. Source: libxt_mac of iptables 1.8.11; hooks: net/netfilter/xt_mac.c, Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import MAC

EXTENSIONS = (
    match(
        "mac",
        OptionSpec("mac-source", (MAC,), negatable=True, required=True),
        base_chains=("PREROUTING", "INPUT", "FORWARD"),
    ),
)
