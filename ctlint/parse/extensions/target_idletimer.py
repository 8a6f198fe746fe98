# SPDX-License-Identifier: GPL-2.0-only
"""``-j IDLETIMER``. Source: libxt_IDLETIMER of iptables 1.8.11, xt_IDLETIMER.c of Linux 6.18."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, target
from ctlint.parse.operands import cut_text, integer

_LONGEST = ((1 << 31) - 1) // 1000 - 1
"""Most seconds that fit the kernel's timer (INT_MAX milliseconds)."""


def _check_label(options: Sequence[Option], _: RuleContext) -> str | None:
    return "the label is empty" if any(option.value == "" for option in options) else None


EXTENSIONS = (
    target(
        "IDLETIMER",
        OptionSpec("timeout", (integer(1, _LONGEST),), required=True),
        OptionSpec("label", (cut_text(27),), required=True),
        OptionSpec("alarm"),
        OptionSpec("send_nl_msg"),
        check=_check_label,
    ),
)
