# SPDX-License-Identifier: GPL-2.0-only
"""``-m rpfilter``, the reverse path test.

Source: libxt_rpfilter of iptables 1.8.11; tables and hook: net/ipv4/netfilter/ipt_rpfilter.c,
Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match

EXTENSIONS = (
    match(
        "rpfilter",
        OptionSpec("loose"),
        OptionSpec("validmark"),
        OptionSpec("accept-local"),
        OptionSpec("invert"),
        tables=("raw", "mangle"),
        base_chains=("PREROUTING",),
    ),
)
