# SPDX-License-Identifier: GPL-2.0-only
"""The thresholds of timeouts.

Who says what is right: nf_ct_is_expired(): an entry is gone at the second of its timeout, so
silences are safe that are shorter. What is lost behind it on the host of the incident: lint, whose
findings are held by the live kernel.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from ctlint.analysis.phase import (
    CLOSING,
    HALF_CLOSED,
    IDLE,
    LAST_FIN,
    PHASES,
    SYN_RECV,
    SYN_SENT,
    UNANSWERED,
)
from ctlint.analysis.threshold import Verdict, left_behind
from ctlint.analysis.whatif import WhatIf
from ctlint.finding import Role
from tests.unit.analysis.whatif_hosts import OPEN, asked, host, incident

SAFE, STRANDS, DEPENDS, UNTOLD, HARMLESS = Verdict


@pytest.fixture(scope="module")
def one() -> WhatIf:
    return incident()


@pytest.mark.parametrize(
    ("timeout", "idle", "share"),
    [
        (120, "119", 0),
        (120, "120", 1),
        (120, "15m", 1),
        (1200, "15m", 0),
        (1200, "1199", 0),
        (1200, "20m", 1),
        (432000, "20m", 0),
        (432000, "5d", 1),
        (120, "1s:50%,60s:40%,20m:10%", Fraction(1, 10)),
        (60, "1s:50%,60s:40%,20m:10%", Fraction(1, 2)),
        (120, "20m@60", 0),
        (120, "20m@120", 1),
        (120, "20m@60:90%,20m@off:10%", Fraction(1, 10)),
    ],
)
def test_silences_that_an_entry_does_not_outlast(
    one: WhatIf, timeout: int, idle: str, share: Fraction
) -> None:
    found = one.answer(asked(f"tcp_timeout_established={timeout}", idle=idle)).threshold(IDLE)
    assert (found.lifetime, found.share) == (timeout, share)
    assert found.verdict is (STRANDS if share else SAFE)


@pytest.mark.parametrize("timeout", [120, 1200, 432000])
def test_keepalives_that_come_sooner_make_any_timeout_safe(one: WhatIf, timeout: int) -> None:
    """tcp_keepalive_timer(): a probe after so many seconds; at the timeout it is late. Timers are
    an eighth late at most (kernel/time/timer.c).
    """
    sure = {120: 106, 1200: 1066, 432000: 383999}[timeout]  # a ninth less
    for time, verdict in (
        (sure, SAFE),
        (sure + 1, DEPENDS),
        (timeout - 1, DEPENDS),
        (timeout, STRANDS),
    ):
        question = asked(f"tcp_timeout_established={timeout}", idle="10d", keepalive=str(time))
        found = one.answer(question)
        assert found.threshold(IDLE).verdict is verdict
        assert found.strands is (verdict is STRANDS)


def test_keepalives_of_the_sysctls(one: WhatIf) -> None:
    settings = ("tcp_timeout_established=7200", "tcp_keepalive_time=7200")
    assert one.answer(asked(*settings, idle="1d", keepalive="sysctl")).strands
    settings = ("tcp_timeout_established=7201", "tcp_keepalive_time=7200")
    assert not one.answer(asked(*settings, idle="1d", keepalive="sysctl")).strands


def test_half_closed_connections_have_their_own_timeout(one: WhatIf) -> None:
    """tcp_conntracks: a FIN and its ACK lead to CLOSE_WAIT, 60 s."""
    found = one.answer(asked("tcp_timeout_established=432000", half_close="60")).threshold(
        HALF_CLOSED
    )
    assert (found.lifetime, found.verdict, found.safe_from) == (60, STRANDS, 61)
    assert one.answer(asked(half_close="59")).threshold(HALF_CLOSED).verdict is SAFE


@pytest.mark.parametrize(
    ("tried", "verdict"),
    [(25, STRANDS), (26, DEPENDS), (30, DEPENDS), (59, DEPENDS), (60, SAFE)],
)
def test_pauses_of_fins_are_a_range(one: WhatIf, tried: int, verdict: Verdict) -> None:
    found = one.answer(asked(f"tcp_timeout_last_ack={tried}")).threshold(LAST_FIN)
    assert found.verdict is verdict


def test_what_nobody_tells_is_open(one: WhatIf) -> None:
    answer = one.answer(asked())
    assert {each.phase: each.verdict for each in answer.thresholds if each.phase is IDLE} == {
        IDLE: UNTOLD
    }
    assert answer.threshold(SYN_SENT).verdict is UNTOLD
    assert answer.share is None
    assert not answer.strands


def test_rules_that_lose_nothing_are_harmless() -> None:
    answer = host(OPEN).answer(asked("tcp_timeout_established=10", idle="1d"))
    assert {one.verdict for one in answer.thresholds} == {HARMLESS}
    assert not answer.strands


def test_data_are_lost_where_nothing_picks_them_up(one: WhatIf) -> None:
    found = one.answer(asked("tcp_loose=0", "tcp_timeout_unacknowledged=100"))
    roles = {loss.role for loss in found.threshold(UNANSWERED).losses}
    assert roles == {Role.CLIENT, Role.SERVER, Role.LOOPBACK}


def test_what_stays_behind(one: WhatIf) -> None:
    """RFC 9293, section 3.6; measured on 6.18 and 5.10: 106.5 to 107.5 s."""
    answer = one.answer(asked())
    for phase, state in ((IDLE, "FIN_WAIT_1"), (HALF_CLOSED, "LAST_ACK")):
        lost = next(
            loss
            for loss in answer.threshold(phase).losses
            if loss.role is Role.CLIENT and loss.packet.sender.name == "ORIGINAL"
        )
        left = left_behind(phase, lost, answer.settings)
        assert left is not None
        assert (left.end, left.state) == ("local", state)
        assert left.seconds is not None
        assert left.at_most is not None
        assert left.seconds <= 107 <= left.at_most
    closing = answer.threshold(CLOSING).losses[0]
    assert left_behind(CLOSING, closing, answer.settings) is None


def test_a_syn_ack_without_an_entry_is_asked_of_the_rules(one: WhatIf) -> None:
    answer = one.answer(asked("tcp_timeout_syn_recv=16"))
    found = answer.threshold(SYN_RECV)
    assert found.verdict is STRANDS
    assert {loss.role for loss in found.losses} == {Role.CLIENT, Role.SERVER, Role.LOOPBACK}


def test_every_phase_is_answered(one: WhatIf) -> None:
    assert tuple(each.phase for each in one.answer(asked()).thresholds) == PHASES
