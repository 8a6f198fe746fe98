# SPDX-License-Identifier: GPL-2.0-only
"""``-m frag``. Source: libip6t_frag of iptables 1.8.11.

The kernel does not look at ``--fraglen`` (net/ipv6/netfilter/ip6t_frag.c).
"""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, OptionSpec, match
from ctlint.parse.operands import integer, integer_range

EXTENSIONS = (
    match(
        "frag",
        OptionSpec("fragid", (integer_range(),), negatable=True),
        OptionSpec("fraglen", (integer(),), negatable=True),
        OptionSpec("fragres"),
        OptionSpec("fragfirst"),
        OptionSpec("fragmore", excludes=("fraglast",)),
        OptionSpec("fraglast", excludes=("fragmore",)),
        families=IPV6_ONLY,
    ),
)
