# SPDX-License-Identifier: GPL-2.0-only
"""``-m dst``, the IPv6 destination options header. Source: libip6t_dst of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, OptionSpec, match
from ctlint.parse.extensions.match_hbh import HEADER_OPTIONS
from ctlint.parse.operands import integer

EXTENSIONS = (
    match(
        "dst",
        OptionSpec("dst-len", (integer(),), negatable=True),
        OptionSpec("dst-opts", (HEADER_OPTIONS,)),
        families=IPV6_ONLY,
    ),
)
