# SPDX-License-Identifier: GPL-2.0-only
"""``-j SNPT``: stateless translation of an IPv6 prefix (RFC 6296) on the way out.

Source: libip6t_SNPT of iptables 1.8.11, ip6t_npt_checkentry() in ip6t_NPT.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, target
from ctlint.parse.extensions.target_dnpt import PREFIXES

EXTENSIONS = (
    target(
        "SNPT",
        *PREFIXES,
        families=IPV6_ONLY,
        tables=("mangle",),
        base_chains=("INPUT", "POSTROUTING"),
    ),
)
