# SPDX-License-Identifier: GPL-2.0-only
"""``-j TEE``. Source: libxt_TEE of iptables 1.8.11, tee_tg_check() in xt_TEE.c of Linux 6.18."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, target
from ctlint.parse.operands import HOST, cut_text
from ctlint.wire.addresses import Net


def _check_gateway(options: Sequence[Option], _: RuleContext) -> str | None:
    if any(isinstance(option.value, Net) and option.value.address == 0 for option in options):
        return "the gateway is the unspecified address"
    return None


EXTENSIONS = (
    target(
        "TEE",
        OptionSpec("gateway", (HOST,), required=True),
        OptionSpec("oif", (cut_text(15),)),
        check=_check_gateway,
    ),
)
