# SPDX-License-Identifier: GPL-2.0-only
"""``-j ECN``. Source: libipt_ECN of iptables 1.8.11, ipt_ECN.c of Linux 6.18."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import IPV4_ONLY, OptionSpec, RuleContext, all_checks, one_of, target
from ctlint.parse.operands import integer
from ctlint.wire.protocols import TCP

_ALL = ("ecn-tcp-remove", "ecn-tcp-cwr", "ecn-tcp-ece", "ecn-ip-ect")


def _check_tcp(options: Sequence[Option], context: RuleContext) -> str | None:
    for option in options:
        if option.name.startswith("ecn-tcp-") and not context.is_protocol(TCP):
            return f"--{option.name} needs -p tcp"
    return None


EXTENSIONS = (
    target(
        "ECN",
        OptionSpec("ecn-tcp-remove", excludes=("ecn-tcp-cwr", "ecn-tcp-ece")),
        OptionSpec("ecn-tcp-cwr", (integer(0, 1),), excludes=("ecn-tcp-remove",)),
        OptionSpec("ecn-tcp-ece", (integer(0, 1),), excludes=("ecn-tcp-remove",)),
        OptionSpec("ecn-ip-ect", (integer(0, 3),)),
        families=IPV4_ONLY,
        tables=("mangle",),
        check=all_checks(one_of(*_ALL), _check_tcp),
    ),
)
