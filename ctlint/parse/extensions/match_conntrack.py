# SPDX-License-Identifier: GPL-2.0-only
"""``-m conntrack``. Source: libxt_conntrack of iptables 1.8.11."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, match
from ctlint.parse.operands import (
    HOST_NET,
    PORT_RANGE,
    PROTOCOL,
    UINT32,
    Operand,
    abbreviated,
    choice,
    integer_range,
)
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import parse_protocol

CTSTATES = ("INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED", "SNAT", "DNAT")
CTSTATUSES = ("NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED")


def _parse_ctproto(text: str, _: Family) -> int:
    number = parse_protocol(text)
    if number == 0:
        raise ValueError("conntrack has no entries for protocol 0")
    return number


_CTPROTO = Operand(PROTOCOL.expected, _parse_ctproto, PROTOCOL.format)


def _check_any(options: Sequence[Option], _: RuleContext) -> str | None:
    return None if options else "needs an option, such as --ctstate"


EXTENSIONS = (
    match(
        "conntrack",
        OptionSpec("ctstate", (abbreviated(CTSTATES),), negatable=True),
        OptionSpec("ctproto", (_CTPROTO,), negatable=True),
        OptionSpec("ctorigsrc", (HOST_NET,), negatable=True),
        OptionSpec("ctorigdst", (HOST_NET,), negatable=True),
        OptionSpec("ctreplsrc", (HOST_NET,), negatable=True),
        OptionSpec("ctrepldst", (HOST_NET,), negatable=True),
        OptionSpec("ctorigsrcport", (PORT_RANGE,), negatable=True),
        OptionSpec("ctorigdstport", (PORT_RANGE,), negatable=True),
        OptionSpec("ctreplsrcport", (PORT_RANGE,), negatable=True),
        OptionSpec("ctrepldstport", (PORT_RANGE,), negatable=True),
        OptionSpec("ctstatus", (abbreviated(CTSTATUSES),), negatable=True),
        OptionSpec("ctexpire", (integer_range(0, UINT32),), negatable=True),
        OptionSpec("ctdir", (choice(("ORIGINAL", "REPLY"), ignore_case=True),)),
        check=_check_any,
    ),
)
