# SPDX-License-Identifier: GPL-2.0-only
"""What a replay hands to its reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ctlint.analysis.capture.connection import Connection, Expiry
from ctlint.analysis.capture.ledger import Totals
from ctlint.analysis.capture.played import Fate, Played
from ctlint.analysis.capture.replay import Firewall
from ctlint.scenario.rule_index import RuleIndex
from ctlint.wire.addresses import Family
from ctlint.wire.frame import LeftOut


class Only(Enum):
    """Which connections are shown."""

    TROUBLE = "trouble"
    INVALID = "invalid"
    DROPPED = "dropped"
    EXPIRED = "expired"
    UNDECIDED = "undecided"
    ALL = "all"


_STOPPED: Final = (Fate.DROPPED, Fate.REJECTED, Fate.LOST)

_SHOWS: Final[Mapping[Only, Callable[[Connection], bool]]] = {
    Only.TROUBLE: lambda one: one.is_troubled,
    Only.INVALID: lambda one: one.ctstates["INVALID"] > 0,
    Only.DROPPED: lambda one: any(one.fates[fate] for fate in _STOPPED),
    Only.EXPIRED: lambda one: one.expired > 0,
    Only.UNDECIDED: lambda one: one.fates[Fate.UNDECIDED] > 0,
}


def shows_connection(only: Only, connection: Connection) -> bool:
    """Whether a connection is one of those that were asked for."""
    return only is Only.ALL or _SHOWS[only](connection)


def shows_packet(only: Only, played: Played, expiry: Expiry | None) -> bool:
    """Whether a packet is one of those that were asked for."""
    is_invalid = played.ctstate == "INVALID"
    is_stopped = played.fate in _STOPPED
    is_open = played.fate is Fate.UNDECIDED
    if only is Only.TROUBLE:
        return is_invalid or is_stopped or is_open or expiry is not None
    return {
        Only.INVALID: is_invalid,
        Only.DROPPED: is_stopped,
        Only.EXPIRED: expiry is not None,
        Only.UNDECIDED: is_open,
    }.get(only, True)


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """All of a capture but its connections. ``frames`` counts what was read, ``late`` what came
    with an earlier moment than one before it; ``entries`` are in the table at the end.
    ``forgotten`` are connections that count as decided: there were too many that are not.
    ``unruled`` are packets of a family of which there are no rules, while there are of the other.
    """

    file: str
    firewall: Firewall
    totals: Totals
    left_out: Mapping[LeftOut, int]
    frames: int
    late: int
    forgotten: int
    unruled: int
    entries: int

    def index(self, family: Family) -> RuleIndex:
        """The rules of a family by their names."""
        return RuleIndex(self.firewall.rulesets, family)

    @property
    def is_clean(self) -> bool:
        """Whether every packet was played, decided, none INVALID, and all came through."""
        fates = self.totals.fates
        return not self.totals.ctstates["INVALID"] and fates.total() == fates[Fate.PASSED]
