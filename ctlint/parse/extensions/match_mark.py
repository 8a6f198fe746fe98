# SPDX-License-Identifier: GPL-2.0-only
"""``-m mark``. Source: libxt_mark of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import MARK

EXTENSIONS = (match("mark", OptionSpec("mark", (MARK,), negatable=True, required=True)),)
