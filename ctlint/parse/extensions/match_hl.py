# SPDX-License-Identifier: GPL-2.0-only
"""``-m hl``, the IPv6 hop limit. Source: libip6t_hl of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, OptionSpec, match, one_of
from ctlint.parse.operands import UINT8, integer

_HOPS = (integer(0, UINT8),)

EXTENSIONS = (
    match(
        "hl",
        OptionSpec("hl-eq", _HOPS, negatable=True, excludes=("hl-lt", "hl-gt")),
        OptionSpec("hl", _HOPS, negatable=True, canonical="hl-eq", excludes=("hl-lt", "hl-gt")),
        OptionSpec("hl-lt", _HOPS, excludes=("hl-eq", "hl-gt")),
        OptionSpec("hl-gt", _HOPS, excludes=("hl-eq", "hl-lt")),
        families=IPV6_ONLY,
        check=one_of("hl-eq", "hl-lt", "hl-gt"),
    ),
)
