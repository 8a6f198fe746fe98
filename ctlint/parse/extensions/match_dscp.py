# SPDX-License-Identifier: GPL-2.0-only
"""``-m dscp``. Source: libxt_dscp of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match, one_of
from ctlint.parse.operands import DSCP, DSCP_CLASS

EXTENSIONS = (
    match(
        "dscp",
        OptionSpec("dscp", (DSCP,), negatable=True),
        OptionSpec("dscp-class", (DSCP_CLASS,), negatable=True, canonical="dscp"),
        check=one_of("dscp"),
    ),
)
