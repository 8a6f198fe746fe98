# SPDX-License-Identifier: GPL-2.0-only
"""The life of one connection of the incident's host.

Who says what is right: FIN_WAIT_1 and the times of FINs as measured with real sockets: refused in
the own OUTPUT, 9 FINs and 106 to 110 s; with an entry both ends close, TIME_WAIT lasts 60 s.
"""

from __future__ import annotations

import pytest

from ctlint.analysis.life import Life, life
from ctlint.analysis.phase import IDLE
from ctlint.analysis.silence import Keepalive
from ctlint.analysis.whatif import WhatIf
from ctlint.finding import Role
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.world.bounds import Why
from ctlint.model.world.chronicle import Fate, Rung
from ctlint.report.life_lines import ladder_lines, socket_lines
from ctlint.wire.moments import SECOND
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.analysis.whatif_hosts import asked, incident


@pytest.fixture(scope="module")
def one() -> WhatIf:
    return incident()


def lived(
    one: WhatIf, idle: int, keepalive: Keepalive | None = None, role: Role = Role.CLIENT
) -> Life:
    answer = one.answer(asked())
    loss = next(loss for loss in answer.threshold(IDLE).losses if loss.role is role)
    return life(loss.chains, loss.connection, answer.settings, idle, keepalive)


def fins(found: Life) -> list[Rung]:
    return [
        event
        for event in found.events
        if isinstance(event, Rung) and (event.packet.flags or TcpFlags(0)) & TcpFlags.FIN
    ]


@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
def test_behind_the_timeout_the_fin_is_never_sent(one: WhatIf, role: Role) -> None:
    found = lived(one, 120, role=role)
    assert len(fins(found)) == 9
    assert {rung.fate for rung in fins(found)} == {Fate.REFUSED}
    assert found.closed_at is not None
    assert 106 * SECOND <= found.ending.at - found.closed_at <= 110 * SECOND
    home = 0 if role is Role.CLIENT else 1
    assert found.states[home] is None
    assert found.states[1 - home] is TcpState.ESTABLISHED


def test_a_second_before_both_ends_close(one: WhatIf) -> None:
    found = lived(one, 119)
    assert [rung.fate for rung in fins(found)] == [Fate.ARRIVED] * 2
    assert found.states == (None, None)
    assert found.closed_at is not None
    assert 60 * SECOND <= found.ending.at - found.closed_at <= 68 * SECOND


def test_keepalives_hold_the_entry(one: WhatIf) -> None:
    assert lived(one, 3600, Keepalive(60, 10, 3)).states == (None, None)


def test_the_work_is_bounded(one: WhatIf) -> None:
    found = lived(one, 10**9, Keepalive(1, 1, 9))
    assert found.ending.why is Why.EVENTS
    assert len(found.events) <= 2000
    assert "too many packets" in str(ladder_lines(found, 80)[-1]) or found.left_out


@pytest.mark.parametrize("width", [1, 30, 80])
def test_every_width_has_a_ladder(one: WhatIf, width: int) -> None:
    for found in (lived(one, 900), lived(one, 900, Keepalive(60, 10, 3))):
        assert ladder_lines(found, width)
        assert socket_lines(found)


def test_many_keepalives_are_counted(one: WhatIf) -> None:
    said = str(ladder_lines(lived(one, 900, Keepalive(60, 10, 3)), 80))
    assert "more keepalives and answers" in said
