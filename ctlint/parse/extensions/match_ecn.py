# SPDX-License-Identifier: GPL-2.0-only
"""``-m ecn``. Source: libxt_ecn of iptables 1.8.11, net/netfilter/xt_ecn.c."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, all_checks, match, one_of
from ctlint.parse.operands import integer
from ctlint.wire.protocols import TCP


def _check_tcp(options: Sequence[Option], context: RuleContext) -> str | None:
    for option in options:
        if option.name.startswith("ecn-tcp-") and not context.is_protocol(TCP):
            return f"--{option.name} needs -p tcp"
    return None


EXTENSIONS = (
    match(
        "ecn",
        OptionSpec("ecn-tcp-cwr", negatable=True),
        OptionSpec("ecn-tcp-ece", negatable=True),
        OptionSpec("ecn-ip-ect", (integer(0, 3),), negatable=True),
        check=all_checks(one_of("ecn-tcp-cwr", "ecn-tcp-ece", "ecn-ip-ect"), _check_tcp),
    ),
)
