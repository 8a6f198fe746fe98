# SPDX-License-Identifier: GPL-2.0-only
"""``-j TTL``. Source: libipt_TTL of iptables 1.8.11, xt_HL.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import IPV4_ONLY, OptionSpec, one_of, target
from ctlint.parse.operands import UINT8, integer

_CHANGES = ("ttl-set", "ttl-dec", "ttl-inc")

EXTENSIONS = (
    target(
        "TTL",
        OptionSpec("ttl-set", (integer(0, UINT8),), excludes=_CHANGES),
        OptionSpec("ttl-dec", (integer(1, UINT8),), excludes=_CHANGES),
        OptionSpec("ttl-inc", (integer(1, UINT8),), excludes=_CHANGES),
        families=IPV4_ONLY,
        tables=("mangle",),
        check=one_of(*_CHANGES),
    ),
)
