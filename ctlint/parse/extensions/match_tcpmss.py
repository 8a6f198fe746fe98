# SPDX-License-Identifier: GPL-2.0-only
"""``-m tcpmss``. Source: libxt_tcpmss of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import UINT16, integer_range
from ctlint.wire.protocols import TCP

EXTENSIONS = (
    match(
        "tcpmss",
        OptionSpec("mss", (integer_range(0, UINT16),), negatable=True, required=True),
        protocols=(TCP,),
    ),
)
