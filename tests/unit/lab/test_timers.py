# SPDX-License-Identifier: GPL-2.0-only
"""The time of scenarios, against a table that runs as the kernel's does: in ticks, cut to seconds.

Source of the rules: nf_conntrack_core.c (nf_ct_expires, nf_ct_is_expired) and ctnetlink.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from ctlint.lab.errors import LabStalled
from ctlint.lab.table import Table, Tracked
from ctlint.lab.timers import Timers, timeouts_of
from ctlint.wire.moments import SECOND
from ctlint.wire.protocols import TCP, UDP

HZ = 250


class Clock:
    """Stands for the module `time`. `ticks` stand still until `held_until`, then catch up."""

    def __init__(self) -> None:
        self.now = 100.0
        self.held_until = 0.0
        self._held_at = 0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock_gettime(self, clock: int) -> float:
        assert clock == 6, "CLOCK_MONOTONIC_COARSE"
        return self.ticks / HZ

    def hold_ticks(self, seconds: float) -> None:
        self._held_at = self.ticks
        self.held_until = self.now + seconds

    @property
    def ticks(self) -> int:
        return self._held_at if self.now < self.held_until else int(self.now * HZ)


class Entries(Table):
    """A table without a kernel: key, start, and the tick at which an entry expires."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[bytes, tuple[int, int, int]] = {}
        self._starts = itertools.count(1)

    def add(self, key: bytes, seconds: int, protocol: int = TCP) -> None:
        expires = self._clock.ticks + seconds * HZ
        start = int(self._clock.now * 1e9) + next(self._starts)
        self._entries[key] = start, expires, protocol

    def refresh(self, key: bytes, seconds: int) -> None:
        start, _, protocol = self._entries[key]
        self._entries[key] = start, self._clock.ticks + seconds * HZ, protocol

    def flush(self) -> None:
        self._entries.clear()

    def count(self) -> int:
        return len(self.dump())

    def get_all(self, keys: Sequence[bytes]) -> list[Tracked | None]:
        return [self._show(key) for key in keys]

    def dump(self) -> list[Tracked]:
        return [entry for entry in map(self._show, list(self._entries)) if entry is not None]

    def _show(self, key: bytes) -> Tracked | None:
        if key not in self._entries:
            return None
        start, expires, protocol = self._entries[key]
        left = expires - self._clock.ticks
        if left <= 0:
            del self._entries[key]
            return None
        ends = "", 0, "", 0
        return Tracked(key, protocol, ends, ends, 0, left // HZ, 0, start, None)

    def set_timeouts(self, wanted: Sequence[tuple[bytes, int]]) -> list[bool]:
        for key, seconds in wanted:
            if self._show(key) is not None:
                self.refresh(key, seconds)
        return [self._show(key) is not None for key, _ in wanted]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("ctlint.lab.timers.time", found)
    return found


@pytest.fixture
def table(clock: Clock) -> Entries:
    return Entries(clock)


TIMEOUTS = {TCP: {120, 60, 61, 300}, UDP: {30, 120}}


@pytest.fixture
def timers(table: Entries) -> Timers:
    return Timers(table, TIMEOUTS.__getitem__)


def read(timers: Timers, table: Entries, clock: Clock, sent: float) -> tuple[int, bool]:
    entry = table.get(b"a")
    assert entry is not None
    return timers.read(entry, sent)


def test_a_tick_that_comes_late(clock: Clock, table: Entries, timers: Timers) -> None:
    """A busy machine does not count ticks for a while: 59 is 59 then, not 60 less a second."""
    table.add(b"a", 120)
    assert read(timers, table, clock, clock.now) == (120, True)
    timers.pass_time(61 * SECOND)
    clock.hold_ticks(0.05)
    timers.settle()
    assert read(timers, table, clock, clock.now) == (59, False)


def test_a_clock_that_stands_still(clock: Clock, table: Entries, timers: Timers) -> None:
    clock.hold_ticks(10)
    table.add(b"a", 77)
    with pytest.raises(LabStalled):
        read(timers, table, clock, clock.now)


@pytest.mark.parametrize("delay", [0.0001, 0.0039, 0.0041, 0.02])
@pytest.mark.parametrize("offset", [0.0, 0.0005, 0.0038])
@pytest.mark.parametrize("first", [120, 60, 61, 300])
@pytest.mark.parametrize("waited", [0, SECOND // 2, SECOND, 58 * SECOND, 58 * SECOND + 1])
@pytest.mark.parametrize("then", [None, 120, 60, 61, 300, 97])
def test_what_is_left(
    delay: float,
    offset: float,
    first: int,
    waited: int,
    then: int | None,
    clock: Clock,
    table: Entries,
    timers: Timers,
) -> None:
    """A packet sets a timer anew or not; ticks fall wherever they fall."""
    clock.now += offset
    sent = clock.now
    table.add(b"a", first)
    clock.now += delay
    assert read(timers, table, clock, sent) == (first, True)
    timers.pass_time(waited)
    timers.settle()
    clock.now += delay
    sent = clock.now
    if then is not None:
        table.refresh(b"a", then)
    clock.now += delay
    left = first * SECOND - waited if then is None else then * SECOND
    assert read(timers, table, clock, sent) == (left // SECOND, False)


def test_an_entry_is_gone_when_nothing_is_left(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    table.add(b"a", 120)
    read(timers, table, clock, clock.now)
    timers.pass_time(120 * SECOND - 1)
    assert [entry.key for entry in timers.entries()] == [b"a"]
    timers.pass_time(1)
    assert timers.entries() == []


def test_real_time_is_taken_back(clock: Clock, table: Entries, timers: Timers) -> None:
    table.add(b"a", 60)
    read(timers, table, clock, clock.now)
    for _ in range(200):
        clock.now += 0.5
        timers.settle()
        assert read(timers, table, clock, clock.now)[0] == 60


def test_a_stall_is_no_answer(clock: Clock, table: Entries, timers: Timers) -> None:
    table.add(b"a", 60)
    sent = clock.now
    clock.now += 1.5
    with pytest.raises(LabStalled):
        read(timers, table, clock, sent)


def test_entries_that_nobody_asked_for_age_too(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    table.add(b"a", 60)
    timers.pass_time(59 * SECOND)
    assert len(timers.entries()) == 1
    timers.pass_time(SECOND)
    assert timers.entries() == []


def test_a_successor_keeps_its_timer(clock: Clock, table: Entries, timers: Timers) -> None:
    table.add(b"a", 60)
    read(timers, table, clock, clock.now)
    table.add(b"a", 120)
    assert read(timers, table, clock, clock.now) == (120, True)
    timers.pass_time(70 * SECOND)
    timers.settle()
    assert read(timers, table, clock, clock.now) == (50, False)


@pytest.mark.parametrize(
    ("waits", "low", "high"),
    [
        ([1], 0.99, 1.9),
        ([2], 1.5, 1.99),
        ([2.1], 2.01, 2.2),
        ([1.5, 1], 2.01, 2.2),
        ([29], 2.01, 2.2),
    ],
)
def test_udp_entries_age_really(
    waits: list[float], low: float, high: float, clock: Clock, table: Entries, timers: Timers
) -> None:
    """More than two seconds in the scenario are more than two real ones, and less are less."""
    table.add(b"a", 30, UDP)
    born = clock.now
    read(timers, table, clock, born)
    for wait in waits:
        timers.pass_time(int(wait * SECOND))
    timers.settle(TCP)
    assert clock.now == born
    timers.settle(UDP)
    assert low <= clock.now - born <= high


# A machine that stalls: where real time may have changed what became of a packet, no answer.


def test_an_entry_that_may_have_expired_under_a_packet(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    """One second is left; the packet is sent so late that conntrack does not find the entry."""
    table.add(b"a", 60)
    read(timers, table, clock, clock.now)
    timers.pass_time(59 * SECOND)
    timers.settle(TCP)
    clock.now += 1.1
    sent = timers.clock()
    assert table.get(b"a") is None
    with pytest.raises(LabStalled):
        timers.require_in_time(TCP, sent)


def test_an_entry_that_expires_while_the_table_is_read(
    clock: Clock, table: Entries, timers: Timers, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.add(b"a", 60)
    read(timers, table, clock, clock.now)
    timers.pass_time(59 * SECOND)
    timers.settle()
    real = table.get_all

    def late(keys: Sequence[bytes]) -> list[Tracked | None]:
        clock.now += 1.1
        return real(keys)

    monkeypatch.setattr(table, "get_all", late)
    with pytest.raises(LabStalled):
        timers.entries()


def test_an_entry_that_expires_before_it_is_set_anew(
    clock: Clock, table: Entries, timers: Timers, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.add(b"a", 60)
    read(timers, table, clock, clock.now)
    timers.pass_time(59 * SECOND)
    timers.settle()
    clock.now += 0.6
    real = table.set_timeouts

    def late(wanted: Sequence[tuple[bytes, int]]) -> list[bool]:
        clock.now += 0.5
        return real(wanted)

    monkeypatch.setattr(table, "set_timeouts", late)
    with pytest.raises(LabStalled):
        timers.settle()


def test_an_answer_that_comes_too_late_is_none(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    """Whatever the packet did may have ended by then: `tcp_timeout_close` can be a second."""
    sent = timers.clock()
    timers.require_in_time(TCP, sent)
    clock.now += 1
    with pytest.raises(LabStalled):
        timers.require_in_time(TCP, sent)


def test_a_young_udp_entry_that_grows_old_under_a_packet(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    """`stream_ts` is looked at after `settle`: a stall in between makes it two seconds."""
    table.add(b"a", 30, UDP)
    read(timers, table, clock, clock.now)
    timers.pass_time(2 * SECOND)
    timers.settle(UDP)
    sent = timers.clock()
    timers.require_in_time(UDP, sent)
    clock.now += 0.3
    timers.require_in_time(TCP, sent)
    with pytest.raises(LabStalled):
        timers.require_in_time(UDP, sent)


def test_a_young_udp_entry_of_another_scenario_does_not_matter(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    table.add(b"a", 30, UDP)
    read(timers, table, clock, clock.now)
    timers.settle(UDP)
    table.flush()
    timers.restart()
    clock.now += 3
    timers.settle(UDP)
    table.add(b"b", 30, UDP)
    timers.require_in_time(UDP, timers.clock())


def test_an_old_udp_entry_is_old_though_its_first_packet_was_held_up(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    """The packet reached conntrack half a second after it was about to be sent."""
    sent = timers.clock()
    clock.now += 0.5
    table.add(b"a", 30, UDP)
    born = clock.now
    read(timers, table, clock, sent)
    timers.pass_time(3 * SECOND)
    timers.settle(UDP)
    assert clock.now - born > 2


def test_ticks_that_were_held_count_when_they_come(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    """A timer set while the ticks stand still loses, at once, all that they catch up."""
    clock.hold_ticks(1.2)
    clock.now += 1.0
    sent = timers.clock()
    table.add(b"a", 1)
    clock.now += 0.25
    assert table.get(b"a") is None
    with pytest.raises(LabStalled):
        timers.require_in_time(TCP, sent)


def test_an_entry_that_nobody_asked_for_and_that_is_found_late(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    table.add(b"a", 60)
    clock.now += 2
    with pytest.raises(LabStalled):
        timers.entries()


def test_entries_that_nobody_asked_for_are_told_without_real_time(
    clock: Clock, table: Entries, timers: Timers
) -> None:
    table.add(b"a", 60)
    clock.now += 0.5
    (entry,) = timers.entries()
    assert timers.left(entry) == 60


def test_timeouts_by_protocol() -> None:
    values = {"tcp_timeout_close": 10, "udp_timeout": 30, "udp_timeout_stream": 120}
    values |= {"generic_timeout": 600, "frag6_timeout": 60}
    found = timeouts_of(values)
    assert found["tcp"] == {10, 120}
    assert found["udp"] == {30, 120}
    assert found["generic"] == {600}
