# SPDX-License-Identifier: GPL-2.0-only
"""The incident I1, asked what if; and that each threshold is played on both of its sides.

Who says what is right: an entry lives exactly its timeout since the last packet
(nf_ct_is_expired()); a keepalive comes after tcp_keepalive_time of silence (tcp(7)).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from ctlint.analysis.both_sides import Stage
from ctlint.analysis.fault import AnalysisFault
from ctlint.analysis.phase import IDLE
from ctlint.analysis.whatif import WhatIf
from ctlint.analysis.witness import Witnesses
from ctlint.model.kernel.profiles import NEWEST
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json
from tests.unit.analysis.whatif_hosts import asked, host, incident


@pytest.fixture(scope="module")
def one() -> WhatIf:
    return incident()


def last_answer(scenario: object) -> tuple[str | None, bool | None]:
    assert isinstance(scenario, dict)
    read = scenario_from_json(scenario)
    player = Player(read, NEWEST)
    answer = [player.step(step) for step in read.steps][-1]
    return getattr(answer, "ctstate", None), getattr(answer, "delivered", None)


def test_the_threshold_of_the_incident_is_120_s(one: WhatIf) -> None:
    answer = one.answer(asked(idle="15m"))
    idle = answer.threshold(IDLE)
    assert (idle.lifetime, idle.safe_from) == (120, 901)
    assert idle.share == 1
    assert answer.strands


def test_1200_s_merely_move_it(one: WhatIf) -> None:
    by_value = {
        idle: {each.value: each.share for each in one.answer(asked(idle=idle)).alternatives}
        for idle in ("15m", "20m", "5d")
    }
    assert [by_value["15m"][value] for value in (120, 1200, 432000)] == [1, 0, 0]
    assert [by_value["20m"][value] for value in (120, 1200, 432000)] == [1, 1, 0]
    assert [by_value["5d"][value] for value in (120, 1200, 432000)] == [1, 1, 1]


@pytest.mark.parametrize("timeout", [120, 1200, 432000])
def test_keepalives_below_each_timeout_make_it_safe(one: WhatIf, timeout: int) -> None:
    answer = one.answer(asked(idle="10d"))
    (each,) = (each for each in answer.alternatives if each.value == timeout)
    assert each.lifetime == timeout
    sure = {120: 106, 1200: 1066, 432000: 383999}[timeout]  # an eighth late is in time
    assert each.keepalive_sure == sure
    # tcp_keepalive_intvl is 75: the next probe must come before the timeout too.
    assert each.keepalive_most == sure - 75
    sides = one.keepalives(answer, each)
    assert sides is not None
    packets = sides.within.scenario["packets"]
    assert [packet.get("dt", 0) for packet in packets[3:]] == [timeout - 1, 0] * 2 + [timeout - 1]
    assert last_answer(sides.within.scenario) == ("ESTABLISHED", True)
    assert sides.beyond.scenario["packets"][-1]["dt"] == timeout
    assert last_answer(sides.beyond.scenario)[0] == "NEW"


def test_kernels_without_a_coarse_timer_wheel_are_in_time(one: WhatIf) -> None:
    """Before 4.8 a timer goes off when it is due."""
    (each, *_) = one.answer(asked(kernel="4.7")).alternatives
    assert (each.lifetime, each.keepalive_sure) == (120, 119)


def test_every_loss_is_played_on_both_sides(one: WhatIf) -> None:
    answer = one.answer(asked())
    shown = one.shown(answer)
    assert shown
    for each in shown:
        assert each.sides is not None
        seconds = each.threshold.lifetime
        for side, wait, arrives in (
            (each.sides.within, seconds - 1, True),
            (each.sides.beyond, seconds, False),
        ):
            assert side.scenario["packets"][-1]["dt"] == wait
            assert side.expect[-1]["delivered"] is arrives
            assert last_answer(side.scenario) == (side.expect[-1]["ctstate"], arrives)


def test_a_wrong_threshold_is_a_fault(one: WhatIf) -> None:
    answer = one.answer(asked())
    idle = answer.threshold(IDLE)
    loss = idle.losses[0]
    stage = Stage(loss.chains, Witnesses(loss.chains, answer.settings), answer.settings)
    for wrong in (idle.lifetime - 1, idle.lifetime + 1):
        with pytest.raises(AnalysisFault):
            stage.both_sides(replace(idle, lifetime=wrong), loss)


def test_settings_that_are_tried_win_over_the_hosts(one: WhatIf) -> None:
    assert one.answer(asked("tcp_timeout_established=1200")).threshold(IDLE).lifetime == 1200
    assert one.answer(asked()).threshold(IDLE).lifetime == 120


def test_be_liberal_does_not_help_what_has_no_entry(one: WhatIf) -> None:
    answer = one.answer(asked("tcp_be_liberal=1", idle="15m"))
    assert answer.share == 1
    assert all(each.sides is not None for each in one.shown(answer))


def test_what_undecided_matches_leave_open_is_no_fault() -> None:
    rules = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -m limit --limit 1/sec -j ACCEPT
-A OUTPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
"""
    asking = host(rules)
    answer = asking.answer(asked(idle="6d"))
    assert answer.share == Fraction(0)
    assert answer.undecided
    asking.shown(answer)


def test_translated_connections_are_played_too() -> None:
    rules = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o wan0 -j SNAT --to-source 198.51.100.1
COMMIT
"""
    asking = host(rules, "net.netfilter.nf_conntrack_tcp_timeout_established = 300\n")
    answer = asking.answer(asked(idle="5m"))
    assert answer.share == 1
    assert any(each.sides is not None for each in asking.shown(answer))


def test_an_entry_that_ends_at_once_has_no_witness() -> None:
    """The SYN/ACK already finds no entry: there is no phase to be in."""
    asking = incident()
    answer = asking.answer(asked("tcp_timeout_syn_sent=0", idle="15m"))
    assert {one.sides for one in asking.shown(answer)} == {None}
    assert [asking.keepalives(answer, each) for each in answer.alternatives] == [None] * 4
