# SPDX-License-Identifier: GPL-2.0-only
"""What ICMP errors do to sockets.

Sources: RFC 5461, section 2; icmp(7) and net/ipv4/icmp.c, icmp_err_convert; ip(7).
"""

from __future__ import annotations

import pytest

from ctlint.model.endpoint.happening import Errno, HappeningKind
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP
from tests.unit.model.endpoint.wiring import A, B, Wire


def error(quoted: Packet, code: int, kind: int = 3) -> Packet:
    return Packet(Family.IPV4, B, A, ICMP, icmp_type=kind, icmp_code=code, quoted=quoted)


@pytest.mark.parametrize(
    ("kind", "code", "errno"),
    [
        (3, 0, Errno.ENETUNREACH),
        (3, 1, Errno.EHOSTUNREACH),
        (3, 2, Errno.ENOPROTOOPT),
        (3, 3, Errno.ECONNREFUSED),
        (3, 9, Errno.ENETUNREACH),
        (3, 10, Errno.EHOSTUNREACH),
        (3, 13, Errno.EHOSTUNREACH),
        (11, 0, Errno.EHOSTUNREACH),
    ],
)
def test_an_error_ends_a_connect(kind: int, code: int, errno: Errno) -> None:
    wire = Wire()
    wire.lost = lambda _: True
    client = wire.a.connect(B, 80, 0)
    wire.run(100)
    wire.inject(error(wire.sent[0].packet, code, kind))
    (failed,) = wire.happened(HappeningKind.CONNECT_FAILED, client)
    assert failed.error is errno
    assert client.state is TcpState.CLOSE


def test_a_syn_that_the_host_itself_rejects_fails_with_its_second() -> None:
    # Measured on 6.18.44, REJECT in OUTPUT: connect() fails after 1.001 s with an ICMP error, at
    # once with a reset.
    wire = Wire()

    def reject(packet: Packet) -> bool:
        wire.a.receive(error(packet, 3), wire.now)
        return True

    wire.refused = reject
    client = wire.a.connect(B, 80, 0)
    assert client.state is TcpState.SYN_SENT
    wire.run(3 * SECOND)
    (failed,) = wire.happened(HappeningKind.CONNECT_FAILED, client)
    assert failed.error is Errno.ECONNREFUSED
    assert failed.at / SECOND == pytest.approx(1, abs=0.03)


def test_an_error_about_another_number_is_passed_over() -> None:
    wire = Wire()
    wire.lost = lambda _: True
    client = wire.a.connect(B, 80, 0)
    wire.inject(error(wire.sent[0].packet._replace(seq=5), 3))
    wire.inject(error(wire.sent[0].packet._replace(sport=5), 3))
    assert client.state is TcpState.SYN_SENT


def test_an_error_does_not_end_a_connection_but_says_why_it_ended() -> None:
    wire = Wire("3.10")
    client, _ = wire.open()
    wire.lost = lambda _: True
    client.send(10, wire.now)
    wire.inject(error(wire.sent[-1].packet, 1))
    wire.run(2000 * SECOND)
    (failed,) = wire.happened(HappeningKind.TIMED_OUT, client)
    assert failed.error is Errno.EHOSTUNREACH


def test_an_error_about_a_syn_ack_drops_the_request() -> None:
    wire = Wire()
    listener = wire.b.listen(80, 1, 0)
    wire.lost = lambda packet: packet.saddr == B
    wire.a.connect(B, 80, 0)
    wire.run(SECOND // 2)
    assert listener.requests == 1
    syn_ack = wire.sent[-1].packet
    quote = Packet(Family.IPV4, A, B, ICMP, icmp_type=3, icmp_code=3, quoted=syn_ack)
    wire.inject(quote)
    assert listener.requests == 0
