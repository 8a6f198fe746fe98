# SPDX-License-Identifier: GPL-2.0-only
"""``-m tcp``. Source: libxt_tcp of iptables 1.8.11, iptables-extensions(8)."""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import PORT_RANGE, Operand, integer
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import TCP

_FLAG_BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32}
_ALL = 0x3F


def _parse_flags(text: str, _: Family) -> int:
    value = 0
    for name in text.upper().split(","):
        if name == "ALL":
            value |= _ALL
        elif name not in ("NONE", ""):
            if name not in _FLAG_BITS:
                raise ValueError(f"{name!r} is no TCP flag ({', '.join(_FLAG_BITS)}, ALL, NONE)")
            value |= _FLAG_BITS[name]
    return value


def _format_flags(value: int) -> str:
    return ",".join(name for name, bit in _FLAG_BITS.items() if value & bit) or "NONE"


TCP_FLAGS = Operand("a list of TCP flags", _parse_flags, _format_flags)

EXTENSIONS = (
    match(
        "tcp",
        OptionSpec("source-port", (PORT_RANGE,), negatable=True, canonical="sport"),
        OptionSpec("sport", (PORT_RANGE,), negatable=True),
        OptionSpec("destination-port", (PORT_RANGE,), negatable=True, canonical="dport"),
        OptionSpec("dport", (PORT_RANGE,), negatable=True),
        OptionSpec("syn", negatable=True, excludes=("tcp-flags",)),
        OptionSpec("tcp-flags", (TCP_FLAGS, TCP_FLAGS), negatable=True, excludes=("syn",)),
        OptionSpec("tcp-option", (integer(1, 255),), negatable=True),
        protocols=(TCP,),
    ),
)
