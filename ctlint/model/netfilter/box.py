# SPDX-License-Identifier: GPL-2.0-only
"""The box that a packet passes, at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ctlint.model.conntrack.core import Tracker
from ctlint.model.netfilter.host import Host
from ctlint.model.netfilter.memory import Memory
from ctlint.wire.moments import Micros


@dataclass(slots=True)
class Box:
    """What rules can ask of beyond the packet: addresses and routes, connections, what came before.

    ``now`` is the moment, from 0 at the beginning. ``lots`` draws a number between two, both
    included, where rules draw lots; without it what they decide is not known.
    """

    host: Host
    tracker: Tracker
    memory: Memory = field(default_factory=Memory)
    now: Micros = 0
    lots: Callable[[int, int], int] | None = None
