# SPDX-License-Identifier: GPL-2.0-only
"""Settings of a host's TCP: defaults by kernel, and sysctls.

Source: shared kernel-facts, by-version.md 7.2; ip-sysctl.rst.
"""

from __future__ import annotations

import pytest

from ctlint.model.endpoint.settings import read_end_settings
from ctlint.model.kernel.profiles import all_profiles, profile


@pytest.mark.parametrize(
    ("kernel", "field", "value"),
    [
        ("3.6", "syn_retries", 5),
        ("3.7", "syn_retries", 6),
        ("6.4", "syn_linear_timeouts", 0),
        ("6.5", "syn_linear_timeouts", 4),
        ("5.3", "somaxconn", 128),
        ("5.4", "somaxconn", 4096),
        ("4.18", "tw_reuse", 0),
        ("4.19", "tw_reuse", 2),
        ("3.5", "challenge_ack_limit", None),
        ("3.6", "challenge_ack_limit", 100),
        ("4.7", "challenge_ack_limit", 1000),
        ("6.1", "challenge_ack_limit", 2**31 - 1),
        ("6.18", "retries2", 15),
        ("6.18", "orphan_retries", 0),
        ("6.18", "fin_timeout", 60),
        ("6.18", "keepalive_time", 7200),
        ("6.18", "keepalive_intvl", 75),
        ("6.18", "keepalive_probes", 9),
        ("6.18", "rto_max_ms", 120_000),
        ("3.10", "rto_max_ms", 120_000),
        ("6.18", "max_orphans", None),
    ],
)
def test_defaults(kernel: str, field: str, value: int | None) -> None:
    assert getattr(read_end_settings(profile(kernel), {}), field) == value


def test_a_sysctl_that_the_kernel_lacks_is_without_effect() -> None:
    recycle = {"net.ipv4.tcp_tw_recycle": 1}
    assert read_end_settings(profile("4.11"), recycle).tw_recycle
    assert not read_end_settings(profile("4.12"), recycle).tw_recycle


def test_every_kernel_has_settings() -> None:
    for kernel in all_profiles():
        assert read_end_settings(kernel, {}).fin_timeout == 60


def test_the_range_of_ports_is_given_beside_the_sysctls() -> None:
    assert read_end_settings(profile("6.1"), {}, (1024, 2000)).local_ports == (1024, 2000)
