# SPDX-License-Identifier: GPL-2.0-only
"""Durations. Expected seconds: the kernel's formula as worked out in
Documentation/networking/ip-sysctl.rst (924.6 s for tcp_retries2=15), and what real sockets did.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.consequence import retry_bound


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
