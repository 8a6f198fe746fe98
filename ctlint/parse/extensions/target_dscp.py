# SPDX-License-Identifier: GPL-2.0-only
"""``-j DSCP``. Source: libxt_DSCP of iptables 1.8.11, xt_DSCP.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, one_of, target
from ctlint.parse.operands import DSCP, DSCP_CLASS

EXTENSIONS = (
    target(
        "DSCP",
        OptionSpec("set-dscp", (DSCP,)),
        OptionSpec("set-dscp-class", (DSCP_CLASS,), canonical="set-dscp"),
        tables=("mangle",),
        check=one_of("set-dscp"),
    ),
)
