# SPDX-License-Identifier: GPL-2.0-only
"""How long a socket goes on. Expected are what real sockets did, with round trips below a
millisecond, and the bounds of the kernel's formula (Documentation/networking/ip-sysctl.rst: 924.6 s
for tcp_retries2=15).
"""

from __future__ import annotations

import pytest

from ctlint.analysis.lasting import (
    Lasting,
    of_close,
    of_connect,
    of_data,
    rest_of_close,
    rest_of_connect,
)
from ctlint.model.endpoint.settings import EndSettings, read_end_settings
from ctlint.model.kernel.profiles import profile


def ends(kernel: str, **sysctls: int) -> EndSettings:
    given = {f"net.ipv4.{name}": value for name, value in sysctls.items()}
    return read_end_settings(profile(kernel), given)


@pytest.mark.parametrize("kernel", ["5.10", "6.18"])
@pytest.mark.parametrize(
    ("retries", "is_refused", "shortest", "longest"),
    [
        (0, True, 106.1, 107.5),
        (0, False, 106.3, 110.4),
        (3, True, 3.1, 3.4),
        (3, False, 6.6, 6.9),
    ],
)
def test_a_closed_socket(
    kernel: str, retries: int, is_refused: bool, shortest: float, longest: float
) -> None:
    given = ends(kernel, tcp_orphan_retries=retries)
    found = of_close(profile(kernel), given, is_refused=is_refused)
    assert found is not None
    assert found.least <= shortest
    assert found.most >= longest
    # With a round trip of 0.2 s each timeout is at most some 2.5 times as long.
    assert found.most < 3 * longest


def test_an_open_socket_whose_data_nobody_acknowledges() -> None:
    kernel = profile("6.18")
    # Measured: 6.8 s and 107.4 s.
    for retries, seconds in ((3, 6.8), (8, 107.4), (15, 924.6)):
        found = of_data(kernel, ends("6.18", tcp_retries2=retries))
        assert found is not None
        assert found.least <= seconds * 1.05
        assert found.most >= seconds


@pytest.mark.parametrize(
    ("kernel", "retries", "seconds"), [("6.18", 6, 134.8), ("6.18", 2, 7.1), ("6.1", 6, 129.5)]
)
def test_connect(kernel: str, retries: int, seconds: float) -> None:
    found = of_connect(profile(kernel), ends(kernel, tcp_syn_retries=retries))
    assert found is not None
    assert found.least <= seconds <= found.most


def test_no_end_is_in_sight_after_many_retries() -> None:
    kernel = profile("6.18")
    assert of_data(kernel, ends("6.18", tcp_retries2=10**9)) is None


def test_a_range_begins_with_its_least() -> None:
    found = of_close(profile("6.18"), ends("6.18"), is_refused=False)
    assert isinstance(found, Lasting)
    assert found.least <= found.most


@pytest.mark.parametrize("counted", range(7))
def test_rest_of_connect(counted: int) -> None:
    """Documentation/networking/ip-sysctl.rst: with 6 retries of the SYN and an initial timeout of a
    second, connect() gives up after 127 s: 1, 2, 4 … 64 s behind each other. The timer wheel makes
    each later by up to an eighth.
    """
    kernel = profile("5.10")
    rest = rest_of_connect(kernel, read_end_settings(kernel, {}), counted)
    assert rest is not None
    left = 127 - (2 ** (counted + 1) - 1)
    assert left <= rest.least <= rest.most <= left * 9 / 8 + 9


def test_rest_of_a_close_that_output_refuses() -> None:
    """tcp_orphan_retries 3: a real socket on 6.18 probed after 0.2, 0.6 and 1.4 s, and was gone
    3.4 s behind close(), when its fourth timer went off.
    """
    kernel = profile("6.18")
    settings = read_end_settings(kernel, {"net.ipv4.tcp_orphan_retries": 3})
    rests = [rest_of_close(kernel, settings, n, 57, is_refused=True) for n in range(5)]
    assert rests[4] is None
    for rest, begun in zip(rests[:4], (0.2, 0.6, 1.4, 3.1), strict=True):
        assert rest is not None
        assert rest.least <= 3.4 - begun + 0.5
        assert rest.most >= 3.4 - begun - 0.5
