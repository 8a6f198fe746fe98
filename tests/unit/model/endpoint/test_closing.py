# SPDX-License-Identifier: GPL-2.0-only
"""Ends of connections: in all orders, with and without owner, by reset.

Sources: RFC 9293, figures 5, 12 and 13, sections 3.6 and 3.10.4; net/ipv4/tcp.c, tcp_close and its
comments; tcp(7) for TCP_LINGER2 and tcp_fin_timeout; shared kernel-facts, by-version.md 7.3.
"""

from __future__ import annotations

import pytest

from ctlint.model.endpoint.happening import Errno, HappeningKind, SocketError
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.endpoint.wiring import A, B, Wire

S = TcpState
LATE = 1.06
"""How much later than asked for the timer wheel lets a timer of a minute go off, at most."""


def test_the_side_that_closes_first_waits() -> None:
    wire = Wire()
    client, server = wire.open()
    at = wire.now
    client.close(at)
    wire.run(10 * SECOND)
    assert (client.state, server.state) == (S.FIN_WAIT_2, S.CLOSE_WAIT)
    server.close(wire.now)
    wire.run(SECOND)
    assert (client.state, server.state) == (S.TIME_WAIT, S.CLOSE)
    assert wire.trace(at) == ["aFA", "bA", "bFA", "aA"]
    assert wire.states(server)[-3:] == [S.CLOSE_WAIT, S.LAST_ACK, S.CLOSE]


def test_time_wait_lasts_a_minute() -> None:
    wire = Wire("3.10")  # its timers are exact
    client, server = wire.open()
    client.close(wire.now)
    wire.run(SECOND)
    at = wire.now
    server.close(at)
    wire.run(100 * SECOND)
    gone = wire.gone_at(client)
    assert gone is not None
    assert (gone - at) / SECOND == pytest.approx(60, abs=0.1)


def test_a_program_that_closes_at_once_saves_a_packet() -> None:
    # tcp_fin(): the ACK of a FIN is delayed, so that it may go with the program's own FIN.
    wire = Wire()
    client, server = wire.open()
    at = wire.now
    client.close(at)
    wire.run(60)
    server.close(wire.now)
    wire.run(SECOND)
    assert wire.trace(at) == ["aFA", "bFA", "aA"]


def test_both_close_at_once() -> None:
    wire = Wire()
    client, server = wire.open()
    at = wire.now
    client.close(at)
    server.close(at)
    wire.run(SECOND)
    assert S.CLOSING in wire.states(client)
    assert S.CLOSING in wire.states(server)
    assert (client.state, server.state) == (S.TIME_WAIT, S.TIME_WAIT)
    assert sorted(wire.trace(at)) == ["aA", "aFA", "bA", "bFA"]


def test_half_closed_connections_live_as_long_as_both_want() -> None:
    wire = Wire()
    client, server = wire.open()
    client.shutdown(wire.now)
    wire.run(86400 * SECOND)
    assert (client.state, server.state) == (S.FIN_WAIT_2, S.CLOSE_WAIT)
    server.send(5000, wire.now)
    wire.run(SECOND)
    assert client.read(wire.now) == 5000
    with pytest.raises(SocketError) as caught:
        client.send(1, wire.now)
    assert caught.value.error is Errno.EPIPE
    server.close(wire.now)
    wire.run(SECOND)
    assert (client.state, server.state) == (S.TIME_WAIT, S.CLOSE)


def test_close_wait_belongs_to_the_program() -> None:
    wire = Wire()
    client, server = wire.open()
    client.close(wire.now)
    wire.run(30 * 86400 * SECOND)
    assert server.state is S.CLOSE_WAIT
    assert wire.gone_at(client) is not None


@pytest.mark.parametrize(
    ("seconds", "lasts"),
    [
        (60, 60),
        (3, 3),
        # Above a minute: a socket for what is more than that, then as long again without one
        # (tcp_close, tcp_keepalive_timer). Measured on 6.18.44: 61 gives 2.1 s.
        (120, 120),
        (90, 60),
        (61, 2),
    ],
)
def test_fin_wait_2_without_owner(seconds: int, lasts: int) -> None:
    wire = Wire("6.18", {"tcp_fin_timeout": seconds})
    client, server = wire.open()
    at = wire.now
    client.close(at)
    wire.run(500 * SECOND)
    gone = wire.gone_at(client)
    assert gone is not None
    assert lasts <= (gone - at) / SECOND <= lasts * LATE + 1
    # Its peer's FIN comes too late, and is answered by a reset.
    at = wire.now
    server.close(at)
    wire.run(SECOND)
    assert wire.trace(at) == ["bFA", "aR"]
    assert server.state is S.CLOSE


def test_linger2_is_fin_timeout_of_one_socket() -> None:
    wire = Wire()
    client, _ = wire.open()
    client.set_linger2(5)
    at = wire.now
    client.close(at)
    wire.run(100 * SECOND)
    gone = wire.gone_at(client)
    assert gone is not None
    assert 5 <= (gone - at) / SECOND <= 6


def test_data_for_a_socket_that_was_closed_reset_the_sender() -> None:
    # RFC 1122, 4.2.2.13: half-duplex close.
    wire = Wire()
    client, server = wire.open()
    client.close(wire.now)
    wire.run(SECOND)
    at = wire.now
    server.send(10, at)
    wire.run(SECOND)
    assert wire.trace(at) == ["bPA", "aR"]
    assert client.state is S.CLOSE
    (reset,) = wire.happened(HappeningKind.RESET, server)
    assert reset.error is Errno.EPIPE  # tcp_reset in CLOSE_WAIT


def test_linger_of_zero_resets() -> None:
    wire = Wire()
    client, server = wire.open()
    at = wire.now
    client.abort(at)
    wire.run(SECOND)
    assert wire.trace(at) == ["aRA"]
    assert (client.state, server.state) == (S.CLOSE, S.CLOSE)
    (reset,) = wire.happened(HappeningKind.RESET, server)
    assert reset.error is Errno.ECONNRESET
    with pytest.raises(SocketError):
        server.read(wire.now)


def test_linger_of_zero_in_fin_wait_and_close_wait_resets_too() -> None:
    wire = Wire()
    client, server = wire.open()
    client.shutdown(wire.now)
    wire.run(SECOND)
    at = wire.now
    server.abort(at)
    wire.run(SECOND)
    assert wire.trace(at) == ["bRA"]
    assert (client.state, server.state) == (S.CLOSE, S.CLOSE)


def test_close_with_unread_data_resets() -> None:
    # RFC 2525, 2.17: data that the program never reads are not acknowledged by a FIN.
    wire = Wire()
    client, server = wire.open(reads=False)
    at = wire.now
    server.close(at)
    wire.run(SECOND)
    assert wire.trace(at) == ["bRA"]
    assert (client.state, server.state) == (S.CLOSE, S.CLOSE)


def test_a_reset_for_a_closed_port() -> None:
    wire = Wire()
    client = wire.a.connect(B, 9, 0)
    wire.run(SECOND)
    assert wire.trace() == ["aS", "bRA"]
    (failed,) = wire.happened(HappeningKind.CONNECT_FAILED, client)
    assert failed.error is Errno.ECONNREFUSED


def test_close_before_the_handshake_is_over_sends_nothing() -> None:
    wire = Wire()
    wire.b.listen(80, 1, 0)
    client = wire.a.connect(B, 80, 0)
    client.close(0)
    assert wire.gone_at(client) == 0
    wire.run(SECOND)
    assert wire.trace() == ["aS", "bSA", "aR"]
    assert list(wire.b.sockets(wire.now))[1:] == []


def test_too_many_orphans_are_reset() -> None:
    wire = Wire("6.18", {"tcp_max_orphans": 0})
    client, _ = wire.open()
    at = wire.now
    client.close(at)
    assert wire.trace(at) == ["aFA", "aRA"]
    assert client.state is S.CLOSE
    assert wire.a.orphans == 0


def test_orphans_are_counted() -> None:
    wire = Wire()
    client, server = wire.open()
    client.close(wire.now)
    assert wire.a.orphans == 1
    wire.run(SECOND)
    assert wire.a.orphans == 0  # nothing but numbers is left in FIN_WAIT_2
    server.close(wire.now)
    assert wire.b.orphans == 1
    wire.run(SECOND)
    assert wire.b.orphans == 0
    assert (wire.a.timewaits, wire.b.timewaits) == (1, 0)
    wire.run(100 * SECOND)
    assert wire.a.timewaits == 0


@pytest.mark.parametrize("is_shutdown_only", [True, False])
def test_what_nobody_acknowledges_ends_after_a_quarter_of_an_hour(is_shutdown_only: bool) -> None:
    # tcp_retries2 = 15: 924.6 s from the first retransmission (ip-sysctl.rst).
    wire = Wire("3.10")
    client, _ = wire.open()
    wire.lost = lambda _: True
    at = wire.now
    if is_shutdown_only:
        client.shutdown(at)
    else:
        client.send(10, at)
    wire.run(2000 * SECOND)
    (failed,) = wire.happened(HappeningKind.TIMED_OUT, client)
    assert failed.error is Errno.ETIMEDOUT
    assert 924.6 <= (failed.at - at) / SECOND <= 924.6 + 120


def test_linger2_below_zero_leaves_nothing_of_fin_wait_2() -> None:
    wire = Wire()
    client, _ = wire.open()
    client.set_linger2(-1)
    at = wire.now
    client.close(at)
    wire.run(SECOND)
    assert S.FIN_WAIT_2 in wire.states(client)
    gone = wire.gone_at(client)
    assert gone is not None
    assert gone - at < SECOND // 10
    wire = Wire()
    client, server = wire.open()
    client.set_linger2(-1)
    client.shutdown(wire.now)
    wire.run(SECOND)
    at = wire.now
    client.close(at)
    wire.run(SECOND)
    assert wire.trace(at) == ["aRA"]
    assert server.state is S.CLOSE


def test_shutdown_before_the_connection_is_there_gives_up() -> None:
    wire = Wire()
    client = wire.a.connect(B, 80, 0)
    client.shutdown(0)
    assert client.state is S.CLOSE


def test_an_orphan_that_gets_a_fin_with_the_last_ack_waits_as_a_socket() -> None:
    # tcp_rcv_state_process: "Bad case. We could lose such FIN otherwise."
    wire = Wire("3.10")
    client, server = wire.open()
    wire.lost = lambda packet: packet.saddr == B
    client.close(wire.now)
    wire.run(100)
    server.close(wire.now)
    wire.lost = lambda _: False
    wire.run(SECOND)
    assert client.state is S.TIME_WAIT
    assert server.state is S.CLOSE


def test_many_orphans_end_what_is_sent_again() -> None:
    wire = Wire("6.18", {"tcp_max_orphans": 1})
    client, _ = wire.open()
    wire.lost = lambda packet: packet.saddr == A
    client.close(wire.now)
    wire.run(SECOND)
    assert client.state is S.FIN_WAIT_1
    wire.a.orphans += 1
    at = wire.now
    wire.run(2 * SECOND)
    assert wire.trace(at) == ["aRA"]
    assert client.is_closed


def test_a_peer_that_takes_its_window_back_is_probed_and_given_up() -> None:
    # tcp_retransmit_timer: "Receiver dastardly shrinks window." Two minutes without an answer.
    wire = Wire("3.10")
    client, server = wire.open()
    wire.lost = lambda packet: packet.payload > 0
    client.send(100, wire.now)
    data = wire.sent[-1].packet
    ends = (client.family, B, A, 6, client.rport, client.lport, TcpFlags.ACK)
    wire.inject(Packet(*ends, seq=server.snd_nxt, ack=data.seq + 1, window=0))
    assert client.snd_wnd == 0
    wire.lost = lambda _: True
    wire.run(600 * SECOND)
    (failed,) = wire.happened(HappeningKind.TIMED_OUT, client)
    assert failed.at / SECOND > 120
