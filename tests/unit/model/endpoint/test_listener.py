# SPDX-License-Identifier: GPL-2.0-only
"""Listeners: handshakes, and queues that are full.

Sources: shared kernel-facts, by-version.md 7.3 (SYN_RECV) and 7.4 (listener overload); tcp(7) and
ip-sysctl.rst for tcp_abort_on_overflow, tcp_syncookies, somaxconn; RFC 9293, figures 7 to 9.
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


def from_a(packet: Packet) -> bool:
    return packet.saddr == A


def test_a_handshake() -> None:
    wire = Wire()
    listener = wire.b.listen(80, 1, 0)
    client = wire.a.connect(B, 80, 0)
    assert listener.accept(0) is None
    wire.run(SECOND)
    server = listener.accept(wire.now)
    assert server is not None
    assert wire.trace() == ["aS", "bSA", "aA"]
    assert wire.states(client) == [S.SYN_SENT, S.ESTABLISHED]
    assert wire.states(server) == [S.SYN_RECV, S.ESTABLISHED]
    assert wire.happened(HappeningKind.ACCEPTED, server)
    assert server.listener is listener
    assert (client.local, client.remote) == (server.remote, server.local)
    # What Linux writes into headers (ctlint/scenario/ends.py): 64240, 65160, 502 and 510 by 2**7.
    assert [one.packet.window for one in wire.sent] == [64240, 65160, 502]
    assert [one.packet.options.wscale for one in wire.sent if one.packet.options] == [7, 7, None]


def test_both_call_each_other_at_once() -> None:
    # RFC 9293, figure 8. Linux acknowledges the other's SYN/ACK by a challenge ACK.
    wire = Wire()
    one = wire.a.connect(B, 80, 0, local_port=90)
    other = wire.b.connect(A, 90, 0, local_port=80)
    wire.run(SECOND)
    assert wire.states(one) == [S.SYN_SENT, S.SYN_RECV, S.ESTABLISHED]
    assert wire.states(other) == [S.SYN_SENT, S.SYN_RECV, S.ESTABLISHED]
    assert sorted(wire.trace())[:4] == ["aA", "aS", "aSA", "bA"]


def test_a_client_that_calls_itself() -> None:
    # incidents.md, I4: a port inside ip_local_port_range.
    wire = Wire()
    client = wire.a.connect(A, 40000, 0, local_port=40000)
    wire.run(SECOND)
    assert client.state is S.ESTABLISHED
    client.send(10, wire.now)
    wire.run(SECOND)
    assert client.read(wire.now) == 10


def test_answers_to_a_syn_that_nobody_confirms() -> None:
    wire = Wire("3.10")
    listener = wire.b.listen(80, 128, 0)
    wire.lost = from_a
    wire.inject(
        Packet(wire.a.addresses[0].family, A, B, 6, 40000, 80, TcpFlags.SYN, seq=1, window=1000)
    )
    (view,) = [view for view in wire.b.sockets(0) if view.state is S.SYN_RECV]
    assert view.timer is not None
    wire.run(100 * SECOND)
    assert wire.times("SA", "b") == pytest.approx((0, 1, 3, 7, 15, 31), abs=0.1)
    (gone,) = [one for one in wire.seen if one.kind is HappeningKind.GONE]
    assert gone.at / SECOND == pytest.approx(63, abs=0.1)
    assert listener.requests == 0


def test_an_answer_that_the_host_itself_refuses_is_tried_once_more() -> None:
    # reqsk_timer_handler: a request whose SYN/ACK cannot be sent is dropped.
    wire = Wire("3.10")
    wire.b.listen(80, 128, 0)
    wire.refused = lambda packet: packet.saddr == B
    wire.a.connect(B, 80, 0).close(0)
    wire.run(10 * SECOND)
    assert wire.times("SA", "b") == pytest.approx((0, 1), abs=0.1)
    assert list(wire.b.sockets(wire.now))[1:] == []


@pytest.mark.parametrize("kernel", ["3.10", "4.9", "6.18"])
def test_an_accept_queue_takes_one_more_than_its_backlog(kernel: str) -> None:
    wire = Wire("6.18", kernel_b=kernel)
    listener = wire.b.listen(80, 2, 0)
    clients = []
    for _ in range(3):
        clients.append(wire.a.connect(B, 80, wire.now))
        wire.run(SECOND)
    assert [client.state for client in clients] == [S.ESTABLISHED] * 3
    assert (listener.waiting, listener.backlog) == (3, 2)


@pytest.mark.parametrize("kernel", ["4.10", "6.18"])
def test_a_full_accept_queue_drops_a_syn(kernel: str) -> None:
    wire = Wire(kernel)
    listener = wire.b.listen(80, 1, 0)
    for _ in range(2):
        wire.a.connect(B, 80, wire.now)
        wire.run(SECOND)
    at = wire.now
    client = wire.a.connect(B, 80, at)
    wire.run(30 * SECOND)
    assert set(wire.trace(at)) == {"aS"}
    assert listener.overflows == len(wire.trace(at))
    assert listener.accept(wire.now) is not None
    wire.run(70 * SECOND)
    assert client.state is S.ESTABLISHED


@pytest.mark.parametrize(("kernel", "abort"), [("4.6", 0), ("rhel7", 0), ("rhel7", 1)])
def test_a_full_accept_queue_once_dropped_the_last_ack(kernel: str, abort: int) -> None:
    # By two young requests or more the SYN too. 4.9 got the change in a stable release.
    wire = Wire("6.18", kernel_b=kernel, sysctls_b={"tcp_abort_on_overflow": abort})
    listener = wire.b.listen(80, 1, 0)
    for _ in range(2):
        wire.a.connect(B, 80, wire.now)
        wire.run(SECOND)
    at = wire.now
    client = wire.a.connect(B, 80, at)
    wire.run(SECOND)
    assert wire.trace(at)[:3] == ["aS", "bSA", "aA"]
    if abort:
        assert wire.trace(at)[3] == "bR"
        assert wire.happened(HappeningKind.RESET, client)
        return
    assert client.state is S.ESTABLISHED
    assert [view.state for view in wire.b.sockets(wire.now)][-2:] == [S.ESTABLISHED, S.SYN_RECV]
    wire.run(10 * SECOND)
    assert wire.trace(at).count("bSA") >= 3
    assert listener.accept(wire.now) is not None
    wire.run(30 * SECOND)
    assert listener.waiting == 2


@pytest.mark.parametrize(("cookies", "is_answered"), [(0, False), (1, True)])
def test_a_full_request_queue(cookies: int, is_answered: bool) -> None:
    wire = Wire("6.18", {"tcp_syncookies": cookies})
    listener = wire.b.listen(80, 4, 0)
    wire.lost = lambda packet: packet.saddr == A and packet.flags != TcpFlags.SYN
    for _ in range(8):
        wire.a.connect(B, 80, 0).close(0)
    wire.run(SECOND // 2)
    assert listener.requests == 5
    wire.lost = lambda _: False
    at = wire.now
    client = wire.a.connect(B, 80, at)
    wire.run(SECOND // 4)
    assert (client.state is S.ESTABLISHED) == is_answered
    if is_answered:
        server = listener.accept(wire.now)
        assert server is not None
        for one, other in ((client, server), (server, client)):
            one.send(100_000, wire.now)
            got = 0
            for _ in range(20):
                wire.run(SECOND // 20)
                got += other.read(wire.now)
            assert got == 100_000


def test_an_ack_out_of_the_blue_is_no_cookie() -> None:
    wire = Wire("6.18", {"tcp_syncookies": 2})
    wire.b.listen(80, 4, 0)
    wire.a.connect(B, 80, 0).close(0)
    wire.run(SECOND)
    syn_ack = next(one.packet for one in wire.sent if one.letters == "SA")
    ack = Packet(syn_ack.family, A, B, 6, syn_ack.dport, 80, TcpFlags.ACK, seq=syn_ack.ack)
    at = wire.now
    wire.inject(ack._replace(ack=syn_ack.seq + 2 & 0xFFFFFFFF))
    assert wire.trace(at) == ["bR"]
    wire.inject(ack._replace(ack=syn_ack.seq + 1 & 0xFFFFFFFF))
    assert wire.trace(at) == ["bR"]
    assert [view.state for view in wire.b.sockets(wire.now)] == [S.LISTEN, S.ESTABLISHED]


def test_the_longest_queue_is_that_of_somaxconn() -> None:
    assert Wire("5.3").b.listen(80, 5000, 0).backlog == 128
    assert Wire("5.4").b.listen(80, 5000, 0).backlog == 4096


def test_closing_a_listener_resets_who_waits() -> None:
    wire = Wire()
    listener = wire.b.listen(80, 4, 0)
    client = wire.a.connect(B, 80, 0)
    wire.run(SECOND)
    listener.close(wire.now)
    wire.run(SECOND)
    assert wire.happened(HappeningKind.RESET, client)
    assert list(wire.b.sockets(wire.now)) == []
    wire.b.listen(80, 4, wire.now)


def test_a_port_has_one_listener() -> None:
    wire = Wire()
    wire.b.listen(80, 4, 0)
    with pytest.raises(SocketError) as caught:
        wire.b.listen(80, 4, 0, address=B)
    assert caught.value.error is Errno.EADDRINUSE
    wire.b.listen(81, 4, 0, address=B)
    wire.b.listen(81, 4, 0, address=B + 1)


@pytest.mark.parametrize(("flags", "said"), [("A", ["bR"]), ("R", []), ("F", []), ("SA", ["bR"])])
def test_other_segments_for_a_listener(flags: str, said: list[str]) -> None:
    wire = Wire()
    wire.b.listen(80, 4, 0)
    wire.inject(
        Packet(wire.a.addresses[0].family, A, B, 6, 40000, 80, TcpFlags.parse(flags), seq=1, ack=7)
    )
    assert wire.trace() == said


@pytest.mark.parametrize(
    ("kernel", "backlog", "requests"),
    # by-version.md 7.4: 3.10 the next power of two of max(8, backlog) + 1; 4.4 as long as the
    # backlog; 6.18 one more. So do 5.10.262 and 6.1.192, as real sockets showed (backlog 1).
    [("3.10", 4, 16), ("3.10", 20, 32), ("4.4", 4, 4), ("5.10", 20, 21), ("6.18", 4, 5)],
)
def test_how_long_a_request_queue_is(kernel: str, backlog: int, requests: int) -> None:
    wire = Wire(kernel, {"tcp_syncookies": 0})
    listener = wire.b.listen(80, backlog, 0)
    wire.lost = lambda packet: packet.saddr == B
    for _ in range(40):
        wire.a.connect(B, 80, wire.now)
        wire.run(1000)
    assert listener.requests == requests


def test_without_cookies_a_quarter_of_all_requests_is_for_known_peers() -> None:
    # ip-sysctl.rst, tcp_max_syn_backlog; tcp_conn_request.
    wire = Wire("6.18", {"tcp_syncookies": 0, "tcp_max_syn_backlog": 16})
    listener = wire.b.listen(80, 100, 0)
    wire.lost = lambda packet: packet.saddr == B
    for _ in range(40):
        wire.a.connect(B, 80, wire.now)
        wire.run(1000)
    assert listener.requests == 13


def test_a_request_that_is_older_goes_sooner_where_there_are_many() -> None:
    # reqsk_timer_handler: while the queue is more than half full of old ones, two repetitions do.
    wire = Wire("4.4")
    listener = wire.b.listen(80, 16, 0)
    wire.lost = lambda packet: packet.saddr == B
    for _ in range(12):
        wire.a.connect(B, 80, wire.now).close(wire.now)
    wire.run(10 * SECOND)
    assert listener.requests == 8
    assert len([at for at in wire.times("SA", "b") if at > 5]) == 8
    wire.run(60 * SECOND)
    assert listener.requests == 0


def half_open(wire: Wire) -> tuple[Packet, Packet]:
    """A SYN that the server has answered, and its answer; the client says nothing more."""
    wire.b.listen(80, 4, wire.now)
    wire.lost = lambda packet: packet.saddr == B
    client = wire.a.connect(B, 80, wire.now)
    wire.run(1000)
    client.close(wire.now)
    syn, syn_ack = (one.packet for one in wire.sent)
    return syn, syn_ack


def say(wire: Wire, packet: Packet) -> list[str]:
    before = len(wire.sent)
    wire.inject(packet)
    return [one.by + one.letters for one in wire.sent[before:]]


def test_a_syn_that_comes_again_is_answered_again_and_puts_the_timer_off() -> None:
    wire = Wire("4.4")
    syn, syn_ack = half_open(wire)
    wire.run(SECOND * 9 // 10)
    assert say(wire, syn) == ["bSA"]
    assert wire.sent[-1].packet.seq == syn_ack.seq
    at = wire.now
    wire.run(SECOND * 3 // 2)
    assert wire.times("SA", "b", at)[1:] == pytest.approx((1,), abs=0.01)
    assert say(wire, syn) == ["bSA"]
    assert say(wire, syn) == []  # tcp_invalid_ratelimit


@pytest.mark.parametrize(
    ("flags", "seq", "ack", "said", "is_left"),
    # tcp_check_req; RFC 9293, 3.10.7.4 in SYN-RECEIVED.
    [
        ("R", 1, 0, [], False),
        ("R", 2_000_000, 0, [], True),
        ("S", 5, 0, ["bRA"], False),
        ("A", 1, 5, ["bR"], True),
        ("A", 2_000_000, 1, ["bA"], True),
        ("P", 1, 0, [], True),
        ("SA", 0, 1, [], True),
    ],
)
def test_segments_for_a_half_open_connection(
    flags: str, seq: int, ack: int, said: list[str], is_left: bool
) -> None:
    wire = Wire("3.10")
    syn, syn_ack = half_open(wire)
    packet = syn._replace(
        flags=TcpFlags.parse(flags),
        seq=syn.seq + seq & 0xFFFFFFFF,
        ack=syn_ack.seq + ack & 0xFFFFFFFF if "A" in flags else 0,
        options=None,
    )
    assert say(wire, packet)[: len(said)] == said
    states = [view.state for view in wire.b.sockets(wire.now)]
    assert (S.SYN_RECV in states or S.ESTABLISHED in states) == is_left


def test_an_ack_with_an_old_timestamp_does_not_end_a_handshake() -> None:
    wire = Wire("3.10")
    syn, syn_ack = half_open(wire)
    assert syn.options is not None
    assert syn.options.timestamps is not None
    value, _ = syn.options.timestamps
    old = syn.options._replace(timestamps=(value - 1000 & 0xFFFFFFFF, 0), mss=None, wscale=None)
    ack = syn._replace(
        flags=TcpFlags.ACK, seq=syn.seq + 1, ack=syn_ack.seq + 1 & 0xFFFFFFFF, options=old
    )
    assert say(wire, ack) == ["bA"]
    assert S.SYN_RECV in [view.state for view in wire.b.sockets(wire.now)]


def test_a_listener_of_one_family_or_address_hears_nobody_else() -> None:
    wire = Wire()
    wire.b.listen(80, 4, 0, address=B + 1)
    wire.a.connect(B, 80, 0)
    wire.run(SECOND)
    assert wire.trace() == ["aS", "bRA"]
    wire.b.listen(80, 4, wire.now, address=B)
    at = wire.now
    wire.a.connect(B, 80, at)
    wire.run(SECOND)
    assert wire.trace(at) == ["aS", "bSA", "aA"]


def test_a_request_whose_ack_had_no_place_stays_where_the_answer_cannot_be_sent() -> None:
    # reqsk_timer_handler: inet_rsk(req)->acked.
    wire = Wire("6.18", kernel_b="4.6")
    listener = wire.b.listen(80, 1, 0)
    for _ in range(3):
        wire.a.connect(B, 80, wire.now)
        wire.run(SECOND // 10)
    assert listener.requests == 1
    wire.refused = lambda packet: packet.saddr == B
    wire.run(4 * SECOND)
    assert listener.requests == 1
