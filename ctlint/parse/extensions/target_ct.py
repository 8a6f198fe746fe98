# SPDX-License-Identifier: GPL-2.0-only
"""``-j CT``: how conntrack treats the packet that it is about to see.

A zone is its number, or ``mark`` for the packet's mark. Where several zone options are given, the
last sets the number and each adds its direction.
Source: libxt_CT of iptables 1.8.11, xt_CT.c of Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, target
from ctlint.parse.operands import UINT16, Operand, choices, cut_text, parse_integer
from ctlint.wire.addresses import Family

CT_EVENTS = (
    "new",
    "related",
    "destroy",
    "reply",
    "assured",
    "protoinfo",
    "helper",
    "mark",
    "natseqinfo",
    "secmark",
)


def _parse_zone(word: str, _: Family) -> int | str:
    return "mark" if word.lower() == "mark" else parse_integer(word, 0, UINT16)


_ZONE = Operand("a zone in 0-65535 or mark", _parse_zone)


def _check_protocol(options: Sequence[Option], context: RuleContext) -> str | None:
    for option in options:
        if option.name in ("helper", "timeout") and (
            context.protocol == 0 or context.protocol_negated
        ):
            return f"--{option.name} needs -p, not negated"
    return None


EXTENSIONS = (
    target(
        "CT",
        OptionSpec("notrack"),
        OptionSpec("helper", (cut_text(15),)),
        OptionSpec("timeout", (cut_text(31),)),
        OptionSpec("ctevents", (choices(CT_EVENTS),)),
        OptionSpec("expevents", (choices(("new",)),)),
        OptionSpec("zone", (_ZONE,)),
        OptionSpec("zone-orig", (_ZONE,)),
        OptionSpec("zone-reply", (_ZONE,)),
        tables=("raw",),
        check=_check_protocol,
    ),
)
