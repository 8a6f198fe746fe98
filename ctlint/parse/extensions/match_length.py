# SPDX-License-Identifier: GPL-2.0-only
"""``-m length``, of the packet with its IP header. Source: libxt_length of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import UINT16, integer_range

EXTENSIONS = (
    match(
        "length",
        OptionSpec("length", (integer_range(0, UINT16),), negatable=True, required=True),
    ),
)
