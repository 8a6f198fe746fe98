# SPDX-License-Identifier: GPL-2.0-only
"""The size of the table.

Who says what is right: Little's law; tcp_conntracks for the states behind a close; tcp_timeouts for
120 s in TIME_WAIT and 10 s in CLOSE.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

from ctlint.analysis.occupancy import Occupancy, occupancy
from ctlint.analysis.override import override, replaced
from ctlint.analysis.settings import Settings
from ctlint.analysis.silence import Usage, keepalive_of, silences
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import NEWEST


def table(*tried: str, **told: str) -> Occupancy:
    settings = replaced(
        Settings(SysctlSet(()), NEWEST), tuple(override(one, NEWEST) for one in tried)
    )
    usage = Usage(
        silences("idle", told.get("idle", "100")),
        silences("half-close", told["half_close"]) if "half_close" in told else (),
        keepalive_of(told.get("keepalive", "off")),
        Fraction(told["rate"]) if "rate" in told else None,
        Fraction(told.get("vanish", "0")),
    )
    found = occupancy(settings, usage)
    assert found is not None
    return found


def seconds(found: Occupancy) -> Mapping[str, Fraction]:
    return {state: each for state, each in found.seconds.items() if each}


def test_an_orderly_connection_is_as_long_as_it_is_and_then_in_time_wait() -> None:
    assert seconds(table(idle="100")) == {"ESTABLISHED": 100, "TIME_WAIT": 120}


def test_an_entry_that_expires_goes_at_its_timeout_and_sees_no_close() -> None:
    assert seconds(table("tcp_timeout_established=100", idle="100")) == {"ESTABLISHED": 100}


def test_keepalives_hold_the_entry_all_the_time() -> None:
    found = table("tcp_timeout_established=100", idle="1000", keepalive="99")
    assert seconds(found) == {"ESTABLISHED": 1000, "TIME_WAIT": 120}


@pytest.mark.parametrize(
    ("pause", "expected"),
    [("59", {"CLOSE_WAIT": 59, "TIME_WAIT": 120}), ("60", {"CLOSE_WAIT": 60})],
)
def test_half_closed_connections(pause: str, expected: dict[str, int]) -> None:
    assert seconds(table(idle="1", half_close=pause)) == {"ESTABLISHED": 1, **expected}


def test_who_vanishes_leaves_the_entry_to_its_timeout() -> None:
    assert seconds(table("tcp_timeout_established=5000", vanish="1")) == {"ESTABLISHED": 5000}


def test_probes_without_an_answer_end_in_a_reset() -> None:
    """60 s, then 3 probes 10 s apart."""
    found = table(vanish="1", keepalive="60/10/3")
    assert seconds(found) == {"ESTABLISHED": 90, "CLOSE": 10}


def test_entries_are_rate_times_seconds() -> None:
    found = table("nf_conntrack_max=1000", idle="80", rate="5")
    assert found.entries is not None
    assert list(found.entries.values()) == [400, 0, 600, 0]
    assert found.total == found.maximum == 1000
    assert not found.is_full
    assert table("nf_conntrack_max=999", idle="80", rate="5").is_full


def test_a_maximum_that_is_not_told_is_not_guessed() -> None:
    assert table(rate="1").maximum is None
    assert table("nf_conntrack_max=0", rate="1").maximum is None
    assert table().entries is None
