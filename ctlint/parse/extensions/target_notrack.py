# SPDX-License-Identifier: GPL-2.0-only
"""``-j NOTRACK``, the older name of ``-j CT --notrack``. Source: libxt_CT of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import target

EXTENSIONS = (target("NOTRACK", tables=("raw",)),)
