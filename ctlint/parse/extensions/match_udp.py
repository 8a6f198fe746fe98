# SPDX-License-Identifier: GPL-2.0-only
"""``-m udp``. Source: libxt_udp of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import PORT_RANGE
from ctlint.wire.protocols import UDP

EXTENSIONS = (
    match(
        "udp",
        OptionSpec("source-port", (PORT_RANGE,), negatable=True, canonical="sport"),
        OptionSpec("sport", (PORT_RANGE,), negatable=True),
        OptionSpec("destination-port", (PORT_RANGE,), negatable=True, canonical="dport"),
        OptionSpec("dport", (PORT_RANGE,), negatable=True),
        protocols=(UDP,),
    ),
)
