# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's log: lines as Linux 6.18 and older ones write them, behind the stamps of dmesg,
journalctl and syslog.
"""

from __future__ import annotations

import pytest

from ctlint.ir.evidence import LoggedEvent, LoggedPacket
from ctlint.parse import kernel_log
from ctlint.parse.kernel_log import parse_kernel_log
from ctlint.wire.addresses import Family
from ctlint.wire.tcp_flags import TcpFlags

_FIN = (
    "IN= OUT=eth0 SRC=10.0.0.5 DST=10.0.0.9 LEN=52 TOS=0x00 PREC=0x00 TTL=64 ID=7 DF PROTO=TCP "
    "SPT=44321 DPT=443 WINDOW=502 RES=0x00 ACK FIN URGP=0 "
)
_STAMPS = {
    "": None,
    "[  812.402211] ": 812_402_211,
    "<4>[12.5] ": 12_500_000,
    "[Mon Nov 30 02:12:13 2026] ": None,
    "Nov 30 02:12:13 gw kernel: ": None,
    "Nov  3 02:12:13 gw kernel: [    1.000002] ": 1_000_002,
    "2026-11-30T02:12:13.123456+00:00 gw kernel: ": None,
}


@pytest.mark.parametrize("stamp", _STAMPS)
@pytest.mark.parametrize(
    "prefix", ["", "[iptables] OUTPUT INVALID: ", "nf_ct_proto_6: bad checksum "]
)
def test_packets(stamp: str, prefix: str) -> None:
    (packet,) = parse_kernel_log(f"\n{stamp}{prefix}{_FIN}\n", "t").packets
    assert packet == LoggedPacket(
        prefix.strip(),
        prefix.startswith("nf_ct"),
        Family.IPV4,
        0x0A000005,
        0x0A000009,
        44321,
        443,
        TcpFlags.FIN | TcpFlags.ACK,
        _STAMPS[stamp],
        2,
    )


def test_what_is_no_whole_packet_of_tcp() -> None:
    udp = _FIN.replace("PROTO=TCP", "PROTO=UDP")
    log = parse_kernel_log(f"{udp}\n{_FIN[:100]}\n{_FIN[:140]}\nIN= OUT=\nx OUT=y\n", "t")
    assert log.packets == ()


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("nf_conntrack: nf_conntrack: table full, dropping packet", ("table full", None)),
        ("nf_conntrack: table full, dropping packet.", ("table full", None)),
        ("ip_conntrack: table full, dropping packet.", ("table full", None)),
        (
            "TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:8080. Dropping request.",
            ("SYN flooding", 8080),
        ),
        (
            "TCP: request_sock_TCPv6: Possible SYN flooding on port [::]:80. Sending cookies.",
            ("SYN flooding", 80),
        ),
        (
            "TCP: TCP: Possible SYN flooding on port 80. Sending cookies.  Check SNMP counters.",
            ("SYN flooding", 80),
        ),
        ("possible SYN flooding on port 80. Sending cookies.", ("SYN flooding", 80)),
    ],
)
def test_events(line: str, event: tuple[str, int | None]) -> None:
    (found,) = parse_kernel_log(f"[1.5] {line}\n", "t").events
    assert found == LoggedEvent(*event, line, 1)


def test_the_newest_packets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_log, "MAX_PACKETS", 2)
    log = parse_kernel_log(f"{_FIN}\n" * 5, "t")
    assert [packet.line for packet in log.packets] == [4, 5]
    assert log.left_out == 3
