# SPDX-License-Identifier: GPL-2.0-only
"""``-m helper``. Source: libxt_helper of iptables 1.8.11. An empty name stands for any helper."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import cut_text

EXTENSIONS = (
    match("helper", OptionSpec("helper", (cut_text(29),), negatable=True, required=True)),
)
