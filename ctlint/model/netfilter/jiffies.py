# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's clock tick, in which rules and sets measure time.

Packets that a scenario sends without a pause between them all come at one tick.
"""

from __future__ import annotations

from typing import Final

from ctlint.wire.moments import SECOND, Micros

HZ: Final = 250
"""Ticks a second (CONFIG_HZ) of a kernel as Debian builds it."""


def jiffies(now: Micros) -> int:
    """The tick of a moment; moment 0 is at one."""
    return now * HZ // SECOND


def msecs_to_jiffies(span: int) -> int:
    """Port of msecs_to_jiffies: whole ticks, rounded up."""
    return -(-span * HZ // 1000)
