# SPDX-License-Identifier: GPL-2.0-only
"""``-j SYNPROXY``. Source: libxt_SYNPROXY of iptables 1.8.11, ipt_SYNPROXY.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import integer
from ctlint.wire.protocols import TCP

EXTENSIONS = (
    target(
        "SYNPROXY",
        OptionSpec("sack-perm"),
        OptionSpec("timestamp"),
        # Only the lower 8 bits of the factor and 16 of the MSS reach the kernel.
        OptionSpec("wscale", (integer(),)),
        OptionSpec("mss", (integer(),)),
        OptionSpec("ecn"),
        protocols=(TCP,),
        base_chains=("INPUT", "FORWARD"),
    ),
)
