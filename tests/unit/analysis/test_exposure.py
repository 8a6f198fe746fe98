# SPDX-License-Identifier: GPL-2.0-only
"""Severity by timeouts and by what is told of the connections.

Who says what is right: an entry is gone at the second of its timeout (nf_ct_is_expired()); RFC
5382, REQ-5, for 7440 s; tcp_conntracks for the state of a half-closed connection, CLOSE_WAIT.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.circumstances import circumstances
from ctlint.analysis.exposure import Exposure, exposure
from ctlint.analysis.settings import BadSettingError, Settings
from ctlint.finding import Severity
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.model.kernel.profiles import NEWEST, profile
from ctlint.parse.sysctl import parse_sysctl

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


def settings(text: str, kernel: str = NEWEST.name) -> Settings:
    return Settings(SysctlSet((SysctlRun((parse_sysctl(text, "sysctl"),)),)), profile(kernel))


def judged(established: int, *facts: str, sysctls: str = "") -> Exposure:
    text = f"net.netfilter.nf_conntrack_tcp_timeout_established = {established}\n{sysctls}"
    told = [fact.partition("=") for fact in facts]
    return exposure(settings(text), circumstances([(key, value) for key, _, value in told]))


@pytest.mark.parametrize(
    ("established", "keepalive", "severity"),
    [
        (120, 7200, ERROR),
        (1199, 60, ERROR),
        (1200, 7200, WARNING),
        (7440, 7200, WARNING),
        (7441, 7200, NOTE),
        (86400, 86400, WARNING),
        (432000, 7200, NOTE),
    ],
)
def test_severity_by_timeout(established: int, keepalive: int, severity: Severity) -> None:
    sysctls = f"net.ipv4.tcp_keepalive_time = {keepalive}\n"
    assert judged(established, sysctls=sysctls).severity is severity


def test_without_settings_the_kernels_defaults_hold() -> None:
    assert exposure(settings("")).severity is NOTE


def test_the_older_name_counts_on_a_kernel_that_has_it() -> None:
    text = "net.ipv4.netfilter.ip_conntrack_tcp_timeout_established = 120\n"
    assert exposure(settings(text, "rhel7")).severity is ERROR
    assert exposure(settings(text, "6.1")).severity is NOTE


@pytest.mark.parametrize("value", ["soon", "-5", "9" * 5000, "1 2", "\u0663"])
def test_a_value_that_is_no_number_is_an_error_with_its_place(value: str) -> None:
    with pytest.raises(BadSettingError) as caught:
        exposure(settings(f"\nnet.netfilter.nf_conntrack_tcp_timeout_established = {value}\n"))
    assert caught.value.setting.span.line == 2


GONE = "an entry is forgotten after {} s without a packet"
LIVES = "an entry lives for {} s without a packet and {}, so this needs a flush, a failover or a "
RENEWS = "a keepalive comes after 30 s of silence"
HIDDEN = "; packets that are offloaded need not renew it, so it can go from a busy connection"


@pytest.mark.parametrize(
    ("established", "facts", "severity", "reason"),
    [
        # Packets come in time.
        (120, "keepalive=30", NOTE, LIVES.format(120, RENEWS) + "full table"),
        (31, "keepalive=30", NOTE, LIVES.format(31, RENEWS) + "full table"),
        (432000, "keepalive=30", NOTE, LIVES.format(432000, RENEWS) + "full table"),
        (
            432000,
            "idle=10m",
            NOTE,
            LIVES.format(432000, "connections are silent for at most 600 s") + "full table",
        ),
        (
            601,
            "idle=10m",
            NOTE,
            LIVES.format(601, "connections are silent for at most 600 s") + "full table",
        ),
        (120, "keepalive=30 idle=10m", NOTE, LIVES.format(120, RENEWS) + "full table"),
        (
            120,
            "keepalive=10m idle=30",
            NOTE,
            LIVES.format(120, "connections are silent for at most 30 s") + "full table",
        ),
        # They do not.
        (300, "idle=10m", ERROR, GONE.format(300) + ", connections are silent for up to 600 s"),
        (600, "idle=10m", ERROR, GONE.format(600) + ", connections are silent for up to 600 s"),
        (
            86400,
            "idle=2d",
            ERROR,
            GONE.format(86400) + ", connections are silent for up to 172800 s",
        ),
        (
            300,
            "idle=1h keepalive=10m",
            ERROR,
            GONE.format(300) + ", connections are silent for up to 600 s",
        ),
        (
            300,
            "idle=10m keepalive=off",
            ERROR,
            GONE.format(300) + ", connections are silent for up to 600 s",
        ),
        # Keepalives come too late, and how long connections are silent is not told.
        (
            30,
            "keepalive=30",
            ERROR,
            GONE.format(30) + ", a keepalive comes only after 30 s of silence",
        ),
        (
            1200,
            "keepalive=2h",
            WARNING,
            GONE.format(1200) + ", a keepalive comes only after 7200 s of silence",
        ),
        (
            86400,
            "keepalive=5d",
            WARNING,
            GONE.format(86400) + ", a keepalive comes only after 432000 s of silence",
        ),
        # None comes: tcp_keepalive_time (7200 s) says nothing.
        (120, "keepalive=off", ERROR, GONE.format(120)),
        (1200, "keepalive=off", WARNING, GONE.format(1200)),
        (7440, "keepalive=off", WARNING, GONE.format(7440)),
        (
            432000,
            "keepalive=off",
            NOTE,
            "an idle entry lives for 432000 s and no keepalive renews it, so this needs a flush, "
            "a failover, a full table or a longer pause",
        ),
        # What renews the entry may pass where conntrack does not see it.
        (
            120,
            "keepalive=30 offload=yes",
            WARNING,
            "an entry is forgotten after 120 s in which conntrack sees no packet; "
            + RENEWS
            + HIDDEN,
        ),
        (
            432000,
            "keepalive=30 offload=yes",
            NOTE,
            "an entry is forgotten after 432000 s in which conntrack sees no packet; "
            + RENEWS
            + HIDDEN,
        ),
        (120, "keepalive=30 offload=no", NOTE, LIVES.format(120, RENEWS) + "full table"),
        (
            300,
            "idle=10m offload=yes",
            ERROR,
            GONE.format(300) + ", connections are silent for up to 600 s" + HIDDEN,
        ),
        (120, "offload=yes", ERROR, GONE.format(120) + HIDDEN),
        (120, "offload=no", ERROR, GONE.format(120)),
        (
            432000,
            "offload=yes",
            NOTE,
            "an idle entry lives for 432000 s, so this needs a flush, a failover, a full table or "
            "a longer pause" + HIDDEN,
        ),
    ],
)
def test_severity_by_what_is_told(
    established: int, facts: str, severity: Severity, reason: str
) -> None:
    assert judged(established, *facts.split()) == (severity, reason)


HALF = (
    "once one end has closed, an entry is forgotten after {} s without a packet, "
    "half-closed connections are silent for up to {} s"
)
CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait = {}\n"


@pytest.mark.parametrize(
    ("established", "close_wait", "facts", "severity", "reason"),
    [
        # The default of the timeout is 60 s.
        (432000, None, "half-close=90", ERROR, HALF.format(60, 90)),
        (432000, None, "half-close=60", ERROR, HALF.format(60, 60)),
        (120, None, "half-close=90 keepalive=30", ERROR, HALF.format(60, 90)),
        (432000, 30, "half-close=45", ERROR, HALF.format(30, 45)),
        (1200, 30, "half-close=45", ERROR, HALF.format(30, 45)),
        (
            120,
            None,
            "half-close=90 idle=10m",
            ERROR,
            GONE.format(120) + ", connections are silent for up to 600 s; " + HALF.format(60, 90),
        ),
        # It lives long enough.
        (120, 3600, "half-close=90 keepalive=30", NOTE, LIVES.format(120, RENEWS) + "full table"),
        (120, 91, "half-close=90", ERROR, GONE.format(120)),
    ],
)
def test_severity_of_half_closed_connections(
    established: int, close_wait: int | None, facts: str, severity: Severity, reason: str
) -> None:
    sysctls = "" if close_wait is None else CLOSE_WAIT.format(close_wait)
    assert judged(established, *facts.split(), sysctls=sysctls) == (severity, reason)
