# SPDX-License-Identifier: GPL-2.0-only
"""``-j TRACE``. iptables-legacy has it only in the table raw, iptables-nft in all.

Source: libxt_TRACE of iptables 1.8.11, iptables/nft.c of the same.
"""

from __future__ import annotations

from ctlint.parse.extension import target

EXTENSIONS = (target("TRACE"),)
