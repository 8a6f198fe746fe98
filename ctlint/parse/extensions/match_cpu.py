# SPDX-License-Identifier: GPL-2.0-only
"""``-m cpu``. Source: libxt_cpu of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import integer

EXTENSIONS = (match("cpu", OptionSpec("cpu", (integer(),), negatable=True, required=True)),)
