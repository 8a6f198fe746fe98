# SPDX-License-Identifier: GPL-2.0-only
"""``-j NFQUEUE``. Queue 0 where none is given. Source: libxt_NFQUEUE of iptables 1.8.11."""

from __future__ import annotations

from ctlint.ir.values import Range
from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import UINT16, Operand, integer, integer_range
from ctlint.wire.addresses import Family

_RANGE = integer_range(0, UINT16 - 1)


def _parse_balance(text: str, family: Family) -> Range:
    queues: Range = _RANGE.parse(text, family)
    if queues.low == queues.high:
        raise ValueError(f"{text!r} is not a range of two queues or more")
    return queues


EXTENSIONS = (
    target(
        "NFQUEUE",
        OptionSpec("queue-num", (integer(0, UINT16),), excludes=("queue-balance",)),
        OptionSpec(
            "queue-balance",
            (Operand("FIRST:LAST", _parse_balance, _RANGE.format),),
            excludes=("queue-num",),
        ),
        OptionSpec("queue-bypass"),
        OptionSpec("queue-cpu-fanout", also=("queue-balance",)),
    ),
)
