# SPDX-License-Identifier: GPL-2.0-only
"""``-m physdev``, the ports of a bridge.

Source: libxt_physdev of iptables 1.8.11; OUTPUT: net/netfilter/xt_physdev.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, match
from ctlint.parse.operands import INTERFACE


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    return None if options else "needs an option, such as --physdev-in"


def _check_hook(options: Sequence[Option], chain: str) -> str | None:
    affirmed = {option.name for option in options if not option.negated}
    names = {option.name for option in options}
    if (
        chain == "OUTPUT"
        and names & {"physdev-out", "physdev-is-out"}
        and "physdev-is-bridged" not in affirmed
    ):
        return "in OUTPUT --physdev-out and --physdev-is-out need --physdev-is-bridged"
    return None


EXTENSIONS = (
    match(
        "physdev",
        OptionSpec("physdev-in", (INTERFACE,), negatable=True),
        OptionSpec("physdev-out", (INTERFACE,), negatable=True),
        OptionSpec("physdev-is-in", negatable=True),
        OptionSpec("physdev-is-out", negatable=True),
        OptionSpec("physdev-is-bridged", negatable=True),
        check=_check,
        hook_check=_check_hook,
    ),
)
