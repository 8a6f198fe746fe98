# SPDX-License-Identifier: GPL-2.0-only
"""How long an entry lives in each phase.

Who says what is right: Documentation/networking/nf_conntrack-sysctl.rst for the defaults, which
kernels 5.10 to 7.3 print alike; nf_conntrack_tcp_packet() for the order in which caps apply. The
live kernel is asked in tests/kernel/test_phases.py.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.override import override, replaced
from ctlint.analysis.phase import (
    CLOSED,
    CLOSING,
    HALF_CLOSED,
    IDLE,
    LAST_FIN,
    PHASES,
    REPEATED,
    SYN_RECV,
    SYN_SENT,
    UNANSWERED,
    WINDOW_SHUT,
    Phase,
    lifetime,
    setters,
)
from ctlint.analysis.settings import Settings
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import NEWEST, all_profiles, profile


def settings(*tried: str, kernel: str = NEWEST.name) -> Settings:
    chosen = profile(kernel)
    return replaced(Settings(SysctlSet(()), chosen), tuple(override(one, chosen) for one in tried))


@pytest.mark.parametrize(
    ("phase", "seconds", "setter"),
    [
        (IDLE, 432000, "established"),
        (HALF_CLOSED, 60, "close_wait"),
        (UNANSWERED, 300, "unacknowledged"),
        (REPEATED, 300, "max_retrans"),
        (WINDOW_SHUT, 300, "max_retrans"),
        (CLOSING, 120, "fin_wait"),
        (LAST_FIN, 30, "last_ack"),
        (CLOSED, 120, "time_wait"),
        (SYN_SENT, 120, "syn_sent"),
        (SYN_RECV, 60, "syn_recv"),
    ],
    ids=lambda value: value.name if isinstance(value, Phase) else None,
)
def test_by_default(phase: Phase, seconds: int, setter: str) -> None:
    assert lifetime(phase, settings()) == seconds
    assert setters(phase, settings()) == (f"net.netfilter.nf_conntrack_tcp_timeout_{setter}",)


def test_a_shut_window_lowers_the_timeout_since_4_15() -> None:
    """Feature ZERO_WINDOW_TIMEOUT."""
    assert lifetime(WINDOW_SHUT, settings(kernel="4.14")) == 432000
    assert lifetime(WINDOW_SHUT, settings(kernel="4.15")) == 300


def test_caps_lower_and_never_raise() -> None:
    tried = settings("tcp_timeout_established=100")
    for phase in (IDLE, UNANSWERED, REPEATED, WINDOW_SHUT):
        assert lifetime(phase, tried) == 100
        assert setters(phase, tried) == ("net.netfilter.nf_conntrack_tcp_timeout_established",)


def test_without_a_window_seen_max_retrans_caps_the_handshake() -> None:
    """`last_win` is 0 until an ACK has set it: the cap of a shut window holds for a SYN/ACK."""
    tried = settings("tcp_timeout_max_retrans=20")
    assert lifetime(SYN_RECV, tried) == 20
    assert setters(SYN_RECV, tried) == ("net.netfilter.nf_conntrack_tcp_timeout_max_retrans",)
    assert lifetime(SYN_RECV, settings("tcp_timeout_max_retrans=20", kernel="4.14")) == 60


def test_a_timeout_of_nothing_ends_at_once() -> None:
    assert lifetime(IDLE, settings("tcp_timeout_established=0")) == 0
    assert lifetime(LAST_FIN, settings("tcp_timeout_last_ack=0")) == 0


@pytest.mark.parametrize("value", ["9" * 19, "3000000000"])
def test_values_that_no_kernel_takes_are_cut(value: str) -> None:
    tried = settings().replaced("net.netfilter.nf_conntrack_tcp_timeout_established", int(value))
    assert lifetime(IDLE, tried) == (2**31 - 1) // 100


@pytest.mark.parametrize("kernel", all_profiles(), ids=lambda kernel: kernel.name)
def test_every_kernel_has_every_phase(kernel: object) -> None:
    for phase in PHASES:
        assert lifetime(phase, settings(kernel=getattr(kernel, "name", ""))) > 0
