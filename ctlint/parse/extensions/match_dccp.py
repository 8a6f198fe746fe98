# SPDX-License-Identifier: GPL-2.0-only
"""``-m dccp``. Source: libxt_dccp of iptables 1.8.11, RFC 4340 section 5.1."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import PORT_RANGE, choice, integer, tokens

DCCP = 33

PACKET_TYPES = (
    "REQUEST",
    "RESPONSE",
    "DATA",
    "ACK",
    "DATAACK",
    "CLOSEREQ",
    "CLOSE",
    "RESET",
    "SYNC",
    "SYNCACK",
    "INVALID",
)
"""Packet types by number; INVALID stands for 10 to 15."""

EXTENSIONS = (
    match(
        "dccp",
        OptionSpec("source-port", (PORT_RANGE,), negatable=True, canonical="sport"),
        OptionSpec("sport", (PORT_RANGE,), negatable=True),
        OptionSpec("destination-port", (PORT_RANGE,), negatable=True, canonical="dport"),
        OptionSpec("dport", (PORT_RANGE,), negatable=True),
        OptionSpec("dccp-types", (tokens(choice(PACKET_TYPES, ignore_case=True)),), negatable=True),
        OptionSpec("dccp-option", (integer(1, 255),), negatable=True),
        protocols=(DCCP,),
    ),
)
