# SPDX-License-Identifier: GPL-2.0-only
"""``-m cgroup``. Source: libxt_cgroup of iptables 1.8.11, net/netfilter/xt_cgroup.c."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match, one_of
from ctlint.parse.operands import cut_text, integer

EXTENSIONS = (
    match(
        "cgroup",
        OptionSpec("path", (cut_text(511),), negatable=True, excludes=("cgroup",)),
        OptionSpec("cgroup", (integer(),), negatable=True, excludes=("path",)),
        base_chains=("INPUT", "OUTPUT", "POSTROUTING"),
        check=one_of("path", "cgroup"),
    ),
)
