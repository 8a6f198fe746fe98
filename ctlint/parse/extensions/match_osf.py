# SPDX-License-Identifier: GPL-2.0-only
"""``-m osf``, passive OS fingerprints.

Source: libxt_osf of iptables 1.8.11; protocol and hooks: net/netfilter/xt_osf.c, Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import IPV4_ONLY, OptionSpec, match
from ctlint.parse.operands import cut_text, integer
from ctlint.wire.protocols import TCP

EXTENSIONS = (
    match(
        "osf",
        OptionSpec("genre", (cut_text(31),), negatable=True, required=True),
        OptionSpec("ttl", (integer(0, 2),)),
        OptionSpec("log", (integer(0, 2),)),
        families=IPV4_ONLY,
        protocols=(TCP,),
        base_chains=("PREROUTING", "INPUT", "FORWARD"),
    ),
)
