# SPDX-License-Identifier: GPL-2.0-only
"""``-j AUDIT``. Source: libxt_AUDIT of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import choice

_TYPE = choice(("accept", "drop", "reject"), ignore_case=True)

EXTENSIONS = (target("AUDIT", OptionSpec("type", (_TYPE,), required=True)),)
