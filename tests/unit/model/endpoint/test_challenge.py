# SPDX-License-Identifier: GPL-2.0-only
"""A SYN for a connection of which only the server knows still.

Sources: shared kernel-facts, by-version.md section 8, across-kernels.md section 4 (real sockets);
incidents.md, I3 for 3.10; RFC 5961.
"""

from __future__ import annotations

import pytest

from ctlint.model.endpoint.happening import Errno, HappeningKind
from ctlint.model.endpoint.socket import Socket
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.endpoint.wiring import A, B, Wire

PORT = 45000


def leave_server_behind(wire: Wire) -> Socket:
    """The server leaks its socket: it stays in CLOSE_WAIT, the client's is gone."""
    listener = wire.b.listen(8080, 128, wire.now)
    client = wire.a.connect(B, 8080, wire.now, local_port=PORT)
    wire.run(SECOND)
    server = listener.accept(wire.now)
    assert server is not None
    client.close(wire.now)
    wire.run(160 * SECOND)
    assert wire.gone_at(client) is not None
    assert server.state is TcpState.CLOSE_WAIT
    return server


@pytest.mark.parametrize(
    ("client_kernel", "server_kernel", "trace", "low", "high"),
    [
        # The SYN follows the reset within milliseconds since 5.7, before after its second.
        ("6.18", "6.18", ["aS", "bA", "aR", "aS", "bSA", "aA"], 0.004, 0.030),
        ("5.10", "5.10", ["aS", "bA", "aR", "aS", "bSA", "aA"], 0.004, 0.030),
        ("5.4", "5.4", ["aS", "bA", "aR", "aS", "bSA", "aA"], 1.0, 1.1),
        ("rhel7", "rhel7", ["aS", "bA", "aR", "aS", "bSA", "aA"], 1.0, 1.1),
        # Up to 3.5 the SYN itself resets; from 3.8 to 3.17 it is passed over.
        ("6.18", "3.5", ["aS", "bRA"], None, None),
    ],
)
def test_connect_meets_a_leaked_socket(
    client_kernel: str, server_kernel: str, trace: list[str], low: float | None, high: float | None
) -> None:
    wire = Wire(client_kernel, kernel_b=server_kernel)
    server = leave_server_behind(wire)
    at = wire.now
    client = wire.a.connect(B, 8080, at, local_port=PORT)
    if server_kernel == "3.5":
        # The window begins where the old connection ended: such a SYN is rare.
        syn = wire.sent[-1].packet
        wire.inject(syn._replace(seq=server.rcv_nxt + 1))
        assert server.state is TcpState.CLOSE
        return
    wire.run(10 * SECOND)
    assert wire.trace(at) == trace
    (connected,) = wire.happened(HappeningKind.CONNECTED, client)
    assert low is not None
    assert high is not None
    assert low <= (connected.at - at) / SECOND <= high
    assert server.state is TcpState.CLOSE


@pytest.mark.parametrize("kernel", ["3.8", "3.10", "3.16"])
def test_servers_of_3_8_to_3_17_say_nothing(kernel: str) -> None:
    wire = Wire("6.18", kernel_b=kernel)
    leave_server_behind(wire)
    at = wire.now
    client = wire.a.connect(B, 8080, at, local_port=PORT)
    wire.run(200 * SECOND)
    assert set(wire.trace(at)) == {"aS"}
    (failed,) = wire.happened(HappeningKind.CONNECT_FAILED, client)
    assert failed.error is Errno.ETIMEDOUT


def test_connect_times_out_where_the_reset_is_dropped() -> None:
    # across-kernels.md, 6.0.0 out-drop-160s: 129.5 s, 7 SYNs, 6 RSTs.
    wire = Wire("6.0")
    leave_server_behind(wire)
    wire.refused = lambda packet: packet.flags == TcpFlags.RST
    at = wire.now
    client = wire.a.connect(B, 8080, at, local_port=PORT)
    wire.run(200 * SECOND)
    (failed,) = wire.happened(HappeningKind.CONNECT_FAILED, client)
    assert failed.error is Errno.ETIMEDOUT
    assert (failed.at - at) / SECOND == pytest.approx(129.5, abs=2)
    assert wire.trace(at).count("aS") == 7
    assert wire.trace(at).count("aR") == 6


def test_the_new_number_is_ahead_of_the_old_ones_for_137_seconds() -> None:
    # across-kernels.md: +125 M after 8.03 s, -1794 M after 160.0 s (2**32 in 274.9 s).
    for after, difference in ((8.03, 125.5e6), (160.0, -1794e6)):
        wire = Wire()
        wire.a.connect(B, 80, 0, local_port=PORT).abort(0)
        wire.run(round(after * SECOND))
        wire.a.connect(B, 80, wire.now, local_port=PORT)
        one, other = (sent.packet.seq for sent in wire.sent if sent.letters == "S")
        moved = (other - one) & 0xFFFFFFFF
        moved -= (moved >> 31) << 32
        assert moved == pytest.approx(difference, rel=0.01)


def to_server(wire: Wire, server: Socket, flags: TcpFlags, offset: int) -> list[str]:
    """A segment so far from what the server expects, and what it says."""
    at = wire.now
    before = len(wire.sent)
    wire.inject(
        Packet(
            *(server.family, A, B, 6, server.rport, server.lport, flags),
            seq=server.rcv_nxt + offset & 0xFFFFFFFF,
            ack=server.snd_nxt if flags & TcpFlags.ACK else 0,
        )
    )
    assert wire.now == at
    return [one.by + one.letters for one in wire.sent[before:]]


@pytest.mark.parametrize(
    ("kernel", "offset", "is_reset", "said"),
    [
        ("6.18", 0, True, []),
        ("6.18", 1, False, ["bA"]),  # RFC 5961, 3.2
        ("6.18", -1, False, []),
        ("6.18", 10_000_000, False, []),
        ("3.5", 1, True, []),
        ("3.5", 10_000_000, False, []),
    ],
)
def test_resets(kernel: str, offset: int, is_reset: bool, said: list[str]) -> None:
    wire = Wire(kernel)
    _, server = wire.open()
    assert to_server(wire, server, TcpFlags.RST, offset) == said
    assert (server.state is TcpState.CLOSE) == is_reset


@pytest.mark.parametrize(("kernel", "is_reset"), [("4.9", False), ("4.12", True), ("6.18", True)])
def test_a_reset_from_before_the_fin(kernel: str, is_reset: bool) -> None:
    wire = Wire(kernel)
    client, server = wire.open()
    client.shutdown(wire.now)
    wire.run(SECOND)
    assert server.state is TcpState.CLOSE_WAIT
    to_server(wire, server, TcpFlags.RST, -1)
    assert server.is_closed == is_reset


@pytest.mark.parametrize(("kernel", "answers"), [("3.18", 5), ("6.18", 1)])
def test_a_socket_answers_twice_a_second_at_most(kernel: str, answers: int) -> None:
    wire = Wire(kernel)
    _, server = wire.open()
    said = [to_server(wire, server, TcpFlags.SYN, 5) for _ in range(5)]
    assert sum(map(len, said)) == answers
    wire.run(SECOND // 2 + 4000)
    assert to_server(wire, server, TcpFlags.SYN, 5) == ["bA"]


def test_a_host_answers_so_many_a_second() -> None:
    wire = Wire("3.18")  # 100 a second, and nothing for each socket
    _, server = wire.open()
    said = [to_server(wire, server, TcpFlags.SYN, 5) for _ in range(150)]
    assert sum(map(len, said)) == 100
    wire.run(SECOND)
    assert to_server(wire, server, TcpFlags.SYN, 5) == ["bA"]


def test_segments_with_an_old_timestamp_are_acknowledged_and_passed_over() -> None:
    # RFC 7323, section 5.3: R1.
    wire = Wire()
    client, server = wire.open()
    client.send(10, wire.now)
    segment = wire.sent[-1].packet
    assert segment.options is not None
    assert segment.options.timestamps is not None
    value, echo = segment.options.timestamps
    wire._under_way.clear()
    old = segment.options._replace(timestamps=(value - 100_000 & 0xFFFFFFFF, echo))
    before = len(wire.sent)
    wire.inject(segment._replace(options=old))
    assert [one.by + one.letters for one in wire.sent[before:]] == ["bA"]
    assert server.unread == 0
    wire.inject(segment)
    assert server.unread == 10


def test_a_syn_ack_of_both_is_challenged() -> None:
    wire = Wire()
    _, server = wire.open()
    assert to_server(wire, server, TcpFlags.SYN | TcpFlags.ACK, 0) == ["bA"]
    assert server.state is TcpState.ESTABLISHED


@pytest.mark.parametrize(
    ("flags", "ack", "said"),
    # RFC 5961, section 5: an ACK that is too old is challenged, one of the future passed over.
    [("A", -10, []), ("A", -1_000_000, ["bA"]), ("A", 1, [])],
)
def test_acks_that_are_old_or_of_the_future(flags: str, ack: int, said: list[str]) -> None:
    wire = Wire()
    _, server = wire.open()
    packet = Packet(
        *(server.family, A, B, 6, server.rport, server.lport, TcpFlags.parse(flags)),
        seq=server.rcv_nxt,
        ack=server.snd_nxt + ack & 0xFFFFFFFF,
        window=100,
    )
    before = len(wire.sent)
    wire.inject(packet)
    assert [one.by + one.letters for one in wire.sent[before:]] == said
    assert server.snd_una == server.snd_nxt


def test_an_old_syn_of_old_kernels() -> None:
    # by-version.md 8.1: up to 3.5 out of the window a duplicate ACK, in it a reset.
    wire = Wire("3.5")
    _, server = wire.open()
    assert to_server(wire, server, TcpFlags.SYN, -1_000_000) == ["bA"]
    assert server.state is TcpState.ESTABLISHED
    assert to_server(wire, server, TcpFlags.SYN, 100) == ["bRA"]
    assert server.is_closed


@pytest.mark.parametrize(("letters", "state"), [("R", "SYN_SENT"), ("RA", "CLOSE")])
def test_resets_for_a_syn(letters: str, state: str) -> None:
    wire = Wire()
    wire.lost = lambda _: True
    client = wire.a.connect(B, 80, 0)
    syn = wire.sent[-1].packet
    answer = Packet(
        *(client.family, B, A, 6, 80, client.lport, TcpFlags.parse(letters)),
        seq=0,
        ack=syn.seq + 1 & 0xFFFFFFFF,
    )
    wire.inject(answer)
    assert client.state is TcpState[state]
    if state == "SYN_SENT":
        # A RST/ACK of another number is not answered, nor believed.
        wire.inject(answer._replace(flags=TcpFlags.parse("RA"), ack=5))
        assert client.state is TcpState.SYN_SENT
        wire.inject(answer._replace(flags=TcpFlags.parse("A")))
        assert client.state is TcpState.SYN_SENT
        assert wire.trace() == ["aS"]


@pytest.mark.parametrize(("kernel", "said"), [("3.2", []), ("4.12", []), ("4.13", ["aA"])])
def test_an_ack_of_the_future_in_fin_wait(kernel: str, said: list[str]) -> None:
    # Found by chance: two ends that answer each other's ACKs would never stop. Kernels that do have
    # tcp_invalid_ratelimit.
    wire = Wire(kernel)
    client, _ = wire.open()
    client.shutdown(wire.now)
    wire.run(SECOND)
    assert client.state is TcpState.FIN_WAIT_2
    future = Packet(
        *(client.family, B, A, 6, client.rport, client.lport, TcpFlags.ACK),
        seq=client.rcv_nxt,
        ack=client.snd_nxt + 1 & 0xFFFFFFFF,
    )
    before = len(wire.sent)
    for _ in range(3):
        wire.inject(future)
    assert [one.by + one.letters for one in wire.sent[before:]] == said
