# SPDX-License-Identifier: GPL-2.0-only
"""Selective acknowledgements.

Sources: RFC 2018, sections 3 and 4 (the first block holds the segment that came last); RFC 5827;
measured on 6.18.44: data lost, a FIN behind them arrives, the data come again at once.
"""

from __future__ import annotations

import pytest

from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from tests.unit.model.endpoint.wiring import Wire


@pytest.mark.parametrize(
    ("kernel", "is_at_once"), [("6.18", True), ("3.10", True), ("3.4", False), ("2.6.32", False)]
)
def test_a_fin_behind_lost_data(kernel: str, is_at_once: bool) -> None:
    wire = Wire(kernel)
    client, server = wire.open()
    at = wire.now
    wire.lost = lambda packet: packet.payload > 0
    client.send(100, at)
    wire.lost = lambda _: False
    wire.run(SECOND // 10)
    client.close(wire.now)
    wire.run(1000)
    block = (client.write_seq - 1, client.write_seq)
    answer = next(one.packet for one in wire.sent if one.by == "b" and one.at > at)
    assert answer.options is not None
    assert answer.options.sack == (block,)
    assert wire.trace(at)[:3] == ["aPA", "aFA", "bA"]
    assert (len(wire.trace(at)) > 3) == is_at_once
    wire.run(SECOND)
    assert server.read(wire.now) == 100
    assert server.state is TcpState.CLOSE_WAIT
    assert wire.trace(at).count("aPA") == 2


def test_blocks_of_what_has_arrived_behind_holes() -> None:
    wire = Wire()
    client, server = wire.open()
    at = wire.now
    lost = {1, 3, 5, 7}
    count = [0]

    def every_other(packet: Packet) -> bool:
        count[0] += packet.payload > 0
        return packet.payload > 0 and count[0] in lost

    wire.lost = every_other
    client.send(1448 * 8, at)
    wire.run(wire.delay)
    start = server.rcv_nxt
    sacks = [one.packet.options for one in wire.sent if one.by == "b" and one.at > at]
    assert sacks[-1] is not None
    wanted = [(start + 1448 * n, start + 1448 * (n + 1)) for n in (7, 5, 3)]
    assert sacks[-1].sack == tuple(wanted)
    wire.lost = lambda _: False
    wire.run(SECOND // 10)
    assert server.read(wire.now) == 1448 * 8


def test_without_the_option_there_are_no_blocks() -> None:
    wire = Wire()
    client, server = wire.open()
    server.sack_ok = client.sack_ok = False
    wire.lost = lambda packet: packet.payload > 0
    at = wire.now
    client.send(100, at)
    wire.lost = lambda _: False
    client.close(at)
    wire.run(1000)
    answer = wire.sent[-1].packet
    assert answer.options is not None
    assert answer.options.sack == ()
    wire.run(SECOND)
    assert server.read(wire.now) == 100
