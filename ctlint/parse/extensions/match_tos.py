# SPDX-License-Identifier: GPL-2.0-only
"""``-m tos``. Source: libxt_tos of iptables 1.8.11, revision 1."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import TOS

EXTENSIONS = (match("tos", OptionSpec("tos", (TOS,), negatable=True, required=True)),)
