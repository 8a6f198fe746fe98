# SPDX-License-Identifier: GPL-2.0-only
"""Counters in the three forms in which they are printed; netstat's sentences are those of
statistics.c of net-tools.
"""

from __future__ import annotations

import pytest

from ctlint.parse.counters import parse_counters
from ctlint.parse.errors import ParseError

_NSTAT = """\
#kernel
IpInReceives                    32273              0.0
TcpExtListenOverflows           12                 0.0
TcpExtTCPReqQFullDrop           3                  0.0
"""
_NETSTAT = """\
Tcp:
    282 active connection openings
    4 segments retransmitted
TcpExt:
    12 times the listen queue of a socket overflowed
    13 SYNs to LISTEN sockets dropped
    5 passive connections rejected because of time stamp
    Quick ack mode was activated 36 times
    TCPReqQFullDrop: 3
IpExt:
"""
_PROC = """\
TcpExt: SyncookiesSent ListenOverflows TCPReqQFullDrop
TcpExt: 0 12 3
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm MaxConn
Tcp: 1 -1
"""


def test_nstat() -> None:
    values = parse_counters(_NSTAT, "t").values
    assert values == {
        "IpInReceives": 32273,
        "TcpExtListenOverflows": 12,
        "TcpExtTCPReqQFullDrop": 3,
    }


def test_netstat() -> None:
    values = parse_counters(_NETSTAT, "t").values
    assert values["TcpActiveOpens"] == 282
    assert values["TcpRetransSegs"] == 4
    assert values["TcpExtListenOverflows"] == 12
    assert values["TcpExtListenDrops"] == 13
    assert values["TcpExtPAWSPassive"] == 5
    assert values["TcpExtTCPReqQFullDrop"] == 3


def test_proc() -> None:
    values = parse_counters(_PROC, "t").values
    assert values["TcpExtListenOverflows"] == 12
    assert values["TcpMaxConn"] == -1
    assert values["IpDefaultTTL"] == 64


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#kernel\nIpInReceives many 0.0\n", "2:14: expected a number, found 'many'"),
        ("#kernel\n12 IpInReceives\n", "2:1: expected the name of a counter, found '12'"),
        (
            "TcpExt: One Two\nTcpExt: 1\n",
            "2:1: these values of TcpExt do not fit the names in the line above",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_counters(text, "t")
    (found,) = caught.value.problems
    assert f"{found.span.line}:{found.span.column}: {found.message}" == problem
