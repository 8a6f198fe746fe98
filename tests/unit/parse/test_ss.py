# SPDX-License-Identifier: GPL-2.0-only
"""What ss prints. The lines are those of ss of iproute2 6.1 on Linux 6.18, and of older ones as
misc/ss.c of their time prints them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.ir.evidence import Process, SocketEnd, SocketTable, SocketTimer
from ctlint.parse.errors import ParseError
from ctlint.parse.ss import parse_ss, read_span
from ctlint.wire.addresses import Family, parse_ipv6
from tests.corpus import corpus_files

_LOOPBACK = 0x7F000001

_OF_6_1 = """\
State      Recv-Q Send-Q Local Address:Port  Peer Address:Port Process      \n\
LISTEN     0      2          127.0.0.1:80         0.0.0.0:*     users:(("python3",pid=24770,fd=3)) ino:12021992 sk:227a cgroup:unreachable:1 <->
\t bbr cwnd:10      \n\
FIN-WAIT-1 0      1          127.0.0.1:54348    127.0.0.1:80    timer:(persist,6.488ms,5) ino:0 sk:227b cgroup:unreachable:1 ---
\t ts sack bbr wscale:10,10 rto:204 backoff:5 rtt:0.036/0.018 cwnd:10 bbr:(bw:0bps,mrtt:0.036) send 72757777778bps notsent:1 minrtt:0.036
"""  # noqa: E501


def _problems(text: str) -> list[str]:
    with pytest.raises(ParseError) as caught:
        parse_ss(text, "t")
    return [f"{p.span.line}:{p.span.column}: {p.message}" for p in caught.value.problems]


def test_iproute2_6_1() -> None:
    table = parse_ss(_OF_6_1, "t")
    listener, closing = table.sockets
    assert (listener.state, listener.recv_q, listener.send_q) == ("LISTEN", 0, 2)
    assert listener.local == SocketEnd(Family.IPV4, _LOOPBACK, 80)
    assert listener.peer == SocketEnd(Family.IPV4, None, None)
    assert listener.processes == (Process("python3", 24770),)
    assert (closing.state, closing.span.line) == ("FIN_WAIT_1", 4)
    assert closing.timer == SocketTimer("persist", 6_488_000, 6_489_000, 5)
    assert closing.number("rto") == 204
    assert closing.number("notsent") == 1
    assert closing.word("rtt") == "0.036/0.018"
    assert closing.number("ino") == 0
    assert closing.word("nosuch") is None
    assert table.has_owners
    assert table.has_timers


def test_without_options() -> None:
    table = parse_ss("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n", "t")
    assert table == SocketTable("t", (), has_owners=False, has_timers=False)
    table = parse_ss("ESTAB 0 0 10.0.0.1:22 10.0.0.2:5000\n", "t")
    assert (table.has_owners, table.has_timers) == (False, False)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("[fe80::1]%eth0:22", SocketEnd(Family.IPV6, parse_ipv6("fe80::1"), 22, "eth0")),
        ("[fe80::1%eth0]:22", SocketEnd(Family.IPV6, parse_ipv6("fe80::1"), 22, "eth0")),
        ("fe80::1%eth0:22", SocketEnd(Family.IPV6, parse_ipv6("fe80::1"), 22, "eth0")),
        (":::22", SocketEnd(Family.IPV6, None, 22)),
        ("[::]:*", SocketEnd(Family.IPV6, None, None)),
        ("*:22", SocketEnd(None, None, 22)),
        ("::ffff:10.0.0.1:22", SocketEnd(Family.IPV4, 0x0A000001, 22)),
        ("[::ffff:10.0.0.1]:22", SocketEnd(Family.IPV4, 0x0A000001, 22)),
        ("127.0.0.53%lo:domain", SocketEnd(Family.IPV4, 0x7F000035, 53, "lo")),
    ],
)
def test_ends(text: str, end: SocketEnd) -> None:
    (socket,) = parse_ss(f"LISTEN 0 128 {text} *:*\n", "t").sockets
    assert socket.local == end


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        # print_ms_timer(): milliseconds below ten seconds, seconds below ten minutes.
        ("", 0, 1_000),
        ("345ms", 345_000, 346_000),
        ("2.345ms", 2_345_000, 2_346_000),
        ("9sec", 9_000_000, 9_001_000),
        ("23sec", 23_000_000, 24_000_000),
        ("1min5sec", 65_000_000, 66_000_000),
        ("2min", 120_000_000, 121_000_000),
        ("119min", 7_140_000_000, 7_200_000_000),
    ],
)
def test_spans(text: str, least: int, most: int) -> None:
    assert read_span(text) == (least, most)


def test_other_sockets_are_passed_over() -> None:
    text = (
        "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
        "udp   UNCONN 0      0      0.0.0.0:68         0.0.0.0:*\n"
        "\t skmem:(r0)\n"
        "u_str ESTAB  0      0      * 12              * 13\n"
        "tcp   ESTAB  0      0      10.0.0.1:22        10.0.0.2:5000\n"
    )
    (socket,) = parse_ss(text, "t").sockets
    assert socket.state == "ESTABLISHED"


def test_names_of_programs_hold_anything() -> None:
    words = 'users:(("a b (c",pid=12,fd=3),("d",pid=13,fd=4)) timer:(keepalive,1min2sec,0)'
    (socket,) = parse_ss(f"ESTAB 0 0 10.0.0.1:22 10.0.0.2:5000 {words}\n", "t").sockets
    assert socket.processes == (Process("a b (c", 12), Process("d", 13))
    assert socket.timer == SocketTimer("keepalive", 62_000_000, 63_000_000, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ESTAB 0 0 10.0.0.1:22", "1:22: expected an address with a port at the end"),
        ("FIN_WAIT1 0 0 a:1 b:2", "1:1: expected the state of a socket, found 'FIN_WAIT1'"),
        ("ESTAB 0 x 1.2.3.4:1 1.2.3.4:2", "1:9: expected a number of bytes, found 'x'"),
        ("ESTAB 0 0 1.2.3.400:1 1.2.3.4:2", "1:11: '1.2.3.400' is not an IPv4 address"),
        ("ESTAB 0 0 1.2.3.4:1 1.2.3.4:99999", "1:21: port 99999 is more than 65535"),
        ("ESTAB 0 0 [fe80::1:1 1.2.3.4:2", "1:11: '[fe80::1:1': the bracket does not close"),
        (
            "ESTAB 0 0 1.2.3.4:1 1.2.3.4:2 timer:(on,3x,4)",
            "1:41: '3x' is no span of time as ss writes them",
        ),
        ("\t cubic", "1:1: no socket stands above this line"),
    ],
)
def test_problems(text: str, problem: str) -> None:
    assert _problems(text) == [problem]


def test_all_lines_are_read_for_problems() -> None:
    text = "x\nESTAB 0 0 1.2.3.4:1 1.2.3.4:2\ny\n"
    assert [each.split(":")[0] for each in _problems(text)] == ["1", "3"]


@pytest.mark.corpus
@pytest.mark.parametrize(
    "path", corpus_files("generated/*/ss-tan.txt"), ids=lambda p: p.parent.name
)
def test_corpus(path: Path) -> None:
    text = path.read_text()
    assert len(parse_ss(text, str(path)).sockets) == len(text.splitlines()) - 1
