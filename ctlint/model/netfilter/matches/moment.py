# SPDX-License-Identifier: GPL-2.0-only
"""``-m time``. Source: net/netfilter/xt_time.c, Linux 6.18; libxt_time of iptables 1.8.11."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from ctlint.ir.rule import Match
from ctlint.model.netfilter.matches.predicate import TRUE, UNKNOWN, Predicate, Rows
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.moments import SECOND

_DAY: Final = 86_400
_LIMITS: Final = ("datestart", "datestop", "timestart", "timestop", "weekdays", "monthdays")
_LAST_DATE: Final = (1 << 31) - 1
_EPOCH: Final = datetime(1970, 1, 1)


def _time(match: Match, facts: Facts) -> Iterator[Predicate]:
    clock = facts.clock
    is_utc = match.get("kerneltz") is None
    first_date, last_date = _value(match, "datestart", 0), _value(match, "datestop", _LAST_DATE)
    start, stop = _value(match, "timestart", 0), _value(match, "timestop", _DAY - 1)
    is_contiguous = match.get("contiguous") is not None
    is_always = not any(map(match.get, _LIMITS))

    def at(stamp: int) -> bool:
        """Port of time_mt."""
        if not first_date <= stamp <= last_date:
            return False
        time = stamp % _DAY
        if start < stop:
            if not start <= time <= stop:
                return False
        else:
            if stop < time < start:
                return False
            if is_contiguous and time <= stop:
                # The end of a night counts as the day on which it began.
                stamp -= _DAY
        day = _EPOCH + timedelta(days=stamp // _DAY)
        return _holds(match, "weekdays", day.isoweekday()) and _holds(match, "monthdays", day.day)

    def run(transit: Transit) -> Tern:
        if is_always:
            return TRUE
        box = transit.box
        if box is None or clock is None or not is_utc:
            return UNKNOWN
        return Tern.of(at((clock + box.now) // SECOND))

    why = "depends on the time of day" if is_utc else "the kernel's time zone is not known"
    yield Predicate(run, frozenset({Field.BOX}), None, why)


def _value(match: Match, name: str, default: int) -> Any:
    option = match.get(name)
    return default if option is None else option.value


def _holds(match: Match, name: str, day: int) -> bool:
    option = match.get(name)
    return option is None or (day in option.value) is not option.negated


ROWS: Final[Rows] = {"time": _time}
