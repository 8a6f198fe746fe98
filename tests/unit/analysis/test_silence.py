# SPDX-License-Identifier: GPL-2.0-only
"""What is told of connections, in words.

Who says what is right: docs/whatif.md for the words; tcp(7) for keepalives; include/net/tcp.h,
MAX_TCP_KEEPCNT, for 127 probes.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from ctlint.analysis.circumstances import FactError
from ctlint.analysis.settings import Settings
from ctlint.analysis.silence import (
    Keepalive,
    Share,
    between_packets,
    keepalive_of,
    percent,
    rate_of,
    share_from,
    silences,
)
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import profile

HALF = Fraction(1, 2)


def test_a_duration_is_that_of_all() -> None:
    assert silences("idle", "15m") == (Share(900, Fraction(1)),)


def test_a_distribution_is_sorted_and_exact() -> None:
    told = silences("idle", "20m:10%,1s:49.9%,60:40.1%")
    assert [one.seconds for one in told] == [1, 60, 1200]
    assert sum(one.share for one in told) == 1
    assert told[1].share == Fraction(401, 1000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1s:50%",
        "1s:50%,2s:51%",
        "1s:50%,1:50%",
        "1s,2s",
        "x:100%",
        "1s:100",
        "1s:-5%",
        "1s:1e2%",
        "0:100%",
        "9999999999d",
        ",".join(f"{n + 1}:1%" for n in range(101)),
    ],
)
def test_what_is_no_distribution(text: str) -> None:
    with pytest.raises(FactError):
        silences("idle", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", None),
        ("sysctl", Keepalive()),
        ("60", Keepalive(60)),
        ("2h/75", Keepalive(7200, 75)),
        ("30/10/3", Keepalive(30, 10, 3)),
        ("30/10/127", Keepalive(30, 10, 127)),
    ],
)
def test_keepalives(text: str, expected: Keepalive | None) -> None:
    assert keepalive_of(text) == expected


@pytest.mark.parametrize("text", ["", "0", "30/10/0", "30/10/128", "30/10/3/1", "30/x", "on"])
def test_what_is_no_keepalive(text: str) -> None:
    with pytest.raises(FactError):
        keepalive_of(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "1e3", "10000001", "", "1/2"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(FactError):
        rate_of(text)


def test_numbers_are_exact() -> None:
    assert rate_of("0.1") == Fraction(1, 10)
    assert percent("vanish", "0.1%") == Fraction(1, 1000)
    with pytest.raises(FactError):
        percent("vanish", "100.1%")


SETTINGS = Settings(SysctlSet(()), profile("4.7"))
"""Of a kernel whose timers are in time."""


def test_a_probe_ends_the_silence() -> None:
    told = silences("idle", "1s:50%,60s:25%,20m:25%")
    assert between_packets(told, Keepalive(30), SETTINGS) == (Share(1, HALF), Share(30, HALF))
    assert between_packets(told, None, SETTINGS) == told


def test_programs_may_have_keepalives_of_their_own() -> None:
    told = silences("idle", "20m@60/10/3:25%,20m@off:25%,20m:50%")
    assert between_packets(told, Keepalive(300), SETTINGS) == (
        Share(60, HALF / 2),
        Share(300, HALF),
        Share(1200, HALF / 2),
    )
    assert silences("idle", "20m@sysctl")[0].keepalive == Keepalive()
    for text in ("20m@60:50%,20m@60:50%", "20m@", "20m@0", "@60"):
        with pytest.raises(FactError):
            silences("idle", text)


def test_an_entry_is_gone_at_the_second_of_its_timeout() -> None:
    """nf_ct_is_expired(): not behind it."""
    told = silences("idle", "1s:50%,60s:50%")
    assert share_from(told, 60) == HALF
    assert share_from(told, 61) == 0
