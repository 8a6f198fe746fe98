# SPDX-License-Identifier: GPL-2.0-only
"""``-m state``, the older name of ``-m conntrack --ctstate``. Source: libxt_conntrack, iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import choices

STATES = ("INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED")

EXTENSIONS = (
    match(
        "state",
        OptionSpec(
            "state", (choices(STATES, ignore_case=True),), negatable=True, required=True
        ),
    ),
)
