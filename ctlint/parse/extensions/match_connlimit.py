# SPDX-License-Identifier: GPL-2.0-only
"""``-m connlimit``. Source: libxt_connlimit of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match, one_of
from ctlint.parse.operands import PREFIX_LENGTH, integer

EXTENSIONS = (
    match(
        "connlimit",
        OptionSpec("connlimit-upto", (integer(),), negatable=True, excludes=("connlimit-above",)),
        OptionSpec("connlimit-above", (integer(),), negatable=True, excludes=("connlimit-upto",)),
        OptionSpec("connlimit-mask", (PREFIX_LENGTH,)),
        OptionSpec("connlimit-saddr", excludes=("connlimit-daddr",)),
        OptionSpec("connlimit-daddr", excludes=("connlimit-saddr",)),
        check=one_of("connlimit-upto", "connlimit-above"),
    ),
)
