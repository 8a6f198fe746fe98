# SPDX-License-Identifier: GPL-2.0-only
"""Durations and severities. Expected seconds: the kernel's formula as worked out in
Documentation/networking/ip-sysctl.rst (924.6 s for tcp_retries2=15), and what real sockets did.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.consequence import exposure, retry_bound
from ctlint.analysis.settings import BadSettingError, Settings
from ctlint.finding import Severity
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.model.kernel.profiles import NEWEST, profile
from ctlint.parse.sysctl import parse_sysctl


def settings(text: str, kernel: str = NEWEST.name) -> Settings:
    return Settings(SysctlSet((SysctlRun((parse_sysctl(text, "sysctl"),)),)), profile(kernel))


@pytest.mark.parametrize(
    ("retries", "seconds"),
    [
        (1, 0),  # 0.6 s
        (2, 1),  # 1.4 s
        (3, 3),  # 3.0 s; measured 3.1 to 3.4 s with tcp_orphan_retries=3
        (8, 102),  # 102.2 s; measured 106 to 110 s
        (15, 924),  # 924.6 s
    ],
)
def test_how_long_tcp_retries(retries: int, seconds: int) -> None:
    assert retry_bound(retries) == seconds


@pytest.mark.parametrize(
    ("established", "keepalive", "severity"),
    [
        (120, 7200, Severity.ERROR),
        (1199, 60, Severity.ERROR),
        (1200, 7200, Severity.WARNING),
        (7440, 7200, Severity.WARNING),
        (7441, 7200, Severity.NOTE),
        (86400, 86400, Severity.WARNING),
        (432000, 7200, Severity.NOTE),
    ],
)
def test_severity_by_timeout(established: int, keepalive: int, severity: Severity) -> None:
    given = settings(
        f"net.netfilter.nf_conntrack_tcp_timeout_established = {established}\n"
        f"net.ipv4.tcp_keepalive_time = {keepalive}\n"
    )
    assert exposure(given).severity is severity


def test_without_settings_the_kernels_defaults_hold() -> None:
    assert exposure(settings("")).severity is Severity.NOTE


def test_the_older_name_counts_on_a_kernel_that_has_it() -> None:
    text = "net.ipv4.netfilter.ip_conntrack_tcp_timeout_established = 120\n"
    assert exposure(settings(text, "rhel7")).severity is Severity.ERROR
    assert exposure(settings(text, "6.1")).severity is Severity.NOTE


@pytest.mark.parametrize("value", ["soon", "-5", "9" * 5000, "1 2", "\u0663"])
def test_a_value_that_is_no_number_is_an_error_with_its_place(value: str) -> None:
    with pytest.raises(BadSettingError) as caught:
        exposure(settings(f"\nnet.netfilter.nf_conntrack_tcp_timeout_established = {value}\n"))
    assert caught.value.setting.span.line == 2
