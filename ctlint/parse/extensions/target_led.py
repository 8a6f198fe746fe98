# SPDX-License-Identifier: GPL-2.0-only
"""``-j LED``. The delay is in milliseconds, for ever where it is :data:`FOR_EVER`.

Source: libxt_LED of iptables 1.8.11, led_tg_check() in xt_LED.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, target
from ctlint.parse.operands import UINT32, Operand, parse_integer, text
from ctlint.wire.addresses import Family

FOR_EVER = UINT32


def _parse_delay(word: str, _: Family) -> int:
    return FOR_EVER if word[:3].lower() == "inf" else parse_integer(word, 0, UINT32)


def _format_delay(value: int) -> str:
    return "inf" if value == FOR_EVER else str(value)


EXTENSIONS = (
    target(
        "LED",
        OptionSpec("led-trigger-id", (text(16, shortest=1),), required=True),
        OptionSpec("led-delay", (Operand("milliseconds or inf", _parse_delay, _format_delay),)),
        OptionSpec("led-always-blink"),
    ),
)
