# SPDX-License-Identifier: GPL-2.0-only
"""``-j SECMARK``. Source: libxt_SECMARK of iptables 1.8.11, xt_SECMARK.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import cut_text

EXTENSIONS = (
    target(
        "SECMARK",
        OptionSpec("selctx", (cut_text(255),), required=True),
        tables=("mangle", "security"),
    ),
)
