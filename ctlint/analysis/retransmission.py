# SPDX-License-Identifier: GPL-2.0-only
"""How long TCP itself is silent: the pauses between the repeats of a segment that nobody answers.

A timeout of conntrack that is not longer than such a pause loses the repeats behind it. The pause
depends on the first time-out, which depends on the round trip, so what is given is a range: from
the shortest first time-out to the longest, and as late as the kernel's timers may be.

Sources: net/ipv4/tcp_timer.c, retransmits_timed_out(), tcp_model_timeout(), tcp_out_of_resources(),
tcp_retransmit_timer(); include/net/tcp.h for TCP_RTO_MIN, TCP_RTO_MAX, TCP_TIMEOUT_INIT;
kernel/time/timer.c: a timer of the wheel is up to 12.5 % late. Measured on 5.10 and 6.18 (round
trips below 1 ms): the last two FINs of a closed socket 26.3 to 27.7 s apart.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from ctlint.model.endpoint.tcp_timer import tcp_model_timeout

RTO_MIN_MS: Final = 200
RTO_MAX_MS: Final = 120_000
DEFAULT_ORPHAN_RETRIES: Final = 8
"""What tcp_orphan_retries=0 means while the retransmission timer is below its maximum."""
LONGEST_FIRST_MS: Final = 1000
"""The longest first time-out that is looked at: round trips of up to 0.8 s."""

_MOST_TRIES: Final = 255
"""tcp_syn_retries, tcp_synack_retries and tcp_orphan_retries are bytes."""


class Pause(NamedTuple):
    """The longest pause between two repeats, in seconds: at least and at most."""

    least: int
    most: int


def model_timeout_ms(retries: int, rto_max_ms: int = RTO_MAX_MS) -> int:
    """For how long repeats go on, counted from the first one."""
    return tcp_model_timeout(retries, RTO_MIN_MS, rto_max_ms)


@cache
def pause_of_data(retries: int, rto_max_ms: int = RTO_MAX_MS, *, is_coarse: bool = True) -> Pause:
    """The longest pause between repeats that go on for tcp_retries2 or tcp_orphan_retries.
    ``is_coarse``: timers may be an eighth late.
    """
    limit = model_timeout_ms(retries, rto_max_ms)
    pauses = [_longest_pause(first, limit, rto_max_ms) for first in _FIRST]
    return _late(min(pauses), max(pauses), is_coarse=is_coarse)


_FIRST: Final = range(RTO_MIN_MS + 1, LONGEST_FIRST_MS + 1)
"""First time-outs in ms. At 200 ms exactly the last repeat comes as the time is over: no socket
does that, for the round trip counts."""


def _longest_pause(first: int, limit: int, rto_max_ms: int) -> int:
    rto = longest = first
    now = first  # of the first repeat, from which the time counts
    while True:
        rto = min(2 * rto, rto_max_ms)
        now += rto
        if now - first >= limit:
            return longest
        longest = rto


@cache
def pause_of_syn_ack(retries: int, initial_s: int, *, is_coarse: bool = True) -> Pause:
    """The longest pause between so many repeats of a SYN/ACK, the first after ``initial_s``."""
    tries = min(retries, _MOST_TRIES)
    longest = min(initial_s * 1000 << max(tries - 1, 0), RTO_MAX_MS)
    return _late(longest, longest, is_coarse=is_coarse)


def _late(least_ms: int, most_ms: int, *, is_coarse: bool) -> Pause:
    latest_ms = most_ms * 9 // 8 if is_coarse else most_ms
    return Pause(least_ms // 1000, -(-latest_ms // 1000))
