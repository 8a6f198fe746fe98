# SPDX-License-Identifier: GPL-2.0-only
"""``-j HL``. Source: libip6t_HL of iptables 1.8.11, xt_HL.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import IPV6_ONLY, OptionSpec, one_of, target
from ctlint.parse.operands import UINT8, integer

_CHANGES = ("hl-set", "hl-dec", "hl-inc")

EXTENSIONS = (
    target(
        "HL",
        OptionSpec("hl-set", (integer(0, UINT8),), excludes=_CHANGES),
        OptionSpec("hl-dec", (integer(1, UINT8),), excludes=_CHANGES),
        OptionSpec("hl-inc", (integer(1, UINT8),), excludes=_CHANGES),
        families=IPV6_ONLY,
        tables=("mangle",),
        check=one_of(*_CHANGES),
    ),
)
