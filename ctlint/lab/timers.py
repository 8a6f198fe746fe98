# SPDX-License-Identifier: GPL-2.0-only
"""The time of scenarios, which passes without waiting.

An entry's timer is moved through ctnetlink instead. Ctnetlink knows whole seconds only: what it
shows is cut, and what it is given it counts from now. So the lab keeps what is left of each entry
to the microsecond, and finds out after each packet whether the kernel has set a timer anew:

- a reading of R or R − 1, where R is what the timer was last set to, means: not set anew;
- T or T − 1, where T is one of the protocol's timeouts, means: set to T;
- where both or neither fit, a second reading decides, taken one tick of the kernel's clock after
  the packet: by then every timer shows one second less than it was set to.

Where a part of a second is left, the kernel's timer is set to a nearby whole number that is no
timeout in force, so that the two can be told apart. Timers are set anew before they have run for
long in real time. What this cannot do: a match on `--ctexpire` sees the kernel's timer, with whole
seconds; limits of rules (limit, hashlimit, recent) and sets whose members time out count real time,
`-m time` asks the machine's clock.

One thing in conntrack compares clocks and not timers: a UDP entry counts as a stream from two
seconds after its first packet on (nf_conntrack_proto_udp.c, `stream_ts`). Before a UDP packet the
lab therefore really waits, up to about two seconds, until each young UDP entry is as old as the
scenario says.

A machine may stall anywhere in between. All spans of real time are therefore measured on the clock
of the kernel's tick, by which its timers run too, from before the one thing to after the other;
what happens is looked at afterwards (`require_in_time`), and where a timer may have run out that
should not have, or a span may have grown too long, there is no answer but LabStalled.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from ctlint.lab.errors import LabStalled
from ctlint.lab.table import Table, Tracked
from ctlint.wire.moments import SECOND, Micros, whole_seconds
from ctlint.wire.protocols import UDP

_FRESH_ENOUGH: Final = 0.4
"""Seconds that a kernel timer may run before it is set anew."""

_TOO_LONG: Final = 0.9
"""Seconds after which a reading may have lost more than one second."""

_CLOCK_MONOTONIC_COARSE: Final = 6
"""A clock that moves together with the kernel's tick, and right after it (clock_getres(2))."""

_TICK: Final = 0.011
"""Seconds by which the clock may be wrong about a span: the longest tick, and a little more."""

_PART_OF_A_TICK: Final = 0.002
_LONGEST_TICK: Final = 0.5

_NANOSECONDS: Final = 1_000_000_000
_STREAM_AFTER: Final[Micros] = 2 * SECOND
_LONG: Final = 3600
_YOUNG: Final = 1.8
"""Seconds to which a UDP entry is let age that is two seconds old, or a little less."""
_NO_LONGER_YOUNG: Final = 1.98
_OLD: Final = 2.03
"""Seconds to which a UDP entry is let age that is more than two seconds old."""


@dataclass(slots=True)
class _Timer:
    """What is left of an entry. `armed` is what the kernel's timer was set to, at `since` or later.

    It was made at `born` in the scenario, and really between `earliest` and `latest`.
    """

    key: bytes
    protocol: int
    left: Micros
    armed: int
    since: float
    born: Micros
    earliest: float
    latest: float


class Timers:
    """The timers of all entries of a scenario."""

    def __init__(self, table: Table, timeouts: Callable[[int], Collection[int]]) -> None:
        """`timeouts` tells the timeouts in force of a protocol, in seconds."""
        self._table = table
        self._timeouts = timeouts
        self._timers: dict[int, _Timer] = {}
        self._seen: set[int] = set()
        self._now: Micros = 0
        self._is_due = False
        self._check_at = 0.0
        self._young_until = math.inf

    def clock(self) -> float:
        """Seconds on the clock of the kernel's tick."""
        return time.clock_gettime(_CLOCK_MONOTONIC_COARSE)

    def forget(self) -> None:
        """All entries are gone."""
        self._timers.clear()

    def restart(self) -> None:
        """A new scenario begins, without entries."""
        self._timers.clear()
        self._seen.clear()
        self._now = 0
        self._is_due = False

    def pass_time(self, span: Micros) -> None:
        """Time passes; it takes effect with `settle`. Raises OSError."""
        if not span:
            return
        self._find_others()
        self._now += span
        for timer in self._timers.values():
            timer.left -= span
        self._is_due = True

    def _find_others(self) -> None:
        """Learn of entries that no packet of the scenario has the tuple of."""
        if self._table.count() == len(self._timers):
            return
        self._live()
        if self._table.count() == len(self._timers):
            return
        for entry in self._table.dump():
            if entry.start not in self._timers:
                since = self.clock() - max(time.time() - entry.start / _NANOSECONDS, 0)
                if self.clock() - since > _TOO_LONG:
                    raise LabStalled("an entry is so old that its timer cannot be told")
                shown = entry.timeout
                seconds = shown if shown in self._timeouts(entry.protocol) else shown + 1
                self._add(entry, seconds, since)

    def _live(self) -> list[Tracked]:
        """Those of the known entries that still exist; the others are forgotten.

        A new entry with the tuple of an old one is not the old one. Raises LabStalled where one may
        have run out.
        """
        deadline = self._deadline()
        starts = list(self._timers)
        found = self._table.get_all([timer.key for timer in self._timers.values()])
        live: list[Tracked] = []
        for start, entry in zip(starts, found, strict=True):
            if entry is not None and entry.start == start:
                live.append(entry)
            else:
                del self._timers[start]
        self._require_before(deadline)
        return live

    def _deadline(self) -> float:
        """When the first timer of an entry that should live on may run out."""
        lasting = (timer.since + timer.armed for timer in self._timers.values() if timer.left > 0)
        return min(lasting, default=math.inf) - _TICK

    def _require_before(self, deadline: float) -> None:
        if self.clock() > deadline:
            raise LabStalled("so much real time went by that an entry may have expired")

    def require_in_time(self, protocol: int, sent: float) -> None:
        """Hold that no real time has changed what became of a packet of that protocol.

        `sent` is when it was about to be sent; all has been read. Raises OSError, LabStalled.
        """
        self._find_others()
        now = self.clock()
        if now - sent > _TOO_LONG:
            raise LabStalled("too much real time went by while a packet was handled")
        if protocol == UDP and now > self._young_until:
            raise LabStalled("a UDP entry is really older than in the scenario")
        # A kernel timer is set to a second at least, and none is older than `settle` lets it be.
        if now > self._check_at - _FRESH_ENOUGH + _TOO_LONG:
            self._require_before(self._deadline())

    def _add(self, entry: Tracked, seconds: int, since: float) -> _Timer:
        self._seen.add(entry.start)
        timer = _Timer(
            entry.key,
            entry.protocol,
            seconds * SECOND,
            seconds,
            since,
            self._now,
            since,
            self.clock(),
        )
        self._timers[entry.start] = timer
        return timer

    def look_again(self) -> None:
        """The timeouts in force have changed."""
        self._is_due = True

    def expire(self) -> None:
        """All timers run out; it takes effect with `settle`. Raises OSError."""
        self._find_others()
        for timer in self._timers.values():
            timer.left = 0
        self._is_due = True

    def settle(self, protocol: int | None = None) -> None:
        """Let the kernel's timers show the scenario's time, before a packet of that protocol.

        Raises OSError, LabStalled.
        """
        if protocol == UDP:
            self._let_udp_age()
        now = self.clock()
        if not self._is_due and now < self._check_at:
            return
        late = now - _FRESH_ENOUGH
        oldest = now
        deadline = self._deadline()
        self._live()
        wanted: list[tuple[int, int]] = []
        for start, timer in self._timers.items():
            seconds = self._whole(timer)
            if seconds != timer.armed or timer.since < late:
                wanted.append((start, seconds))
            else:
                oldest = min(oldest, timer.since)
        self._is_due = False
        self._check_at = oldest + _FRESH_ENOUGH
        if not wanted:
            return
        keys = [(self._timers[start].key, seconds) for start, seconds in wanted]
        for (start, seconds), alive in zip(wanted, self._table.set_timeouts(keys), strict=True):
            timer = self._timers[start]
            timer.armed, timer.since = seconds, now
            if not alive:
                del self._timers[start]
            elif not seconds:
                raise LabStalled("an entry did not expire")
        self._require_before(deadline)

    def _whole(self, timer: _Timer) -> int:
        """What the kernel's timer is set to."""
        if timer.left <= 0:
            return 0
        seconds = -(-timer.left // SECOND)
        if seconds * SECOND == timer.left:
            return seconds
        timeouts = self._timeouts(timer.protocol)
        if seconds > 1 and seconds in timeouts:
            seconds -= 1
        while seconds in timeouts:
            seconds += 1
        return seconds

    def _let_udp_age(self) -> None:
        ready = 0.0
        self._young_until = math.inf
        for timer in self._timers.values():
            if timer.protocol != UDP or timer.left <= 0:
                continue
            age = self._now - timer.born
            if age > _STREAM_AFTER:
                ready = max(ready, timer.latest + _OLD)
            else:
                ready = max(ready, timer.earliest + min(age / SECOND, _YOUNG))
                self._young_until = min(self._young_until, timer.earliest + _NO_LONGER_YOUNG)
        pause = ready - self.clock()
        if pause > 0:
            self._hold()
            while pause > 0:
                time.sleep(pause)
                pause = ready - self.clock()
        if self.clock() > self._young_until:
            raise LabStalled("a UDP entry is really older than in the scenario")

    def _hold(self) -> None:
        """Let no entry expire in the meantime; `settle` sets all timers afterwards."""
        live = self._live()
        lasting = [self._timers[entry.start] for entry in live]
        lasting = [timer for timer in lasting if timer.left > 0]
        deadline, now = self._deadline(), self.clock()
        self._table.set_timeouts([(timer.key, _LONG) for timer in lasting])
        self._require_before(deadline)
        for timer in lasting:
            timer.armed, timer.since = _LONG, now
        self._is_due = True

    def read(self, entry: Tracked, sent: float) -> tuple[int, bool]:
        """What is left of an entry in whole seconds, and whether it was not there before.

        `sent` is when the last packet was about to be sent, on `clock`. Raises OSError, LabStalled.
        """
        timer = self._timers.get(entry.start)
        armed = None if timer is None else timer.armed
        earliest = sent if timer is None else min(sent, timer.since)
        shown = entry.timeout
        timeouts = self._timeouts(entry.protocol)
        fitting = {each for each in (shown, shown + 1) if each in timeouts or each == armed}
        if len(fitting) == 1:
            (seconds,) = fitting
        else:
            await_tick()
            again = self._table.get(entry.key)
            if again is None or again.start != entry.start:
                raise LabStalled("an entry went away while it was looked at")
            seconds = again.timeout + 1
        if self.clock() - earliest > _TOO_LONG:
            raise LabStalled("too much real time went by while a packet was handled")
        is_fresh = entry.start not in self._seen
        if timer is None:
            timer = self._add(entry, seconds, sent)
        elif seconds != timer.armed:
            timer.left, timer.armed, timer.since = seconds * SECOND, seconds, sent
        return whole_seconds(timer.left), is_fresh

    def entries(self) -> list[Tracked]:
        """All entries, oldest first. Raises OSError, LabStalled."""
        self._find_others()
        self.settle()
        return sorted(self._live(), key=lambda entry: entry.start)

    def left(self, entry: Tracked) -> int:
        """What is left of an entry that `entries` told of, in whole seconds."""
        return whole_seconds(self._timers[entry.start].left)


def await_tick() -> None:
    """Wait until the kernel has counted a tick, however long a busy machine keeps it from that."""
    start = time.clock_gettime(_CLOCK_MONOTONIC_COARSE)
    give_up = time.monotonic() + _LONGEST_TICK
    while time.clock_gettime(_CLOCK_MONOTONIC_COARSE) == start:
        if time.monotonic() > give_up:
            raise LabStalled("the kernel's clock stands still")
        time.sleep(_PART_OF_A_TICK)


def timeouts_of(values: Mapping[str, int]) -> Mapping[str, frozenset[int]]:
    """Timeouts by the prefix of their protocol, from sysctls below `nf_conntrack_`.

    TCP has one of 120 s without a name (SYN_SENT2).
    """
    found: dict[str, set[int]] = {"tcp": {120}}
    for name, value in values.items():
        prefix, is_timeout, _ = name.partition("_timeout")
        if is_timeout:
            found.setdefault(prefix, set()).add(value)
    return {prefix: frozenset(each) for prefix, each in found.items()}
