# SPDX-License-Identifier: GPL-2.0-only
"""Hosts: whatever programs do and whatever is lost, all comes to an end.

Sources: RFC 9293, section 3.3.2 (the state machine); the rest are properties.
"""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctlint.model.endpoint.happening import HappeningKind, SocketError
from ctlint.model.endpoint.settings import read_end_settings
from ctlint.model.endpoint.socket import Socket
from ctlint.model.endpoint.tcp_host import HostAddress, TcpHost
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.kernel.profiles import profile
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.endpoint.wiring import A, B, Wire

S = TcpState

# RFC 9293, figure 5, and what Linux adds: TIME_WAIT and FIN_WAIT_2 may end at any time, any state
# by a reset.
ALLOWED = {
    S.CLOSE: {S.SYN_SENT, S.SYN_RECV},
    S.SYN_SENT: {S.ESTABLISHED, S.SYN_RECV},
    S.SYN_RECV: {S.ESTABLISHED, S.FIN_WAIT_1},
    S.ESTABLISHED: {S.FIN_WAIT_1, S.CLOSE_WAIT},
    S.FIN_WAIT_1: {S.FIN_WAIT_2, S.CLOSING},
    S.FIN_WAIT_2: {S.TIME_WAIT},
    S.CLOSING: {S.TIME_WAIT},
    S.CLOSE_WAIT: {S.LAST_ACK},
    S.LAST_ACK: set(),
    S.TIME_WAIT: set(),
}

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("send", "read", "shutdown", "close", "abort", "keepalive", "wait", "lose", "refuse")
        ),
        st.sampled_from("ab"),
        st.integers(0, 100),
    ),
    max_size=25,
)


def call(wire: Wire, sk: Socket, what: str, number: int) -> None:
    if what == "send":
        sk.send(1 + number * 400, wire.now)
    elif what == "read":
        sk.read(wire.now)
    elif what == "shutdown":
        sk.shutdown(wire.now)
    elif what == "close":
        sk.close(wire.now)
    elif what == "abort":
        sk.abort(wire.now)
    elif what == "keepalive":
        sk.set_keepalive(wire.now, time=1 + number, interval=5, probes=3)


@settings(max_examples=150)
@given(STEPS, st.integers(0, 2**32), st.sampled_from(["2.6.32", "3.10", "4.9", "5.10", "6.18"]))
def test_all_comes_to_an_end(steps: list[tuple[str, str, int]], seed: int, kernel: str) -> None:
    wire = Wire(kernel, seed=seed, start=seed % 1000)
    lots = random.Random(seed)
    client, server = wire.open()
    sockets = {"a": client, "b": server}
    for what, side, number in steps:
        if what == "wait":
            wire.run(number * number * 1000)
        elif what == "lose":
            wire.lost = lambda _, odds=number: lots.randint(0, 99) < odds  # type: ignore[misc]
        elif what == "refuse":
            wire.refused = lambda packet, odds=number, by=side: (  # type: ignore[misc]
                packet.saddr == (A if by == "a" else B) and lots.randint(0, 99) < odds
            )
        elif not sockets[side].is_dead:
            with contextlib.suppress(SocketError):
                call(wire, sockets[side], what, number)
    for sk in sockets.values():
        sk.close(wire.now)
    packets = len(wire.sent)
    wire.run(3600 * SECOND)
    assert wire.next() is None, "something is still to happen"
    assert len(wire.sent) - packets < 3000
    for sk in sockets.values():
        assert sk.state is S.CLOSE
        assert len(wire.happened(HappeningKind.GONE, sk)) == 1
        for change in wire.happened(HappeningKind.STATE, sk):
            assert change.before is not None
            assert change.after is S.CLOSE or change.after in ALLOWED[change.before]
    for host in (wire.a, wire.b):
        assert (host.orphans, host.timewaits) == (0, 0)
        assert list(host.sockets(wire.now)) == []
        assert host.ports.used == {}
        assert host._depth == 0
    at_one_moment: dict[Micros, int] = {}
    for sent in wire.sent:
        at_one_moment[sent.at] = at_one_moment.get(sent.at, 0) + 1
    assert max(at_one_moment.values()) < 500


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 63),
            st.sampled_from([0, 1, -1, 1000, 1 << 31, 70_000]),
            st.sampled_from([0, 1, -1, 1000, 1 << 31]),
            st.integers(0, 2),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.sampled_from(["3.2", "3.10", "6.18"]),
    st.integers(0, 4),
)
def test_segments_from_nowhere_do_no_harm(
    segments: list[tuple[int, int, int, int, bool]], kernel: str, opening: int
) -> None:
    """Whatever arrives: the state machine is kept, and no two hosts talk for ever."""
    wire = Wire(kernel)
    client, server = wire.open()
    wire.b.listen(80, 1, wire.now)
    if opening == 1:
        client.shutdown(wire.now)
    elif opening == 2:
        client.close(wire.now)
    elif opening == 3:
        client.close(wire.now)
        wire.run(100)
        server.close(wire.now)
    wire.run(SECOND)
    for flags, seq, ack, payload, to_listener in segments:
        target = 80 if to_listener else server.lport
        wire.inject(
            Packet(
                *(Family.IPV4, A, B, 6, client.lport, target, TcpFlags(flags)),
                payload=payload,
                seq=server.rcv_nxt + seq & 0xFFFFFFFF,
                ack=server.snd_nxt + ack & 0xFFFFFFFF,
            )
        )
        before = len(wire.sent)
        wire.run(SECOND)
        assert len(wire.sent) - before < 20
    client.close(wire.now)
    server.close(wire.now)
    wire.run(3600 * SECOND)
    for sk in (client, server):
        assert sk.state is S.CLOSE
        for change in wire.happened(HappeningKind.STATE, sk):
            assert change.before is not None
            assert change.after is S.CLOSE or change.after in ALLOWED[change.before]


def test_a_host_may_be_its_own_wire() -> None:
    """Over lo a packet arrives while the call that sends it is at work."""
    kernel = profile("6.18")

    def transmit(packet: Packet, now: Micros) -> bool:
        host.receive(packet, now)
        return True

    host = TcpHost(
        *(kernel, read_end_settings(kernel, {}), [HostAddress(Family.IPV4, A)], transmit),
        lambda low, _: low,
    )
    listener = host.listen(80, 1, 0)
    client = host.connect(0x7F000001, 80, 0)
    server = listener.accept(0)
    assert server is not None
    assert client.laddr == 0x7F000001
    client.send(10, 0)
    assert server.read(0) == 10
    client.close(0)
    server.close(0)
    assert server.state is S.CLOSE
    assert client.state is S.TIME_WAIT


def test_gone_sockets_are_forgotten() -> None:
    wire = Wire(delay=0)
    listener = wire.b.listen(80, 128, 0)
    for _ in range(300):
        client = wire.a.connect(B, 80, wire.now)
        client.set_keepalive(wire.now)
        wire.run(10)
        server = listener.accept(wire.now)
        assert server is not None
        client.send(10, wire.now)
        wire.run(10)
        server.read(wire.now)
        server.close(wire.now)
        client.close(wire.now)
        wire.run(SECOND)
        wire.seen.clear()
        wire.sent.clear()
    assert len(wire.a._table) + len(wire.b._table) < 140  # a minute of TIME_WAIT, at both
    assert len(wire.a.timers._heap) < 1500


def test_two_addresses_and_two_families() -> None:
    kernel = profile("6.18")
    sent: list[Packet] = []

    def transmit(packet: Packet, _: Micros) -> bool:
        sent.append(packet)
        return True

    addresses = [
        HostAddress(Family.IPV4, 0x7F000001),
        HostAddress(Family.IPV4, A),
        HostAddress(Family.IPV6, 5),
    ]
    settings_ = read_end_settings(kernel, {})
    host = TcpHost(kernel, settings_, addresses, transmit, lambda low, _: low)
    host.connect(B, 80, 0)
    host.connect(B, 80, 0, local_address=A + 1)
    host.connect(9, 80, 0, family=Family.IPV6)
    assert [packet.saddr for packet in sent] == [A, A + 1, 5]
    assert sent[0].options is not None
    assert sent[2].options is not None
    assert (sent[0].options.mss, sent[2].options.mss) == (1460, 1440)


@pytest.mark.parametrize(
    "packet",
    [
        Packet(Family.IPV4, B, A, 17, 5, 6),
        Packet(Family.IPV4, B, A, 6),
        Packet(Family.IPV4, B, A, 1, icmp_type=8, icmp_code=0),
        Packet(
            *(Family.IPV4, B, A, 1),
            icmp_type=3,
            icmp_code=3,
            quoted=Packet(Family.IPV4, A, B, 6, 5, 6, TcpFlags.ACK),
        ),
    ],
)
def test_packets_of_no_interest_are_passed_over(packet: Packet) -> None:
    wire = Wire()
    wire.inject(packet)
    assert wire.sent == []
    assert wire.seen == []
