# SPDX-License-Identifier: GPL-2.0-only
"""What a match keeps for itself from one packet to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ctlint.ir.rule import Match
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.transit import Transit

T = TypeVar("T")


def of_rule(box: Box, transit: Transit, match: Match, make: Callable[[], T]) -> T:
    """What a match of the rule that is being tried keeps; made where it is asked for first.

    The rules of iptables and of ip6tables are never the same, whatever they say.
    """
    key = (transit.rule, match, transit.packet.family)
    return box.memory.kept(match.name, key, make)
