# SPDX-License-Identifier: GPL-2.0-only
"""How many entries a table holds: by Little's law, arrivals a second times the seconds each stays.

An entry stays as long as packets renew it, and its timeout longer. Counted are the states in which
entries stay long; the handshake and the moments of a close that nobody delays are not.

Sources: tcp_conntracks in net/netfilter/nf_conntrack_proto_tcp.c: behind an orderly close an entry
stays in TIME_WAIT, behind a RST in CLOSE; tcp_keepalive_timer() in net/ipv4/tcp_timer.c: an end
whose probes go unanswered sends a RST.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from ctlint.analysis.phase import TIMEOUTS
from ctlint.analysis.settings import Settings
from ctlint.analysis.silence import Keepalive, Usage

TABLE_MAX: Final = "net.netfilter.nf_conntrack_max"

STATES: Final = ("ESTABLISHED", "CLOSE_WAIT", "TIME_WAIT", "CLOSE")


class Occupancy(NamedTuple):
    """``seconds``: how long a connection has an entry, on average, by the entry's state.
    ``entries``: how many there are at the rate that is told, None where none is. ``maximum``: what
    the table holds, None where that depends on memory or there is no limit.
    """

    seconds: Mapping[str, Fraction]
    entries: Mapping[str, Fraction] | None
    maximum: int | None

    @property
    def total(self) -> Fraction | None:
        """All entries."""
        return None if self.entries is None else sum(self.entries.values(), Fraction(0))

    @property
    def is_full(self) -> bool:
        """Whether the table cannot hold them."""
        return self.total is not None and self.maximum is not None and self.total > self.maximum


def occupancy(settings: Settings, usage: Usage) -> Occupancy | None:
    """The table at this usage; None where it is not told how long connections last."""
    if not usage.idle:
        return None
    seconds = dict.fromkeys(STATES, Fraction(0))
    established, close_wait, time_wait, close = (
        settings.value(TIMEOUTS[name])
        for name in ("established", "close_wait", "time_wait", "close")
    )
    for each in usage.idle:
        part = each.share * (1 - usage.vanish)
        usual = each.keepalive_or(usage.keepalive)
        keepalive = None if usual is None else usual.of(settings)
        gone = each.share * usage.vanish
        if keepalive is not None and keepalive.time is not None and keepalive.time < established:
            seconds["ESTABLISHED"] += gone * _gives_up_after(keepalive)
            seconds["CLOSE"] += gone * close
        else:
            seconds["ESTABLISHED"] += gone * established
        if _between(each.seconds, keepalive) >= established:
            seconds["ESTABLISHED"] += part * established
            continue
        seconds["ESTABLISHED"] += part * each.seconds
        closed = Fraction(1)
        for pause in usage.half_close:
            theirs = pause.keepalive_or(usual)
            between = _between(pause.seconds, None if theirs is None else theirs.of(settings))
            is_kept = between < close_wait
            seconds["CLOSE_WAIT"] += part * pause.share * (pause.seconds if is_kept else close_wait)
            closed -= 0 if is_kept else pause.share
        seconds["TIME_WAIT"] += part * closed * time_wait
    entries = None
    if usage.rate is not None:
        entries = {state: usage.rate * each for state, each in seconds.items()}
    setting = settings.setting(TABLE_MAX)
    has_maximum = setting is not None or settings.is_replaced(TABLE_MAX)
    maximum = settings.value(TABLE_MAX) if has_maximum else 0  # 0: no limit
    return Occupancy(seconds, entries, maximum or None)


def _between(silent: int, keepalive: Keepalive | None) -> int:
    """How long no packet passes where a program is silent for so long."""
    if keepalive is None or keepalive.time is None:
        return silent
    return min(silent, keepalive.time)


def _gives_up_after(keepalive: Keepalive) -> int:
    assert keepalive.time is not None
    assert keepalive.interval is not None
    assert keepalive.probes is not None
    return keepalive.time + keepalive.interval * keepalive.probes
