# SPDX-License-Identifier: GPL-2.0-only
"""``-m udp``. Source: libxt_udp of iptables 1.8.11."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import MAYBE_EMPTY_PORT_RANGE
from ctlint.wire.protocols import UDP

EXTENSIONS = (
    match(
        "udp",
        OptionSpec("source-port", (MAYBE_EMPTY_PORT_RANGE,), negatable=True, canonical="sport"),
        OptionSpec("sport", (MAYBE_EMPTY_PORT_RANGE,), negatable=True),
        OptionSpec(
            "destination-port", (MAYBE_EMPTY_PORT_RANGE,), negatable=True, canonical="dport"
        ),
        OptionSpec("dport", (MAYBE_EMPTY_PORT_RANGE,), negatable=True),
        protocols=(UDP,),
    ),
)
