# SPDX-License-Identifier: GPL-2.0-only
"""The pauses between repeats.

Who says what is right: net/ipv4/tcp_timer.c; the times of FINs as measured with real sockets on
5.10 and 6.18, where the last two are 26.3 to 27.8 s apart (tcp_orphan_retries 0) and 0.8 to 1.7 s
(tcp_orphan_retries 3); ip-sysctl.rst: tcp_retries2 = 15 is 924.6 s, tcp_synack_retries = 5 has the
last repeat at 31 s.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.retransmission import (
    Pause,
    model_timeout_ms,
    pause_of_data,
    pause_of_syn_ack,
)


@pytest.mark.parametrize(("retries", "ms"), [(3, 3_000), (8, 102_200), (15, 924_600)])
def test_how_long_repeats_go_on(retries: int, ms: int) -> None:
    assert model_timeout_ms(retries) == ms


@pytest.mark.parametrize(("retries", "measured"), [(8, (26.32, 27.75)), (3, (0.83, 1.67))])
def test_the_pause_holds_what_was_measured(retries: int, measured: tuple[float, float]) -> None:
    least, most = pause_of_data(retries)
    assert least <= measured[0]
    assert measured[1] <= most


def test_the_time_out_is_capped() -> None:
    """TCP_RTO_MAX, and an eighth for the timer wheel."""
    assert pause_of_data(15) == Pause(120, 135)
    assert pause_of_data(15, rto_max_ms=30_000) == Pause(30, 34)


@pytest.mark.parametrize(
    ("retries", "initial", "least"), [(5, 1, 16), (5, 3, 48), (0, 1, 1), (255, 1, 120)]
)
def test_pauses_of_syn_acks(retries: int, initial: int, least: int) -> None:
    assert pause_of_syn_ack(retries, initial).least == least


@pytest.mark.parametrize("retries", [0, 1, 2, 255, 10**18])
def test_every_number_ends(retries: int) -> None:
    least, most = pause_of_data(min(retries, 255))
    assert 0 <= least <= most
