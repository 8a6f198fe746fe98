# SPDX-License-Identifier: GPL-2.0-only
"""How long sockets last, and when they send what: against real sockets.

Sources: shared kernel-facts, across-kernels.md section 5 (every FIN timed on 5.10.262 and 6.18.44,
the same on both) and by-version.md section 7.3. Times of a kernel since 4.8 depend on where its
clock stands (the timer wheel rounds up by as much as an eighth), hence the tolerance.
"""

from __future__ import annotations

import pytest

from ctlint.model.endpoint.happening import Errno, HappeningKind
from ctlint.model.endpoint.socket import Socket
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from tests.unit.model.endpoint.wiring import A, Wire

REFUSED = (0.00, 0.21, 0.64, 1.47, 3.13, 6.63, 13.28, 26.59, 54.23)
LOST = (0.00, 0.21, 0.42, 0.83, 1.66, 3.32, 6.72, 13.38, 26.68, 53.31)
FAR = 0.05
"""Runs of one kernel differ by so much of the time."""


def from_a(packet: Packet) -> bool:
    return packet.saddr == A


def close_and_lose(
    kernel: str, retries: int, *, is_refused: bool, is_last_ack: bool, unsent: int
) -> tuple[Wire, Socket, int]:
    wire = Wire(kernel, {"tcp_orphan_retries": retries}, start=7_003_001)
    client, server = wire.open()
    if is_last_ack:
        server.close(wire.now)
        wire.run(SECOND)
        assert client.state is TcpState.CLOSE_WAIT
    if is_refused:
        wire.refused = from_a
    else:
        wire.lost = from_a
    closed_at = wire.now
    if unsent:
        client.send(unsent, wire.now)
    client.close(wire.now)
    wire.run(300 * SECOND)
    return wire, client, closed_at


@pytest.mark.parametrize("kernel", ["5.10", "6.18"])
@pytest.mark.parametrize("is_last_ack", [False, True])
@pytest.mark.parametrize(
    ("retries", "is_refused", "fins", "gone"),
    [
        (0, True, REFUSED, (106.1, 107.5)),
        (3, True, REFUSED[:4], (3.1, 3.4)),
        (0, False, LOST, (106.3, 110.4)),
        (3, False, LOST[:6], (6.6, 6.9)),
    ],
)
def test_an_orphan_whose_fin_is_never_acknowledged(
    kernel: str,
    is_last_ack: bool,
    retries: int,
    is_refused: bool,
    fins: tuple[float, ...],
    gone: tuple[float, float],
) -> None:
    wire, client, closed_at = close_and_lose(
        kernel, retries, is_refused=is_refused, is_last_ack=is_last_ack, unsent=0
    )
    found = wire.times("FA", "a", closed_at) + wire.times("FPA", "a", closed_at)
    assert found == pytest.approx(fins, rel=FAR, abs=0.02)
    # tcp_write_wakeup: a probe pushes, a retransmission is as it was.
    assert len(wire.times("FPA", "a", closed_at)) == (len(fins) - 1 if is_refused else 0)
    gone_at = wire.gone_at(client)
    assert gone_at is not None
    low, high = gone
    assert low * (1 - FAR) <= (gone_at - closed_at) / SECOND <= high * (1 + FAR)
    assert TcpState.LAST_ACK if is_last_ack else TcpState.FIN_WAIT_1 in wire.states(client)
    # Nobody is told, and nothing is sent: the program is gone, and so is the socket.
    assert not wire.happened(HappeningKind.TIMED_OUT, client)
    assert "aRA" not in wire.trace(closed_at)


@pytest.mark.parametrize(("is_refused", "fins"), [(True, 9), (False, 10)])
def test_data_before_the_fin_go_with_it(is_refused: bool, fins: int) -> None:
    # "10 bytes unsent": the same number and times. Sent before close(), they go ahead of the FIN
    # unless nothing leaves the host.
    wire, client, closed_at = close_and_lose(
        "6.18", 0, is_refused=is_refused, is_last_ack=False, unsent=10
    )
    if is_refused:
        assert len(wire.times("PA", "a", closed_at)) + len(wire.times("FPA", "a", closed_at)) >= 9
    gone_at = wire.gone_at(client)
    assert gone_at is not None
    assert 105 < (gone_at - closed_at) / SECOND < 112


@pytest.mark.parametrize(
    ("kernel", "syns", "fails"),
    [
        ("2.6.32", (0, 3, 9), 21),
        ("rhel6", (0, 1, 3, 7, 15, 31), 63),
        ("3.2", (0, 1, 3, 7, 15, 31), 63),
        ("3.10", (0, 1, 3, 7, 15, 31, 63), 127),
        ("5.10", (0, 1, 3, 7, 15, 31, 63), 127),
        ("6.5", (0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67), 131),
        ("6.18", (0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67), 131),
    ],
)
def test_a_syn_that_nobody_answers(kernel: str, syns: tuple[int, ...], fails: int) -> None:
    wire = Wire(kernel)
    wire.lost = from_a
    client = wire.a.connect(0x0A020002, 80, 0)
    wire.run(300 * SECOND)
    assert wire.times("S") == pytest.approx(syns, rel=FAR)
    (failed,) = wire.happened(HappeningKind.CONNECT_FAILED, client)
    assert failed.error is Errno.ETIMEDOUT
    assert failed.at / SECOND == pytest.approx(fails, rel=FAR)


@pytest.mark.parametrize("kernel", ["3.10", "5.10", "6.18"])
def test_keepalive_of_a_peer_that_is_gone(kernel: str) -> None:
    # tcp(7): after 30 s idle 3 probes, 10 s apart; then ETIMEDOUT. The wheel adds up to 2 s.
    wire = Wire(kernel)
    client, server = wire.open()
    client.set_keepalive(wire.now, time=30, interval=10, probes=3)
    wire.lost = lambda _: True
    since = wire.now
    wire.run(100 * SECOND)
    assert wire.times("A", "a", since) == pytest.approx((30, 40, 50), rel=0.07)
    (failed,) = wire.happened(HappeningKind.TIMED_OUT, client)
    assert failed.error is Errno.ETIMEDOUT
    assert (failed.at - since) / SECOND == pytest.approx(60, rel=0.07)
    assert wire.trace(since)[-1] == "aRA"
    assert server.state is TcpState.ESTABLISHED
