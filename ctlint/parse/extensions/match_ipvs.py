# SPDX-License-Identifier: GPL-2.0-only
"""``-m ipvs``. Source: libxt_ipvs of iptables 1.8.11. Every option implies ``--ipvs``."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, match
from ctlint.parse.operands import MASKED_HOST, PORT, PROTOCOL, choice


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    if not options:
        return "needs an option, such as --ipvs"
    if len(options) > 1 and any(option.name == "ipvs" and option.negated for option in options):
        return "! --ipvs stands alone"
    return None


EXTENSIONS = (
    match(
        "ipvs",
        OptionSpec("ipvs", negatable=True),
        OptionSpec("vproto", (PROTOCOL,), negatable=True),
        OptionSpec("vaddr", (MASKED_HOST,), negatable=True),
        OptionSpec("vport", (PORT,), negatable=True),
        OptionSpec("vdir", (choice(("ORIGINAL", "REPLY"), ignore_case=True),)),
        OptionSpec(
            "vmethod", (choice(("GATE", "IPIP", "MASQ"), ignore_case=True),), negatable=True
        ),
        OptionSpec("vportctl", (PORT,), negatable=True),
        check=_check,
    ),
)
