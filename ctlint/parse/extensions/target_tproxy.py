# SPDX-License-Identifier: GPL-2.0-only
"""``-j TPROXY``: port 0 and no ``on-ip`` stand for the packet's own port and the address of its
incoming interface; mark = (mark & ~mask) ^ value.

Source: libxt_TPROXY of iptables 1.8.11, xt_TPROXY.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import HOST, MARK, PORT
from ctlint.wire.protocols import TCP, UDP

EXTENSIONS = (
    target(
        "TPROXY",
        OptionSpec("on-port", (PORT,), required=True),
        OptionSpec("on-ip", (HOST,)),
        OptionSpec("tproxy-mark", (MARK,)),
        protocols=(TCP, UDP),
        tables=("mangle",),
        base_chains=("PREROUTING",),
    ),
)
