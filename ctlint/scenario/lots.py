# SPDX-License-Identifier: GPL-2.0-only
"""The lots that a kernel drew: which ports NAT chose where it takes any (nf_nat_core.c).

A model that is told what the kernel drew must answer as the kernel did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ctlint.scenario.answer import OpAnswer, PacketAnswer
from ctlint.wire.protocols import ICMP, ICMPV6

_DRAWS_TARGETS = re.compile(r"-j (?:DNAT|REDIRECT) .*--random")


def orders(rules: str) -> tuple[bool, ...]:
    """The values of `targets_first` of which one must explain what these rules draw.

    Where either end may be drawn by lot, the answer does not tell which was.
    """
    return (True, False) if _DRAWS_TARGETS.search(rules) is not None else (False,)


class Lots:
    """Draws what the kernel drew, as far as its answer tells."""

    def __init__(self, *, targets_first: bool) -> None:
        self._targets_first = targets_first
        self._seen: list[int] = []
        self.is_unseen = False
        self.has_drawn = False

    def look(self, answer: PacketAnswer | OpAnswer | None, protocol: int) -> None:
        """The next draws are about this answer's packet."""
        if isinstance(answer, PacketAnswer):
            out = [(one.sport, one.dport) for one in answer.out if one.is_same]
            self._look(None if answer.entry is None else answer.entry.reply, out, protocol)
        else:
            self._look(None, (), protocol)

    def look_at_recorded(self, answer: Mapping[str, Any], protocol: int) -> None:
        """As `look`, of an answer as JSON knows it."""
        entry = answer.get("entry")
        out = [(one["sport"], one["dport"]) for one in answer.get("out", ()) if one["same"]]
        self._look(None if entry is None else entry["reply"], out, protocol)

    def _look(
        self, reply: Sequence[Any] | None, out: Iterable[tuple[int, int]], protocol: int
    ) -> None:
        self._seen = []
        self.is_unseen = False
        is_icmp = protocol in (ICMP, ICMPV6)
        if reply is not None:
            _, sport, _, dport = reply
            if is_icmp:
                self._seen.append(sport)
            else:
                # The destination is bound first, but only by some rules drawn by lot.
                self._seen += [sport, dport] if self._targets_first else [dport, sport]
        for sport, dport in out:
            self._seen += [sport] if is_icmp else [sport, dport]

    def draw(self, low: int, high: int) -> int:
        """What was drawn between the two; else the first of them, and it was not seen."""
        self.has_drawn = True
        for index, port in enumerate(self._seen):
            if low <= port <= high:
                del self._seen[index]
                return port
        self.is_unseen = True
        return low
