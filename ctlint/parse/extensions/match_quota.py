# SPDX-License-Identifier: GPL-2.0-only
"""``-m quota``. Source: libxt_quota of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import UINT64, integer

EXTENSIONS = (
    match("quota", OptionSpec("quota", (integer(0, UINT64),), negatable=True, required=True)),
)
