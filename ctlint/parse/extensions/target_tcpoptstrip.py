# SPDX-License-Identifier: GPL-2.0-only
"""``-j TCPOPTSTRIP``: the value is a tuple of TCP option kinds.

Source: libxt_TCPOPTSTRIP of iptables 1.8.11, xt_TCPOPTSTRIP.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import UINT8, Operand, parse_integer
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import TCP

_KINDS = {"mss": 2, "wscale": 3, "sack-permitted": 4, "sack": 5, "timestamp": 8, "md5": 19}


def _parse_kinds(text: str, _: Family) -> tuple[int, ...]:
    kinds: list[int] = []
    for part in text.split(","):
        kind = _KINDS[part] if part in _KINDS else parse_integer(part, 2, UINT8)
        if kind in kinds:
            raise ValueError(f"{part} stands twice in the list")
        kinds.append(kind)
    return tuple(kinds)


def _format_kinds(kinds: tuple[int, ...]) -> str:
    return ",".join(map(str, kinds))


EXTENSIONS = (
    target(
        "TCPOPTSTRIP",
        OptionSpec(
            "strip-options",
            (Operand(f"numbers or {', '.join(_KINDS)}", _parse_kinds, _format_kinds),),
        ),
        protocols=(TCP,),
        tables=("mangle",),
    ),
)
