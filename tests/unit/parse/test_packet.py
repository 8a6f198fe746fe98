# SPDX-License-Identifier: GPL-2.0-only
"""The three ways to write a packet. Log lines and tcpdump lines have the form of the sources that
ctlint/parse/packet.py names.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.parse.errors import ParseError
from ctlint.parse.packet import PacketText, parse_packet
from ctlint.wire.addresses import Family
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

_A, _B = 0x0A000005, 0x0A000009
_A6, _B6 = (0xFD00 << 112) + 1, (0xFD00 << 112) + 2
_FIN_ACK = TcpFlags.FIN | TcpFlags.ACK
_SYN = TcpFlags.SYN


def _tcp(flags: TcpFlags, payload: int = 0) -> Packet:
    return Packet(Family.IPV4, _A, _B, TCP, 44321, 443, flags, payload=payload)


def _udp(payload: int = 0) -> Packet:
    return Packet(Family.IPV4, _A, _B, UDP, 5353, 53, payload=payload)


def _icmp(kind: int, code: int = 0) -> Packet:
    return Packet(Family.IPV4, _A, _B, ICMP, icmp_type=kind, icmp_code=code)


def _icmp6(kind: int, code: int = 0) -> Packet:
    return Packet(Family.IPV6, _A6, _B6, ICMPV6, icmp_type=kind, icmp_code=code)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("10.0.0.5:44321 > 10.0.0.9:443 FIN,ACK", _tcp(_FIN_ACK)),
        ("  10.0.0.5:44321>10.0.0.9:443  fa\n", _tcp(_FIN_ACK)),
        ("10.0.0.5:44321 -> 10.0.0.9:https tcp S", _tcp(_SYN)),
        ("10.0.0.5:44321 → 10.0.0.9:443 SYN", _tcp(_SYN)),
        ("10.0.0.5:44321 > 10.0.0.9:443 none", _tcp(TcpFlags(0))),
        ("10.0.0.5:44321 > 10.0.0.9:443 PA seq=7 ack=4294967295 win=65535 len=10",
         _tcp(TcpFlags.PSH | TcpFlags.ACK, 10)),
        ("10.0.0.5:5353 > 10.0.0.9:domain udp", _udp()),
        ("10.0.0.5:5353 > 10.0.0.9:53 UDP len=12", _udp(12)),
        ("10.0.0.5 > 10.0.0.9 icmp echo-request", _icmp(8)),
        ("10.0.0.5 > 10.0.0.9 icmp 8", _icmp(8)),
        ("10.0.0.5 > 10.0.0.9 icmp 3/1", _icmp(3, 1)),
        ("10.0.0.5 > 10.0.0.9 icmp port-unreachable", _icmp(3, 3)),
        ("10.0.0.5 > 10.0.0.9 esp", Packet(Family.IPV4, _A, _B, 50)),
        ("10.0.0.5 > 10.0.0.9 99", Packet(Family.IPV4, _A, _B, 99)),
        ("[fd00::1]:4000 > [fd00::2]:443 S", Packet(Family.IPV6, _A6, _B6, TCP, 4000, 443, _SYN)),
        ("fd00::1 > [fd00::2] icmpv6 echo-request", _icmp6(128)),
        ("fd00::1 > fd00::2 icmp 1/4", _icmp6(1, 4)),
    ],
)  # fmt: skip
def test_described(text: str, packet: Packet) -> None:
    assert parse_packet(text) == PacketText(packet)


def bare(text: PacketText) -> PacketText:
    """The packet and its interfaces, without what else the text says."""
    packet = text.packet._replace(ttl=64, tos=0, icmp_id=0, options=None, quoted=None)
    return PacketText(packet, text.in_interface, text.out_interface)


_IP = "IP 10.0.0.5.44321 > 10.0.0.9.443: "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_IP + "Flags [F.], seq 1, ack 1, win 502, length 0", PacketText(_tcp(_FIN_ACK))),
        (_IP + "Flags [none], win 502, length 0", PacketText(_tcp(TcpFlags(0)))),
        (_IP + "Flags [SEW], seq 1", PacketText(_tcp(_SYN | TcpFlags.ECE | TcpFlags.CWR))),
        (
            "12:34:56.123456 IP 10.0.0.5.44321 > 10.0.0.9.https: Flags [P.], seq 1:11, ack 1, "
            "win 502, options [nop,nop,TS val 1 ecr 2], length 10: HTTP, length: 10",
            PacketText(_tcp(TcpFlags.PSH | TcpFlags.ACK, 10)),
        ),
        (
            "2024-01-31 12:34:56.1 eth0  In  " + _IP + "Flags [S], seq 1, win 9, length 0",
            PacketText(_tcp(_SYN), "eth0", None),
        ),
        (
            "1706700000.123456 br-lan Out " + _IP + "Flags [S], seq 1, win 9, length 0",
            PacketText(_tcp(_SYN), "", "br-lan"),
        ),
        (
            "IP6 fd00::1.4000 > fd00::2.443: Flags [S], seq 1, length 0",
            PacketText(Packet(Family.IPV6, _A6, _B6, TCP, 4000, 443, _SYN)),
        ),
        ("IP 10.0.0.5.5353 > 10.0.0.9.53: UDP, length 12", PacketText(_udp(12))),
        ("IP 10.0.0.5 > 10.0.0.9: ICMP echo request, id 1, seq 1, length 64", PacketText(_icmp(8))),
        (
            "IP 10.0.0.5 > 10.0.0.9: ICMP 10.0.0.5 tcp port 443 unreachable, length 60",
            PacketText(_icmp(3, 3)),
        ),
        (
            "IP 10.0.0.5 > 10.0.0.9: ICMP host 10.0.0.5 unreachable - admin prohibited, length 60",
            PacketText(_icmp(3, 10)),
        ),
        (
            "IP6 fd00::1 > fd00::2: ICMP6, echo reply, id 1, seq 1, length 64",
            PacketText(_icmp6(129)),
        ),
    ],
)
def test_tcpdump(text: str, expected: PacketText) -> None:
    assert bare(parse_packet(text)) == expected


_ENDS = "SRC=10.0.0.5 DST=10.0.0.9 LEN=52 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Nov 21 10:00:00 host kernel: [12.5] fw:IN=eth0 OUT= MAC=00:11:22:33:44:55:66:77:88:99:"
            f"aa:bb:08:00 {_ENDS}PROTO=TCP SPT=44321 DPT=443 SEQ=1 ACK=2 WINDOW=502 RES=0x00 ACK "
            "FIN URGP=0 OPT (0101080A) MARK=0x1 ",
            PacketText(_tcp(_FIN_ACK), "eth0", ""),
        ),
        (
            f"IN= OUT=eth1 {_ENDS}PROTO=TCP SPT=44321 DPT=443 SEQ=1 ACK=2 WINDOW=1 RES=0x00 SYN "
            "URGP=0 UID=0 GID=0 ",
            PacketText(_tcp(_SYN), "", "eth1"),
        ),
        (
            f"nf_ct_proto_6: invalid new IN= OUT= {_ENDS}PROTO=TCP SPT=44321 DPT=443 SEQ=1 ACK=2 "
            "WINDOW=502 RES=0x00 ACK FIN URGP=0 ",
            PacketText(_tcp(_FIN_ACK)),
        ),
        (
            f"IN=eth0 OUT=eth1 PHYSIN=veth0 {_ENDS}PROTO=UDP SPT=5353 DPT=53 LEN=20 ",
            PacketText(_udp(12), "eth0", "eth1"),
        ),
        (
            f"IN=eth0 OUT=eth1 {_ENDS}PROTO=ICMP TYPE=3 CODE=1 [SRC=10.0.0.9 DST=10.0.0.5 LEN=60 "
            "PROTO=TCP SPT=1 DPT=2 WINDOW=5 RES=0x00 SYN URGP=0 ] ",
            PacketText(_icmp(3, 1), "eth0", "eth1"),
        ),
        (
            "IN=eth0 OUT= SRC=fd00:0000:0000:0000:0000:0000:0000:0001 "
            "DST=fd00:0000:0000:0000:0000:0000:0000:0002 LEN=104 TC=0 HOPLIMIT=64 FLOWLBL=0 "
            "PROTO=ICMPv6 TYPE=128 CODE=0 ID=1 SEQ=1 ",
            PacketText(_icmp6(128), "eth0", ""),
        ),
        (f"IN=eth0 OUT= {_ENDS}PROTO=47 ", PacketText(Packet(Family.IPV4, _A, _B, 47), "eth0", "")),
    ],
)
def test_log_line(text: str, expected: PacketText) -> None:
    assert bare(parse_packet(text)) == expected


# Lines that tcpdump 4.99.3 printed of packets whose bytes are known.
_HEAD = "IP (tos 0x12,ECT(0), ttl 63, id 1, offset 0, flags [DF], proto {}, length {})\n    "
_MAC = "66:77:88:99:aa:bb > 00:11:22:33:44:55, ethertype IPv4 (0x0800), length 74: "
_SYN_REST = (
    "10.0.0.5.44321 > 10.0.0.9.443: Flags [S], seq 1000, win 502, options "
    "[mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0"
)
_SYN_OPTIONS = TcpOptions(1460, 7, True, (1, 0))
_LENGTH, _TTL, _DSCP, _TOS, _OPTIONS = (
    HeaderField[name] for name in ("LENGTH", "TTL", "DSCP", "TOS", "OPTIONS")
)


def test_tcpdump_e_tells_the_sender() -> None:
    text = parse_packet(f"22:13:21.000005 {_MAC}{_SYN_REST}")
    assert text.packet == _tcp(_SYN)._replace(options=_SYN_OPTIONS)
    assert (text.mac, text.length, text.known) == (
        0x66778899AABB,
        60,
        frozenset({_LENGTH, _OPTIONS}),
    )
    over_any = (
        "22:13:20.000005 ifb0  In  ifindex 2 00:11:22:33:44:55 ethertype IPv4 (0x0800), length 72: "
    )
    text = parse_packet(over_any + _SYN_REST)
    assert (text.packet.sport, text.in_interface, text.mac) == (44321, "ifb0", 0x1122334455)
    out = parse_packet(over_any.replace("In ", "Out") + _SYN_REST)
    assert (out.out_interface, out.mac) == ("ifb0", None)


def test_tcpdump_v_tells_the_header() -> None:
    checked = _SYN_REST.replace("[S],", "[S], cksum 0x0000 (incorrect -> 0x7767),")
    for start in (_HEAD.format("TCP (6)", 60), _MAC + _HEAD.format("TCP (6)", 60)[3:]):
        text = parse_packet(f"22:13:21.000005 {start}{checked}")
        assert text.packet == _tcp(_SYN)._replace(options=_SYN_OPTIONS, ttl=63, tos=0x12)
        assert text.length == 60
        assert text.known == {_LENGTH, _TTL, _DSCP, _TOS, _OPTIONS}
    text = parse_packet(
        "22:13:41.000005 IP6 (class 0x28, hlim 64, next-header UDP (17) payload length: 11) "
        "fd00::1.5000 > fd00::2.5001: [bad udp cksum 0x0000 -> 0x1a60!] UDP, length 3"
    )
    assert (text.packet.protocol, text.packet.tos, text.packet.payload) == (UDP, 0x28, 3)
    assert (text.length, text.packet.ttl) == (51, 64)


def test_tcpdump_v_tells_what_an_error_quotes() -> None:
    text = parse_packet(
        "22:13:27.000005 " + _HEAD.format("ICMP (1)", 68)
        + "10.0.0.9 > 10.0.0.5: ICMP 10.0.0.9 tcp port 443 unreachable, length 48\n"
        "\tIP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 40)\n"
        "    10.0.0.5.44321 > 10.0.0.9.443: Flags [S], cksum 0x0000 (incorrect -> 0xdf4a), "
        "seq 1000, win 502, length 0"
    )  # fmt: skip
    assert (text.packet.icmp_type, text.packet.icmp_code) == (3, 3)
    assert text.packet.quoted == _tcp(_SYN)


@pytest.mark.parametrize(
    ("rest", "protocol", "payload", "length"),
    [
        ("10.0.0.5.4000 > 10.0.0.9.53: 4660+ A? example.org. (29)", UDP, 29, 57),
        ("10.0.0.5 > 10.0.0.9: ESP(spi=0x00000001,seq=0x1), length 48", 50, 0, 68),
        ("10.0.0.5 > 10.0.0.9: GREv0, length 32: IP 10.0.0.5.1 > 10.0.0.9.2: UDP, length 0", 47, 0,
         52),
        ("10.0.0.5 > 10.0.0.9:  ip-proto-99 20", 99, 0, 0),
        ("10.0.0.5 > 224.0.0.18: VRRPv0, unknown type (0), (ttl 64)", 112, 0, 0),
        ("10.0.0.5 > 10.0.0.9: ICMP echo request, id 77, seq 1, length 64", ICMP, 0, 84),
    ],
)  # fmt: skip
def test_tcpdump_of_other_protocols(rest: str, protocol: int, payload: int, length: int) -> None:
    text = parse_packet(f"22:13:25.000005 IP {rest}")
    assert (text.packet.protocol, text.packet.payload, text.length) == (protocol, payload, length)
    assert (_LENGTH in text.known) is (length > 0)
    assert text.packet.icmp_id == (77 if protocol == ICMP else 0)


def test_a_log_line_tells_the_header() -> None:
    text = parse_packet(
        "kernel: x IN=eth0 OUT= MAC=00:11:22:33:44:55:66:77:88:99:aa:bb:08:00 SRC=10.0.0.5 "
        "DST=10.0.0.9 LEN=60 TOS=0x10 PREC=0x20 TTL=63 ID=1 DF PROTO=TCP SPT=44321 DPT=443 "
        "WINDOW=502 RES=0x00 SYN URGP=0 OPT (020405B40402080A000000010000000001030307) MARK=0x1f "
    )
    assert text.packet == _tcp(_SYN)._replace(options=_SYN_OPTIONS, ttl=63, tos=0x30)
    assert (text.length, text.mac, text.mark) == (60, 0x66778899AABB, 0x1F)
    # The lowest bit of the type of service is in neither TOS nor PREC.
    assert text.known == {_LENGTH, _TTL, _DSCP, _OPTIONS}


def test_a_log_line_tells_what_an_error_quotes() -> None:
    text = parse_packet(
        f"IN=eth0 OUT=eth1 {_ENDS}PROTO=ICMP TYPE=3 CODE=1 [SRC=10.0.0.9 DST=10.0.0.5 LEN=60 "
        "TOS=0x00 PREC=0x00 TTL=63 ID=0 DF PROTO=TCP SPT=443 DPT=44321 WINDOW=5 RES=0x00 SYN "
        "URGP=0 ] MARK=0x2 "
    )
    quoted = text.packet.quoted
    assert quoted is not None
    assert (quoted.saddr, quoted.sport, quoted.flags, quoted.ttl) == (_B, 443, _SYN, 63)
    assert (text.packet.ttl, text.mark) == (64, 2)
    broken = parse_packet(f"IN=a OUT= {_ENDS}PROTO=ICMP TYPE=3 CODE=1 [INCOMPLETE [8 bytes] ] ")
    assert broken.packet.quoted is None


def test_ipv6_log_line_tells_the_header() -> None:
    text = parse_packet(
        "IN=eth0 OUT= SRC=fd00:0000:0000:0000:0000:0000:0000:0001 "
        "DST=fd00:0000:0000:0000:0000:0000:0000:0002 LEN=104 TC=41 HOPLIMIT=60 FLOWLBL=0 "
        "PROTO=ICMPv6 TYPE=128 CODE=0 ID=7 SEQ=1 "
    )
    assert (text.packet.tos, text.packet.ttl, text.packet.icmp_id) == (41, 60, 7)
    assert text.known == {_LENGTH, _TTL, _DSCP, _TOS}


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "no packet"),
        (" \n", 1, "no packet"),
        ("hello", 1, "expected an address such as 10.0.0.5:443"),
        ("host:1 > 10.0.0.9:2 S", 1, "expected an address such as"),
        ("10.0.0.300:1 > 10.0.0.9:2 S", 1, "not an IP address: '10.0.0.300'"),
        ("010.0.0.5:1 > 10.0.0.9:2 S", 1, "not an IP address: '010.0.0.5'"),
        ("10.0.0.5: > 10.0.0.9:2 S", 11, "expected a port, by number or name, found '>'"),
        ("10.0.0.5:70000 > 10.0.0.9:2 S", 10, "port 70000 is more than 65535"),
        ("10.0.0.5:1 > 10.0.0.9:nosuch S", 23, "unknown port or service 'nosuch'"),
        ("10.0.0.5:1 10.0.0.9:2 S", 12, "expected '>' between the addresses, found '10.0.0.9:2'"),
        ("10.0.0.5:1 >", 13, "expected an address such as"),
        ("10.0.0.5:1 > 10.0.0.9:2", 24, "expected TCP flags such as FIN,ACK"),
        ("10.0.0.5:1 > 10.0.0.9:2 X", 25, "expected TCP flags such as FIN,ACK"),
        ("10.0.0.5:1 > 10.0.0.9:2 SS", 25, "TCP flag SYN twice"),
        ("10.0.0.5:1 > 10.0.0.9:2 S S", 27, "expected seq=, ack=, win= or len=, found 'S'"),
        ("10.0.0.5:1 > 10.0.0.9:2 S len=x", 31, "expected a number, found 'x'"),
        ("10.0.0.5:1 > 10.0.0.9:2 S win=65536", 31, "a number up to 65,535 is expected"),
        ("10.0.0.5:1 > 10.0.0.9:2 S len=1 len=1", 33, "len is given twice"),
        ("10.0.0.5:1 > 10.0.0.9 S", 22, "expected ':' and a port behind the address"),
        ("fd00::1:1 > fd00::2:2 S", 10, "expected ':' and a port behind the address"),
        ("[fd00::1]:1 > 10.0.0.9:2 S", 24, "the addresses are of two families"),
        ("10.0.0.5:1 > 10.0.0.9:1 icmp 8", 10, "a packet of this protocol has no ports"),
        ("10.0.0.5 > 10.0.0.9 icmp", 25, "expected a type such as echo-request"),
        ("10.0.0.5 > 10.0.0.9 icmp any", 26, "unknown type 'any'"),
        ("10.0.0.5 > 10.0.0.9 icmpv6 128", 21, "ICMPv6 has IPv6 addresses"),
        (_IP + "tcp 0", 35, "expected Flags […], UDP or ICMP, found 'tcp'"),
        ("IP 10.0.0.5 > 10.0.0.9: hopopt what", 25, "this protocol is not read"),
        ("10.0.0.5 > 10.0.0.9 256", 21, "protocol 256 is more than 255"),
        (_IP + "Flags [SX], seq 1", 43, "expected ']'"),
        ("IP a.example.443 > 10.0.0.9.443: Flags [S]", 4, "not an IP address and port"),
        ("IP 10.0.0.5 > 10.0.0.9: ICMP what is this", 25, "this message is not read"),
        ("IN=a OUT= SRC=10.0.0.5 PROTO=TCP", 33, "DST= is missing in the log line"),
        (
            f"IN=a OUT= {_ENDS}PROTO=TCP SPT=1 DPT=2 WINDOW=502 RES=0x0",
            51 + len(_ENDS),
            "URGP= is missing in the log line",
        ),
        ("IN=a OUT= SRC=x DST=10.0.0.9 PROTO=TCP", 11, "not an IP address"),
        (f"IN=a OUT= {_ENDS}FRAG:185 PROTO=TCP", 11 + len(_ENDS), "a later fragment has no ports"),
        (f"IN=a OUT= {_ENDS}PROTO=TCP INCOMPLETE [8 bytes] ", 41 + len(_ENDS), "SPT= is missing"),
        (
            f"IN=a OUT= {_ENDS}PROTO=TCP SPT=x DPT=1",
            21 + len(_ENDS),
            "a number up to 65,535 is expected",
        ),
        ("10.0.0.5:1 > 10.0.0.9:2 S\n10.0.0.5:1 > 10.0.0.9:2 S", 26, "one packet on one line"),
        ("x" * 5_000, 1, "longer than 4,000 characters"),
    ],
)
def test_errors(text: str, column: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_packet(text)
    (problem,) = caught.value.problems
    assert problem.message.startswith(message)
    assert (problem.span.file, problem.span.line, problem.span.column) == ("PACKET", 1, column)
    assert problem.span.end_column >= column


@given(
    st.sampled_from(Family),
    st.integers(0),
    st.integers(0),
    st.integers(0, 65_535),
    st.integers(0, 65_535),
    st.integers(1, 255),
)
def test_reads_what_a_packet_prints(
    family: Family, saddr: int, daddr: int, sport: int, dport: int, flags: int
) -> None:
    packet = Packet(
        family, saddr & family.full_mask, daddr & family.full_mask, TCP, sport, dport,
        TcpFlags(flags),
    )  # fmt: skip
    assert parse_packet(str(packet)).packet == packet


_WORDS = """10.0.0.5 fd00::1 443 FIN,ACK icmp udp len IP IP6 Flags S.] IN=a OUT= SRC= DST= PROTO=
TCP SPT= DPT= TYPE= FRAG:1 99999999999999999999 \udcff ² \0 length UDP, ICMP"""
_PARTS = st.sampled_from([" ", " ", ":", ".", ">", "->", "[", "]", "=", ", ", *_WORDS.split()])


@given(st.one_of(st.text(max_size=40), st.lists(_PARTS, max_size=16).map("".join)))
def test_fuzz(text: str) -> None:
    try:
        parse_packet(text)
    except ParseError as error:
        assert len(error.problems) == 1


@pytest.mark.parametrize(
    "unit",
    [
        "IP (",
        "IP (a) ",
        "0:00:",
        "OPT (",
        "[SRC=",
        "IN=",
        "IN=x OUT=",
        "10.0.0.5 ",
        "IP ",
        ":",
        "[",
        "a" * 3,
        "1.",
    ],
)
def test_long_texts_take_little_time(unit: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ParseError):
        parse_packet((unit * 4_000)[:4_000])
    assert time.perf_counter() - started < 20
