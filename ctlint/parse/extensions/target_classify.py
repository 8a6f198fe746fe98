# SPDX-License-Identifier: GPL-2.0-only
"""``-j CLASSIFY``: the value is the packet's priority, MAJOR in its upper 16 bits.

Source: libxt_CLASSIFY of iptables 1.8.11, xt_CLASSIFY.c of Linux 6.18.
"""

from __future__ import annotations

import re

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import UINT16, Operand
from ctlint.wire.addresses import Family

_CLASS = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,8}):(?:0[xX])?([0-9a-fA-F]{1,8})", re.ASCII)


def _parse_class(text: str, _: Family) -> int:
    found = _CLASS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not MAJOR:MINOR in hexadecimal")
    major, minor = (int(part, 16) & UINT16 for part in found.groups())
    return major << 16 | minor


def _format_class(value: int) -> str:
    return f"{value >> 16:04x}:{value & UINT16:04x}"


EXTENSIONS = (
    target(
        "CLASSIFY",
        OptionSpec(
            "set-class", (Operand("MAJOR:MINOR", _parse_class, _format_class),), required=True
        ),
        base_chains=("FORWARD", "OUTPUT", "POSTROUTING"),
    ),
)
