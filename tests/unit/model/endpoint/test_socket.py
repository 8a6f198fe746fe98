# SPDX-License-Identifier: GPL-2.0-only
"""Data, windows and what is lost on the way; keepalive; what ss shows.

Sources: RFC 9293, sections 3.8.4 (keepalive) and 3.8.6 (zero window); RFC 6298; RFC 7323; tcp(7);
ss(8); shared kernel-facts, by-version.md 7.3.
"""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctlint.model.endpoint.happening import Errno, HappeningKind, SocketError
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.endpoint.view import TimerKind
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from tests.unit.model.endpoint.wiring import A, B, Wire

S = TcpState


def from_a(packet: Packet) -> bool:
    return packet.saddr == A


def test_data_are_cut_into_segments() -> None:
    wire = Wire()
    client, server = wire.open()
    at = wire.now
    client.send(3000, at)
    wire.run(SECOND)
    lengths = [one.packet.payload for one in wire.sent if one.at >= at and one.by == "a"]
    assert lengths == [1448, 1448, 104]  # 1460 less the 12 bytes of timestamps
    assert server.read(wire.now) == 3000


def test_without_timestamps_a_segment_is_larger() -> None:
    wire = Wire("6.18", {"tcp_timestamps": 0})
    client, _ = wire.open()
    at = wire.now
    client.send(3000, at)
    assert [one.packet.payload for one in wire.sent if one.at >= at] == [1460, 1460, 80]
    assert wire.sent[-1].packet.options is None


@pytest.mark.parametrize("length", [1, 65_536, 1_000_000])
def test_a_program_that_reads_gets_all(length: int) -> None:
    wire = Wire()
    client, server = wire.open()
    client.send(length, wire.now)
    client.close(wire.now)
    got = 0
    for _ in range(200):
        wire.run(SECOND // 100)
        got += server.read(wire.now)
    assert got == length
    assert server.state is S.CLOSE_WAIT


def test_a_program_that_does_not_read_closes_the_window() -> None:
    wire = Wire()
    client, server = wire.open()
    client.send(1_000_000, wire.now)
    wire.run(SECOND)
    assert 60_000 < server.unread < 70_000
    at = wire.now
    wire.run(3600 * SECOND)
    # RFC 9293, 3.8.6.1: it is probed, and lives as long as the probes are answered.
    probes = wire.times("A", "a", at)
    assert probes
    assert len(probes) <= 3600 / 119 + 8  # more often at first
    (view,) = wire.a.sockets(wire.now)
    assert view.timer is not None
    assert view.timer.kind is TimerKind.PERSIST
    assert view.send_q == 1_000_000 - server.unread
    total = 0
    for _ in range(100):
        total += server.read(wire.now)
        wire.run(SECOND // 10)
    assert total == 1_000_000


@pytest.mark.parametrize("kernel", ["3.10", "6.18"])
def test_a_closed_window_and_no_answer_ends_an_orphan(kernel: str) -> None:
    wire = Wire(kernel, {"tcp_orphan_retries": 3})
    client, _ = wire.open()
    client.send(1_000_000, wire.now)
    wire.run(SECOND)
    client.close(wire.now)
    wire.lost = lambda _: True
    wire.run(600 * SECOND)
    assert wire.gone_at(client) is not None


@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from(["3.2", "3.10", "4.19", "6.18"]))
def test_a_fifth_of_all_packets_is_lost(seed: int, kernel: str) -> None:
    lots = random.Random(seed)
    wire = Wire(kernel, seed=seed)
    client, server = wire.open()
    wire.lost = lambda _: lots.random() < 0.2
    client.send(20_000, wire.now)
    server.send(20_000, wire.now)
    client.shutdown(wire.now)
    server.shutdown(wire.now)
    wire.run(600 * SECOND)
    wire.lost = lambda _: False
    wire.run(300 * SECOND)
    assert (client.read(wire.now), server.read(wire.now)) == (20_000, 20_000)
    assert wire.gone_at(client) is not None
    assert wire.gone_at(server) is not None


def test_an_answer_carries_the_ack_once_answers_are_quick() -> None:
    # Measured on 6.18.44: the first request is acknowledged by itself, later ones with the answer.
    wire = Wire()
    client, server = wire.open()
    traces = []
    for _ in range(3):
        at = wire.now
        client.send(10, at)
        wire.run(100)
        server.send(10, wire.now)
        wire.run(SECOND)
        traces.append(wire.trace(at))
    assert traces[0] == ["aPA", "bA", "bPA", "aA"]
    assert traces[1:] == [["aPA", "bPA", "aA"]] * 2


def test_an_ack_of_a_fin_waits_for_the_program() -> None:
    # Measured on 6.18.44: 4 ms where there were no data, 41 ms where there were.
    wire = Wire()
    client, _ = wire.open()
    at = wire.now
    client.close(at)
    wire.run(SECOND)
    assert wire.times("A", "b", at) == pytest.approx((0.042,), abs=0.003)
    listener = wire.b.listen(81, 1, wire.now)
    client = wire.a.connect(B, 81, wire.now)
    wire.run(SECOND)
    assert listener.waiting == 1
    at = wire.now
    client.close(at)
    wire.run(SECOND)
    assert wire.times("A", "b", at) == pytest.approx((0.005,), abs=0.003)


def test_a_lost_segment_comes_again_after_the_timeout() -> None:
    # 0.2 s and the round trip, in ticks of 4 ms: RFC 6298 with a least timeout of 200 ms.
    wire = Wire("3.2")
    client, server = wire.open()
    lost = [True]
    wire.lost = lambda packet: from_a(packet) and lost.pop() if lost else False
    at = wire.now
    client.send(10, at)
    wire.run(SECOND)
    assert wire.times("PA", "a", at) == pytest.approx((0, 0.204), abs=0.001)
    assert server.read(wire.now) == 10


def test_a_fin_waits_for_data_that_are_sent_again() -> None:
    # Measured on 6.18.44: after a timeout one segment is in flight until it is acknowledged.
    wire = Wire("3.10")
    client, server = wire.open()
    wire.lost = from_a
    at = wire.now
    client.send(100, at)
    wire.run(SECOND)
    client.close(wire.now)
    wire.run(SECOND)
    assert set(wire.trace(at)) == {"aPA"}
    assert client.state is S.FIN_WAIT_1
    wire.lost = lambda _: False
    wire.run(2 * SECOND)
    assert wire.trace(at)[-4:] == ["aPA", "bA", "aFA", "bA"]
    assert server.state is S.CLOSE_WAIT


def test_small_segments_wait_for_each_other() -> None:
    # RFC 896. Measured on 6.18.44: the tail loss probe takes what waits.
    wire = Wire()
    client, server = wire.open()
    wire.lost = from_a
    at = wire.now
    client.send(100, at)
    wire.run(SECOND // 10)
    client.send(200, wire.now)
    wire.run(SECOND * 3 // 20)
    assert [one.packet.payload for one in wire.sent if one.at >= at] == [100, 200]
    assert wire.times("PA", "a", at) == pytest.approx((0, 0.208), abs=0.005)
    wire.lost = lambda _: False
    wire.run(SECOND)
    assert server.read(wire.now) == 300


def test_what_is_sent_again_takes_up_what_follows() -> None:
    # Measured on 6.18.44: data and FIN, sent one after the other and lost, come again as one.
    wire = Wire("3.2")  # no tail loss probe
    client, server = wire.open()
    wire.lost = from_a
    at = wire.now
    client.send(100, at)
    client.close(at)
    assert wire.trace(at) == ["aPA", "aFA"]
    wire.lost = lambda _: False
    wire.run(SECOND // 2)
    assert wire.trace(at)[2:] == ["aFPA", "bA"]
    assert server.read(wire.now) == 100
    assert server.state is S.CLOSE_WAIT


def test_a_long_way_makes_a_long_timeout() -> None:
    wire = Wire("3.2", delay=150_000)
    client, _ = wire.open()
    wire.lost = lambda _: True
    at = wire.now
    client.send(10, at)
    wire.run(10 * SECOND)
    # RTO = SRTT + max(200 ms, 4 * RTTVAR), with some samples of 300 ms.
    assert 0.5 <= wire.times("PA", "a", at)[1] <= 1.0


def test_the_longest_timeout_is_a_sysctl() -> None:
    wire = Wire("6.18", {"tcp_rto_max_ms": 2000})
    client, _ = wire.open()
    wire.lost = lambda _: True
    at = wire.now
    client.send(10, at)
    wire.run(100 * SECOND)
    times = wire.times("PA", "a", at)
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert max(pauses) <= 2.3
    (failed,) = wire.happened(HappeningKind.TIMED_OUT, client)
    # tcp_model_timeout: 15 retransmissions of at most 2 s.
    assert (failed.at - at) / SECOND == pytest.approx(0.2 * 15 + 12 * 2, rel=0.2)


def test_keepalive_of_a_peer_that_answers() -> None:
    wire = Wire("3.10")
    client, server = wire.open()
    client.set_keepalive(wire.now, time=30, interval=10, probes=3)
    at = wire.now
    wire.run(1000 * SECOND)
    assert client.state is S.ESTABLISHED
    assert wire.trace(at) == ["aA", "bA"] * (len(wire.trace(at)) // 2)
    assert len(wire.times("A", "a", at)) == pytest.approx(1000 / 30, abs=1)
    probe = wire.sent[-2].packet
    assert probe.seq == (server.rcv_nxt - 1) & 0xFFFFFFFF
    assert probe.payload == 0


def test_keepalive_counts_the_time_before_it_was_asked_for() -> None:
    # Measured on 6.18.44: SO_KEEPALIVE, then TCP_KEEPIDLE 1 after 0.7 s of silence.
    wire = Wire("3.10")
    client, _ = wire.open()
    wire.run(100 * SECOND)
    client.set_keepalive(wire.now, time=130)
    at = wire.now
    wire.run(100 * SECOND)
    assert wire.times("A", "a", at) == pytest.approx((29,), abs=0.1)
    wire = Wire("3.10", {"tcp_keepalive_time": 130})
    client, _ = wire.open()
    wire.run(100 * SECOND)
    client.set_keepalive(wire.now)
    at = wire.now
    wire.run(140 * SECOND)
    assert wire.times("A", "a", at) == pytest.approx((130,), abs=0.1)


def test_keepalive_by_the_sysctls() -> None:
    wire = Wire("3.10")
    client, _ = wire.open()
    client.set_keepalive(wire.now)
    wire.lost = lambda _: True
    at = wire.now
    wire.run(10_000 * SECOND)
    (failed,) = wire.happened(HappeningKind.TIMED_OUT, client)
    assert (failed.at - at) / SECOND == pytest.approx(7200 + 9 * 75, abs=3)


def test_keepalive_meets_a_host_that_knows_nothing() -> None:
    wire = Wire()
    client, server = wire.open()
    client.set_keepalive(wire.now, time=30)
    wire.lost = lambda _: True
    server.abort(wire.now)
    wire.lost = lambda _: False
    wire.run(40 * SECOND)
    assert wire.trace()[-2:] == ["aA", "bR"]
    assert wire.happened(HappeningKind.RESET, client)


def test_keepalive_before_the_connection_is_there() -> None:
    wire = Wire("3.10")
    wire.b.listen(80, 1, 0)
    client = wire.a.connect(B, 80, 0)
    client.set_keepalive(0, time=30)
    wire.run(32 * SECOND)
    assert wire.trace()[3:] == ["aA", "bA"]


def test_errors_of_calls() -> None:
    wire = Wire()
    client, server = wire.open()
    client.shutdown(wire.now)
    with pytest.raises(SocketError) as caught:
        client.send(1, wire.now)
    assert caught.value.error is Errno.EPIPE
    server.abort(wire.now)
    wire.run(SECOND)
    with pytest.raises(SocketError) as caught:
        client.read(wire.now)
    assert caught.value.error is Errno.ECONNRESET
    assert client.read(wire.now) == 0  # an error is told once
    with pytest.raises(SocketError) as caught:
        client.shutdown(wire.now)
    assert caught.value.error is Errno.ENOTCONN
    with pytest.raises(SocketError) as caught:
        wire.a.connect(1 << 64, 80, wire.now, family=Family.IPV6)
    assert caught.value.error is Errno.ENETUNREACH


@pytest.mark.parametrize("length", [0, -1, 1 << 31])
def test_lengths_that_are_none(length: int) -> None:
    client, _ = Wire().open()
    with pytest.raises(ValueError, match="no number of bytes"):
        client.send(length, SECOND * 4)


def test_what_is_given_before_the_connection_is_there_goes_with_the_last_ack() -> None:
    wire = Wire()
    listener = wire.b.listen(80, 1, 0)
    client = wire.a.connect(B, 80, 0)
    client.send(10, 0)
    wire.run(SECOND)
    assert wire.trace()[:4] == ["aS", "bSA", "aPA", "bA"]
    server = listener.accept(wire.now)
    assert server is not None
    assert server.read(wire.now) == 10


def test_what_ss_shows() -> None:
    wire = Wire("3.10", {"tcp_keepalive_time": 10})
    client, server = wire.open()
    server.send(100, wire.now)
    wire.run(SECOND)
    (view,) = wire.a.sockets(wire.now)
    assert (view.state, view.recv_q, view.send_q, view.timer) == (S.ESTABLISHED, 100, 0, None)
    assert (view.local_port, view.remote) == (client.lport, server.local)
    wire.lost = lambda _: True
    client.read(wire.now)
    client.close(wire.now)
    wire.run(2 * SECOND)
    (view,) = wire.a.sockets(wire.now)
    assert (view.state, view.send_q, view.is_orphan) == (S.FIN_WAIT_1, 1, True)
    assert view.timer is not None
    # FINs at 0, 0.2 (probe), 0.4, 0.8, 1.6: three retransmissions, the next at 3.2.
    assert (view.timer.kind, view.timer.retries) == (TimerKind.ON, 3)
    assert 1 < view.timer.remaining / SECOND < 1.4
    (view,) = wire.b.sockets(wire.now)
    assert view.timer is None
    server.set_keepalive(wire.now)
    (view,) = wire.b.sockets(wire.now)
    assert view.timer == (TimerKind.KEEPALIVE, 10 * SECOND, 0)


def test_retransmissions_are_counted_anew_when_something_is_acknowledged() -> None:
    wire = Wire("3.10")
    client, _ = wire.open()
    wire.lost = from_a
    client.send(10, wire.now)
    wire.run(SECOND)
    (view,) = wire.a.sockets(wire.now)
    assert view.timer is not None
    assert view.timer.retries == 2
    wire.lost = lambda _: False
    wire.run(SECOND)
    wire.lost = from_a
    client.send(10, wire.now)
    (view,) = wire.a.sockets(wire.now)
    assert view.timer is not None
    assert view.timer.retries == 0


def test_without_a_round_trip_the_timeout_is_three_seconds() -> None:
    # RFC 6298, 5.7: the SYN was sent twice, and no timestamps tell which was answered.
    wire = Wire("3.10", {"tcp_timestamps": 0})
    wire.b.listen(80, 1, 0)
    wire.lost = lambda _: True
    client = wire.a.connect(B, 80, 0)
    wire.run(SECOND // 2)
    wire.lost = lambda _: False
    wire.run(SECOND)
    assert client.state is S.ESTABLISHED
    wire.lost = lambda _: True
    at = wire.now
    client.send(10, at)
    wire.run(20 * SECOND)
    # 1 s to the tail loss probe (TCP_TIMEOUT_INIT), then the timeout.
    assert wire.times("PA", "a", at)[:3] == pytest.approx((0, 1, 4), abs=0.05)
