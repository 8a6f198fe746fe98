# SPDX-License-Identifier: GPL-2.0-only
"""Settings that are tried, in words.

Who says what is right: docs/whatif.md; the kernel's ranges.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.circumstances import FactError
from ctlint.analysis.override import Override, Sweep, override, sweep_of
from ctlint.model.kernel.profiles import NEWEST, profile

NAME = "net.netfilter.nf_conntrack_tcp_timeout_established"


@pytest.mark.parametrize(
    "text",
    [
        "tcp_timeout_established=120",
        "nf_conntrack_tcp_timeout_established=2m",
        f"{NAME}=120s",
        "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established=0120",
    ],
)
def test_names_and_seconds(text: str) -> None:
    assert override(text, NEWEST) == Override(NAME, 120)


@pytest.mark.parametrize(
    "text",
    [
        "tcp_timeout_established",
        "tcp_timeout_established=",
        "tcp_timeout_established=-1",
        "tcp_timeout_established=soon",
        "tcp_timeout_established=21474837",  # INT_MAX jiffies at 100 a second
        "tcp_timeout_established=" + "9" * 5000,
        "tcp_loose=2",
        "tcp_orphan_retries=256",
        "tcp_orphan_retries=1s",
        "no_such_thing=1",
        "tcp_timeout_established=\u0663",
    ],
)
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(FactError):
        override(text, NEWEST)


def test_a_kernel_takes_what_it_has() -> None:
    assert override("tcp_ignore_invalid_rst=1", profile("5.14")).value == 1
    with pytest.raises(FactError, match="has no sysctl"):
        override("tcp_ignore_invalid_rst=1", profile("5.13"))


def test_ranges() -> None:
    assert sweep_of("tcp_timeout_established=10..5d", NEWEST) == Sweep(NAME, 10, 432000)
    for text in ("tcp_loose=1", "tcp_loose=1..0", "tcp_loose=0..0", "tcp_loose=..1", "=1..2"):
        with pytest.raises(FactError):
            sweep_of(text, NEWEST)
