# SPDX-License-Identifier: GPL-2.0-only
"""``-j ULOG``, gone from Linux 3.17 on. Source: libipt_ULOG of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import IPV4_ONLY, OptionSpec, target
from ctlint.parse.operands import UINT64, integer, log_prefix

EXTENSIONS = (
    target(
        "ULOG",
        OptionSpec("ulog-nlgroup", (integer(1, 32),)),
        OptionSpec("ulog-prefix", (log_prefix(31),)),
        OptionSpec("ulog-cprange", (integer(0, UINT64),)),
        OptionSpec("ulog-qthreshold", (integer(1, 50),)),
        families=IPV4_ONLY,
    ),
)
