# SPDX-License-Identifier: GPL-2.0-only
"""Sweeps find each edge, as asking every value does.

Who says what is right: the answers at all values themselves, which the tests of thresholds hold.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from ctlint.analysis.override import Override, sweep_of
from ctlint.analysis.phase import HALF_CLOSED, IDLE
from ctlint.analysis.threshold import Verdict
from ctlint.analysis.timeout_sweep import curves, played, sweep
from ctlint.analysis.whatif import Answer, Question, WhatIf
from ctlint.model.kernel.profiles import NEWEST
from tests.unit.analysis.whatif_hosts import asked, incident


@pytest.fixture(scope="module")
def one() -> WhatIf:
    return incident()


def verdicts(answer: Answer) -> list[tuple[object, ...]]:
    return [(each.phase.name, each.verdict, each.share) for each in answer.thresholds]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("tcp_timeout_established=50..150", asked(idle="60:50%,100:25%,149:25%")),
        ("tcp_timeout_established=1..80", asked(idle="1d", keepalive="40")),
        ("tcp_timeout_close_wait=1..100", asked(half_close="30:50%,70:50%")),
        ("tcp_timeout_last_ack=20..70", asked()),
        ("tcp_timeout_max_retrans=1..150", asked()),
        ("tcp_timeout_unacknowledged=100..140", asked("tcp_timeout_established=1d")),
        ("tcp_keepalive_time=100..130", asked(idle="110:50%,1d:50%", keepalive="sysctl")),
        ("tcp_orphan_retries=0..12", asked()),
        ("tcp_loose=0..1", asked()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_edge_is_found(one: WhatIf, text: str, question: Question) -> None:
    wanted = sweep_of(text, NEWEST)
    swept = sweep(one, question, wanted)
    assert swept.steps[0].low == wanted.low
    assert swept.steps[-1].high == wanted.high
    by_value = {}
    for step in swept.steps:
        for value in range(step.low, step.high + 1):
            by_value[value] = verdicts(step.at_low)
    for value in range(wanted.low, wanted.high + 1):
        tried = replace(question, overrides=(*question.overrides, Override(wanted.name, value)))
        assert by_value[value] == verdicts(one.answer(tried)), value


def test_the_threshold_is_an_edge_and_played_on_both_sides(one: WhatIf) -> None:
    wanted = sweep_of("tcp_timeout_established=10..432000", NEWEST)
    swept = sweep(one, asked(idle="15m"), wanted)
    found = [each for each in played(one, swept) if each[0].after.phase is IDLE]
    ((change, sides),) = found
    assert (change.at, change.before.verdict, change.after.verdict) == (
        901,
        Verdict.STRANDS,
        Verdict.SAFE,
    )
    assert sides is not None
    # The same silence, a timeout that is a second longer.
    for side, timeout in ((sides.beyond, 900), (sides.within, 901)):
        assert side.scenario["packets"][-1]["dt"] == 900
        assert list(side.scenario["sysctls"].values()) == [timeout]


def test_a_table_that_fills_is_an_edge(one: WhatIf) -> None:
    question = asked("nf_conntrack_max=5000", idle="1h")
    usage = replace(question.usage, rate=question.usage.idle[0].share * 2)
    swept = sweep(
        one, replace(question, usage=usage), sweep_of("tcp_timeout_time_wait=1..10000", NEWEST)
    )
    assert [step.at_low.occupancy and step.at_low.occupancy.is_full for step in swept.steps]


def test_curves_have_each_edge(one: WhatIf) -> None:
    question = asked(idle="60:50%,20m:50%", keepalive="10m")
    wanted = sweep_of("tcp_timeout_established=10..432000", NEWEST)
    by_value = {point.value: point.share for point in curves(one, question, wanted).points}
    # A minute, and ten minutes between keepalives.
    for value, share in ((60, 1), (61, Fraction(1, 2)), (600, Fraction(1, 2)), (601, 0)):
        assert by_value[value] == share
    for point in sweep(one, question, wanted).points:
        assert by_value[point.value] == point.share


def test_half_closed_is_told_apart(one: WhatIf) -> None:
    swept = sweep(one, asked(half_close="5m"), sweep_of("tcp_timeout_close_wait=1..1d", NEWEST))
    assert [change.at for change in swept.changes() if change.after.phase is HALF_CLOSED] == [301]
