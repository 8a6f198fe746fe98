# SPDX-License-Identifier: GPL-2.0-only
"""``-j CHECKSUM``. Source: libxt_CHECKSUM of iptables 1.8.11, xt_CHECKSUM.c of Linux 6.18."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target

EXTENSIONS = (target("CHECKSUM", OptionSpec("checksum-fill", required=True), tables=("mangle",)),)
