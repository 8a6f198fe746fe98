# SPDX-License-Identifier: GPL-2.0-only
"""``-m connlabel``. Source: libxt_connlabel of iptables 1.8.11, net/netfilter/xt_connlabel.c.

A label is a bit number, or a name that only connlabel.conf of the machine resolves: kept as text.
"""

from __future__ import annotations

import re

from ctlint.parse.extension import OptionSpec, match
from ctlint.parse.operands import Operand, parse_integer
from ctlint.wire.addresses import Family

MAX_BIT = 127
"""The highest label a connection can have (XT_CONNLABEL_MAXBIT)."""

_NAME = re.compile(r"[A-Za-z_][^\s]{0,62}")


def _parse_label(text: str, _: Family) -> int | str:
    return text if _NAME.fullmatch(text) else parse_integer(text, 0, MAX_BIT)


EXTENSIONS = (
    match(
        "connlabel",
        OptionSpec(
            "label",
            (Operand(f"a label's name or its bit in 0-{MAX_BIT}", _parse_label),),
            negatable=True,
            required=True,
        ),
        OptionSpec("set"),
    ),
)
