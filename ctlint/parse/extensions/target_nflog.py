# SPDX-License-Identifier: GPL-2.0-only
"""``-j NFLOG``. Group 0 where none is given. Source: libxt_NFLOG of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import UINT16, integer, log_prefix

EXTENSIONS = (
    target(
        "NFLOG",
        OptionSpec("nflog-group", (integer(0, UINT16),)),
        # iptables-legacy cuts it to 63 bytes, iptables-nft to 127.
        OptionSpec("nflog-prefix", (log_prefix(127),)),
        OptionSpec("nflog-range", (integer(),), excludes=("nflog-size",)),
        OptionSpec("nflog-size", (integer(),), excludes=("nflog-range",)),
        OptionSpec("nflog-threshold", (integer(0, UINT16),)),
    ),
)
