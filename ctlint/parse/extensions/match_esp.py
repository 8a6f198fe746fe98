# SPDX-License-Identifier: GPL-2.0-only
"""``-m esp``. Source: libxt_esp of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import integer_range

EXTENSIONS = (
    match("esp", OptionSpec("espspi", (integer_range(),), negatable=True), protocols=(50,)),
)
