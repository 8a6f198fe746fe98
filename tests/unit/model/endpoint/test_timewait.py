# SPDX-License-Identifier: GPL-2.0-only
"""TIME_WAIT: what ends it, what replaces it, and who is kept out by it.

Sources: RFC 1122, 4.2.2.13; RFC 1337; ip-sysctl.rst for tcp_tw_reuse, tcp_tw_reuse_delay,
tcp_tw_recycle, tcp_max_tw_buckets and tcp_rfc1337; shared kernel-facts, by-version.md 7.4 (a SYN on
TIME_WAIT, tw_recycle); net/ipv4/tcp_minisocks.c.
"""

from __future__ import annotations

import pytest

from ctlint.model.endpoint.happening import Errno, HappeningKind, SocketError
from ctlint.model.endpoint.socket import Socket
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.endpoint.wiring import A, B, Wire

PORT = 45000


def wait_at(
    wire: Wire, *, closes_first: str = "a", local_port: int | None = PORT
) -> tuple[Socket, Socket]:
    """A connection that is over, with TIME_WAIT at one end; the server listens still."""
    listener = wire.b.listen(80, 128, wire.now)
    client = wire.a.connect(B, 80, wire.now, local_port=local_port)
    wire.run(SECOND)
    server = listener.accept(wire.now)
    assert server is not None
    first, last = (client, server) if closes_first == "a" else (server, client)
    first.close(wire.now)
    wire.run(SECOND)
    last.close(wire.now)
    wire.run(SECOND)
    assert TcpState.TIME_WAIT in wire.states(first)
    assert last.state is TcpState.CLOSE
    return client, server


@pytest.mark.parametrize(
    ("kernel", "sysctls", "is_reused"),
    [
        ("3.10", {}, False),
        ("3.10", {"tcp_tw_reuse": 1}, True),
        ("4.18", {}, False),
        ("6.18", {}, False),  # 2: on loopback only
        ("6.18", {"tcp_tw_reuse": 1}, True),
        ("6.18", {"tcp_tw_reuse": 1, "tcp_timestamps": 0}, False),
        ("6.18", {"tcp_tw_reuse": 1, "tcp_tw_reuse_delay": 5000}, False),
        ("6.18", {"tcp_tw_reuse": 0}, False),
    ],
)
def test_reuse_of_a_port_in_time_wait(
    kernel: str, sysctls: dict[str, int], is_reused: bool
) -> None:
    wire = Wire(kernel, sysctls, local_ports=(PORT, PORT))
    old, _ = wait_at(wire, local_port=None)
    wire.run(SECOND)
    if not is_reused:
        with pytest.raises(SocketError) as caught:
            wire.a.connect(B, 80, wire.now)
        assert caught.value.error is Errno.EADDRNOTAVAIL
        return
    new = wire.a.connect(B, 80, wire.now)
    assert wire.sent[-1].packet.seq == (old.snd_nxt + 65535 + 2) & 0xFFFFFFFF
    assert old.state is TcpState.CLOSE
    wire.run(SECOND)
    assert new.state is TcpState.ESTABLISHED


@pytest.mark.parametrize("reuses_address", [True, False])
def test_a_bound_port_in_time_wait_needs_only_so_reuseaddr(reuses_address: bool) -> None:
    # tcp_twsk_unique: without a second argument tcp_tw_reuse is not asked.
    wire = Wire("6.18", {"tcp_tw_reuse": 0})
    wait_at(wire)
    if reuses_address:
        client = wire.a.connect(B, 80, wire.now, local_port=PORT)
        wire.run(SECOND)
        assert client.state is TcpState.ESTABLISHED
    else:
        with pytest.raises(SocketError) as caught:
            wire.a.connect(B, 80, wire.now, local_port=PORT, reuses_address=False)
        assert caught.value.error is Errno.EADDRINUSE


def test_a_syn_on_time_wait_opens_a_new_connection() -> None:
    wire = Wire()
    _, old = wait_at(wire, closes_first="b")
    at = wire.now
    client = wire.a.connect(B, 80, at, local_port=PORT)
    wire.run(SECOND)
    assert old.state is TcpState.CLOSE
    assert client.state is TcpState.ESTABLISHED
    syn_ack = next(one.packet for one in wire.sent if one.at >= at and one.letters == "SA")
    assert syn_ack.seq == (old.snd_nxt + 65535 + 2) & 0xFFFFFFFF


def test_an_old_syn_on_time_wait_is_acknowledged_and_the_client_resets() -> None:
    wire = Wire("6.18", {"tcp_timestamps": 0})
    _, old = wait_at(wire, closes_first="b")
    wire.run(30 * SECOND)
    at = wire.now
    client = wire.a.connect(B, 80, at, local_port=PORT)
    # A SYN before what the old connection sent: as after 137 s of a quick reuse.
    syn = wire.sent[-1].packet
    wire._under_way.clear()
    client.close(at)
    wire.inject(syn._replace(seq=old.rcv_nxt - 1000 & 0xFFFFFFFF))
    assert wire.trace(at)[-1] == "bA"
    wire.run(SECOND)
    # The client's socket is gone here, so that its host resets.
    assert wire.trace(at)[-1] == "aR"
    assert old.state is TcpState.CLOSE  # RFC 1337: assassinated


@pytest.mark.parametrize(("rfc1337", "state"), [(0, TcpState.CLOSE), (1, TcpState.TIME_WAIT)])
def test_a_reset_in_time_wait(rfc1337: int, state: TcpState) -> None:
    wire = Wire("6.18", {"tcp_rfc1337": rfc1337})
    _, old = wait_at(wire, closes_first="b")
    wire.inject(Packet(old.family, A, B, 6, PORT, 80, TcpFlags.RST, seq=old.rcv_nxt))
    assert old.state is state


def test_a_fin_that_comes_again_is_acknowledged_and_begins_the_minute_anew() -> None:
    wire = Wire("3.10")
    listener = wire.b.listen(80, 1, 0)
    client = wire.a.connect(B, 80, 0)
    wire.run(SECOND)
    server = listener.accept(wire.now)
    assert server is not None
    client.close(wire.now)
    wire.run(SECOND)
    wire.lost = lambda packet: packet.saddr == A
    server.close(wire.now)
    wire.run(10 * SECOND)
    assert server.state is TcpState.LAST_ACK
    wire.lost = lambda _: False
    wire.run(20 * SECOND)
    assert server.is_closed
    again = [one.at for one in wire.sent if one.letters == "FA" and one.by == "b"][-1]
    wire.run(100 * SECOND)
    gone = wire.gone_at(client)
    assert gone is not None
    assert (gone - again) / SECOND == pytest.approx(60, abs=0.1)


def test_too_many_are_not_kept() -> None:
    wire = Wire("6.18", {"tcp_max_tw_buckets": 0})
    client, server = wire.open()
    client.close(wire.now)
    server.close(wire.now)
    wire.run(SECOND)
    assert TcpState.TIME_WAIT not in wire.states(client) + wire.states(server)
    assert client.state is TcpState.CLOSE


@pytest.mark.parametrize(
    ("kernel", "recycle", "is_heard"), [("3.10", 1, False), ("3.10", 0, True), ("4.12", 1, True)]
)
def test_recycling_keeps_out_who_shares_an_address(
    kernel: str, recycle: int, is_heard: bool
) -> None:
    # incidents.md, I5 (a): another client behind the same address has a lower timestamp.
    wire = Wire(kernel, sysctls_b={"tcp_tw_recycle": recycle})
    wait_at(wire, closes_first="b")
    wire.a._stamp_base -= 3600 * SECOND
    at = wire.now
    other = wire.a.connect(B, 80, at)
    wire.run(20 * SECOND)
    assert (other.state is TcpState.ESTABLISHED) == is_heard
    assert bool(wire.b.peers.rejections) != is_heard
    if not is_heard:
        assert set(wire.trace(at)) == {"aS"}
        wire.run(100 * SECOND)  # a minute later the old timestamp is forgotten
        assert other.state is TcpState.ESTABLISHED


def test_recycling_makes_time_wait_short() -> None:
    wire = Wire("3.10", {"tcp_tw_recycle": 1})
    client, _ = wait_at(wire)
    wire.run(2 * SECOND)
    assert wire.gone_at(client) is not None
    assert wire.happened(HappeningKind.GONE, client)
