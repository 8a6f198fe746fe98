# SPDX-License-Identifier: GPL-2.0-only
"""``-m state``, older than ``-m conntrack --ctstate``. Source: libxt_conntrack, iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import abbreviated

STATES = ("INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED")

EXTENSIONS = (
    match("state", OptionSpec("state", (abbreviated(STATES),), negatable=True, required=True)),
)
