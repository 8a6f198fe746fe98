# SPDX-License-Identifier: GPL-2.0-only
"""Frames played on a box: which way they go, what was seen twice, what is left out, what runs out.

What conntrack makes of packets is held elsewhere (tests/unit/model, tests/kernel/test_replay.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from ctlint.analysis.capture import ledger as ledger_module
from ctlint.analysis.capture.connection import Connection
from ctlint.analysis.capture.ledger import Ledger
from ctlint.analysis.capture.played import Fate, Played, Way
from ctlint.analysis.capture.replay import Firewall, Replay
from ctlint.analysis.capture.whereabouts import Stage
from ctlint.model.conntrack.status import TcpCt
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.host import InterfaceAddress
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, parse_address
from ctlint.wire.encoding import encode
from ctlint.wire.frame import Frame, LeftOut
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, TCP, UDP
from ctlint.wire.tcp_flags import TcpFlags

_SECOND = 1_000_000
_START = 1_700_000_000 * _SECOND
V4 = Family.IPV4
_CLIENT, _SERVER = (parse_address(text, V4) for text in ("10.1.0.2", "10.2.0.2"))
_BOX = parse_address("10.1.0.1", V4)

_RULES = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
{}
COMMIT
"""
_DROP_INVALID = "-A FORWARD -m conntrack --ctstate INVALID -j DROP"
_MASQUERADE = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.1
COMMIT
"""


def _firewall(rules: str = "", stage: Stage | None = None, ipsets: str = "") -> Firewall:
    rulesets = parse_rulesets(rules, "rules") if rules else ()
    return Firewall(NEWEST, {}, rulesets, parse_ipset_save(ipsets, ""), stage or Stage())


def _frame(
    packet: Packet, at: float = 0, number: int = 0, interface: str = "", cut: int | None = None
) -> Frame:
    encoded = encode(packet)
    assert encoded is not None
    data = bytearray(encoded.data)
    if packet.family is V4:
        data[4:6] = number.to_bytes(2, "big")
    moment = _START + round(at * _SECOND)
    return Frame(moment, 101, bytes(data)[:cut], len(data), interface, 0)


def _tcp(flags: str, *, to_server: bool = True, seq: int = 0, ack: int = 0, size: int = 0,
         sport: int = 40000, dport: int = 80) -> Packet:  # fmt: skip
    ends = (_CLIENT, _SERVER, TCP, sport, dport)
    if not to_server:
        ends = (_SERVER, _CLIENT, TCP, dport, sport)
    return Packet(V4, *ends, TcpFlags.parse(flags), payload=size, seq=seq, ack=ack)


def _handshake(at: float = 0) -> list[Frame]:
    return [
        _frame(_tcp("S"), at),
        _frame(_tcp("SA", to_server=False, ack=1), at + 0.1),
        _frame(_tcp("A", seq=1, ack=1), at + 0.2),
    ]


def _play(frames: Iterable[Frame], firewall: Firewall) -> tuple[list[Played | None], Replay]:
    replay = Replay(firewall)
    return [replay.play(frame) for frame in frames], replay


def _told(played: Iterable[Played | None]) -> list[tuple[str | None, Fate] | None]:
    return [None if one is None else (one.ctstate, one.fate) for one in played]


def _connections(played: Iterable[Played | None]) -> tuple[list[Connection], Ledger]:
    ledger = Ledger()
    found = [one for each in played if each is not None for one in ledger.add(each)[2]]
    return [*found, *ledger.close()], ledger


def test_a_close_after_the_entry_has_run_out() -> None:
    # An established entry lives 432000 s (nf_conntrack_tcp_timeout_established).
    frames = [*_handshake(), _frame(_tcp("FA", seq=1, ack=1), 432_001)]
    played, _ = _play(frames, _firewall(_RULES.format(_DROP_INVALID)))
    assert _told(played) == [
        ("NEW", Fate.PASSED),
        ("ESTABLISHED", Fate.PASSED),
        ("ESTABLISHED", Fate.PASSED),
        ("INVALID", Fate.DROPPED),
    ]
    (connection,), ledger = _connections(played)
    (expiry,) = connection.expiries
    assert (expiry.state, expiry.timeout) == (TcpCt.ESTABLISHED, 432_000 * _SECOND)
    assert expiry.at == _START + round(432_000.2 * _SECOND)
    assert expiry.idle == round(432_000.8 * _SECOND)
    assert connection.causes == {"filter/FORWARD#1": 1}
    assert not connection.is_midstream
    assert ledger.totals.expired == 1
    assert ledger.totals.ctstates == {"NEW": 1, "ESTABLISHED": 2, "INVALID": 1}


def test_an_entry_that_was_just_in_time() -> None:
    frames = [*_handshake(), _frame(_tcp("FA", seq=1, ack=1), 432_000)]
    played, _ = _play(frames, _firewall())
    assert _told(played)[-1] == ("ESTABLISHED", Fate.PASSED)
    assert not _connections(played)[0][0].is_troubled


def test_a_connection_that_had_begun_before() -> None:
    frames = [_frame(_tcp("PA", seq=9, ack=8, size=3)), _frame(_tcp("FA", seq=12, ack=8), 1000)]
    played, _ = _play(frames, _firewall())
    # Picked up in mid-stream it lives 300 s (nf_conntrack_tcp_timeout_unacknowledged).
    assert _told(played) == [("NEW", Fate.PASSED), ("INVALID", Fate.PASSED)]
    (connection,), _ = _connections(played)
    assert connection.is_midstream
    assert connection.expired == 1


def test_the_same_ports_again_are_another_connection() -> None:
    frames = [
        *_handshake(),
        _frame(_tcp("RA", seq=1, ack=1), 1),
        _frame(_tcp("S", seq=99), 20),
        _frame(_tcp("S", seq=99), 21),
    ]
    played, _ = _play(frames, _firewall())
    found, _ = _connections(played)
    assert [(sum(one.packets), one.expired) for one in found] == [(4, 0), (2, 0)]


def test_without_an_entry_a_syn_that_is_sent_again_is_no_other_connection() -> None:
    rules = _RULES.format("-A FORWARD -j DROP")
    frames = [_frame(_tcp("S"), at) for at in (0, 1, 3)]
    played, _ = _play(frames, _firewall(rules))
    assert {one and one.cause for one in played} == {"filter/FORWARD#1"}
    assert len(_connections(played)[0]) == 1


def test_an_error_is_one_of_the_connection_that_it_is_about() -> None:
    quoted = _tcp("A", seq=1, ack=1)
    error = Packet(V4, _SERVER + 1, _CLIENT, ICMP, icmp_type=3, icmp_code=4, quoted=quoted)
    played, _ = _play([*_handshake(), _frame(error, 1)], _firewall())
    assert _told(played)[-1] == ("RELATED", Fate.PASSED)
    (connection,), _ = _connections(played)
    assert sum(connection.packets) == 4


# ---- which way


_LOCAL = Stage((InterfaceAddress("eth0", V4, _BOX, 16),))


@pytest.mark.parametrize(
    ("saddr", "daddr", "way", "hooks"),
    [
        (_CLIENT, _SERVER, Way.FORWARD, {"PREROUTING", "FORWARD"}),
        (_CLIENT, _BOX, Way.IN, {"PREROUTING", "INPUT"}),
        (_BOX, _CLIENT, Way.OUT, {"OUTPUT"}),
        (_BOX, 0x7F000001, Way.LOOPBACK, {"OUTPUT", "PREROUTING", "INPUT"}),
    ],
)
def test_ways(saddr: int, daddr: int, way: Way, hooks: set[str]) -> None:
    packet = Packet(V4, saddr, daddr, UDP, 5, 53, payload=1)
    (played,), _ = _play([_frame(packet)], _firewall(stage=_LOCAL))
    assert played is not None
    assert played.way is way
    assert {hook.value for hook in played.hooks} == hooks
    assert played.fate is Fate.PASSED


def _matched(frames: Iterable[Frame], stage: Stage) -> list[list[str]]:
    rules = "\n".join(
        f"-A FORWARD -i {one} -o {other} -j ACCEPT"
        for one, other in (("eth0", "eth1"), ("eth1", "eth0"), ("lan", "wan"), ("wan", "lan"))
    )
    played, _ = _play(frames, _firewall(_RULES.format(rules), stage))
    return [[] if one is None else [*one.rules] for one in played]


@pytest.mark.parametrize(
    ("names", "stage", "rules"),
    [
        # Nobody says: who sends first is behind eth0.
        (("", ""), Stage(), (1, 2)),
        # The one interface of a capture is where packets come in; what leaves by it has it too.
        (("lan", "lan"), Stage(out="wan"), (3, 4)),
        # Of two the capture says by which a packet came.
        (("lan", "wan"), Stage(), (3, 4)),
        (("", ""), Stage(into="wan", out="lan"), (4, 3)),
        (("", ""), Stage((InterfaceAddress("wan", V4, _BOX, 16),), out="lan"), (4, 3)),
    ],
)
def test_interfaces(names: tuple[str, str], stage: Stage, rules: tuple[int, int]) -> None:
    frames = [
        _frame(_tcp("S"), 0, interface=names[0]),
        _frame(_tcp("SA", to_server=False, ack=1), 1, interface=names[1]),
    ]
    # The first packet of a capture with two names cannot know of the second.
    expected = [[f"filter/FORWARD#{number}"] for number in rules]
    found = _matched([*frames, *frames], stage)
    assert found[2:] == expected


# ---- twice


def test_what_left_the_box_is_not_played_again() -> None:
    came = _tcp("S")
    left = came._replace(ttl=came.ttl - 1)
    frames = [_frame(came, 0, 7, "eth0"), _frame(left, 0.001, 7, "eth1")]
    played, replay = _play(frames, _firewall())
    assert played[1] is None
    assert replay.left_out == {LeftOut.OUTPUT: 1}
    # Sent again it is another packet: it has its whole TTL.
    played, replay = _play([frames[0], frames[0]], _firewall())
    assert played[1] is not None
    # And what comes much later was not awaited.
    played, _ = _play([frames[0], _frame(left, 5, 7, "eth1")], _firewall())
    assert played[1] is not None


def test_packets_that_wait_for_a_neighbour_leave_together() -> None:
    came = _tcp("S")
    frames = [_frame(came, at) for at in (0, 1, 2)]
    frames += [_frame(came._replace(ttl=came.ttl - 1), 2.5)] * 4
    played, _ = _play(frames, _firewall())
    assert [one is None for one in played] == [False] * 3 + [True] * 3 + [False]


def test_what_left_translated_is_not_played_again() -> None:
    came = _tcp("S")
    left = came._replace(ttl=came.ttl - 1, saddr=parse_address("192.0.2.1", V4))
    frames = [_frame(came, 0, 7), _frame(left, 0.001, 7)]
    played, _ = _play(frames, _firewall(_MASQUERADE))
    assert played[0] is not None
    assert played[1] is None


def test_errors_about_different_packets_are_different() -> None:
    errors = [
        Packet(V4, _SERVER, _CLIENT, ICMP, icmp_type=3, icmp_code=3, quoted=_tcp("S", sport=port))
        for port in (1, 2)
    ]
    frames = [
        *(_frame(_tcp("S", sport=port)) for port in (1, 2)),
        _frame(errors[0], 0.1),
        _frame(errors[1]._replace(ttl=63), 0.2),
    ]
    played, _ = _play(frames, _firewall())
    assert _told(played)[2:] == [("RELATED", Fate.PASSED)] * 2


def test_what_the_box_sends_twice_is_two_packets() -> None:
    packet = Packet(V4, _BOX, _CLIENT, UDP, 5, 53, payload=1)
    played, _ = _play([_frame(packet), _frame(packet, 0.1)], _firewall(stage=_LOCAL))
    assert None not in played


def test_what_the_box_answers_is_not_played() -> None:
    rules = _RULES.format("-A INPUT -p tcp -j REJECT --reject-with tcp-reset")
    syn = Packet(V4, _CLIENT, _BOX, TCP, 40000, 80, TcpFlags.SYN, seq=5)
    reset = Packet(V4, _BOX, _CLIENT, TCP, 80, 40000, TcpFlags.RST | TcpFlags.ACK, ack=6, window=0)
    played, replay = _play([_frame(syn), _frame(reset, 0.1)], _firewall(rules, _LOCAL))
    assert _told(played) == [("NEW", Fate.REJECTED), None]
    assert replay.left_out == {LeftOut.OUTPUT: 1}


def test_answers_that_were_captured_behind_nat_come_as_they_came_in() -> None:
    # The near side shows an answer with the address that the client knows.
    played, _ = _play(_handshake(), _firewall(_MASQUERADE))
    assert _told(played) == [
        ("NEW", Fate.PASSED),
        ("ESTABLISHED", Fate.PASSED),
        ("ESTABLISHED", Fate.PASSED),
    ]
    answer = played[1]
    assert answer is not None
    assert answer.packet.daddr == parse_address("192.0.2.1", V4)
    (connection,), _ = _connections(played)
    assert connection.packets == [2, 1]


def test_errors_that_were_captured_behind_nat_come_as_they_came_in() -> None:
    error = Packet(V4, _SERVER, _CLIENT, ICMP, icmp_type=3, icmp_code=4, quoted=_tcp("A", seq=1))
    played, _ = _play([*_handshake(), _frame(error, 1)], _firewall(_MASQUERADE))
    assert _told(played)[3] == ("RELATED", Fate.PASSED)
    (connection,), _ = _connections(played)
    assert sum(connection.packets) == 4


def test_answers_that_were_captured_before_nat_belong_to_the_connection_too() -> None:
    frames = _handshake()
    answer = _tcp("SA", to_server=False, ack=1)._replace(daddr=parse_address("192.0.2.1", V4))
    frames[1] = _frame(answer, 0.1)
    played, _ = _play(frames, _firewall(_MASQUERADE))
    assert _told(played)[1] == ("ESTABLISHED", Fate.PASSED)
    assert len(_connections(played)[0]) == 1


# ---- not known


def test_what_the_capture_cut_off_leaves_its_connection_open() -> None:
    frames = _handshake()
    frames[1] = replace_data(frames[1], 24)
    other = [_frame(_tcp("S", sport=50000), 1)]
    played, _ = _play([*frames, *other], _firewall())
    assert _told(played) == [
        ("NEW", Fate.PASSED),
        (None, Fate.UNDECIDED),
        (None, Fate.UNDECIDED),
        ("NEW", Fate.PASSED),
    ]


def replace_data(frame: Frame, cut: int) -> Frame:
    """The frame with less of it captured."""
    return frame._replace(data=frame.data[:cut])


def test_a_match_that_is_not_decided() -> None:
    rules = _RULES.format("-A FORWARD -m geoip --source-country XX -j DROP")
    played, _ = _play(_handshake(), _firewall(rules))
    assert {fate for _, fate in filter(None, _told(played))} == {Fate.UNDECIDED}
    assert played[0] is not None
    assert played[0].undecided[0]["rule"] == "filter/FORWARD#1"


def test_one_open_packet_of_a_known_entry_leaves_the_others_decided() -> None:
    rules = "-A FORWARD -p tcp -m tcp --tcp-flags PSH PSH -m geoip --source-country XX -j DROP"
    frames = [
        *_handshake(),
        _frame(_tcp("PA", seq=1, ack=1, size=3), 1),
        _frame(_tcp("A", to_server=False, seq=1, ack=4), 2),
    ]
    played, _ = _play(frames, _firewall(_RULES.format(rules)))
    assert _told(played)[3:] == [(None, Fate.UNDECIDED), ("ESTABLISHED", Fate.PASSED)]


def test_rules_that_ask_for_a_payload() -> None:
    rules = _RULES.format('-A FORWARD -m string --string "bad" --algo bm -j DROP')
    packet = Packet(V4, _CLIENT, _SERVER, UDP, 5, 53, payload=5, data=b"a bad")
    other = packet._replace(data=b"good!", sport=6)
    frames = [_frame(packet), _frame(other, 1), _frame(other._replace(sport=7), 2, cut=29)]
    played, _ = _play(frames, _firewall(rules))
    assert [one and one.fate for one in played] == [Fate.DROPPED, Fate.PASSED, Fate.UNDECIDED]


def test_the_time_of_day_is_that_of_the_capture() -> None:
    # 1700000000 is 2023-11-14 22:13:20 UTC.
    rules = "-A FORWARD -m time --timestart 22:13:21 --timestop 23:00:00 -j DROP"
    frames = [_frame(_tcp("S", sport=port), at) for port, at in ((1, 0), (2, 2))]
    played, _ = _play(frames, _firewall(_RULES.format(rules)))
    assert [one and one.fate for one in played] == [Fate.PASSED, Fate.DROPPED]


def test_sets_are_asked() -> None:
    rules = _RULES.format("-A FORWARD -m set --match-set bad src -j DROP")
    sets = "create bad hash:ip family inet hashsize 1024 maxelem 65536\nadd bad 10.1.0.2\n"
    played, _ = _play([_frame(_tcp("S"))], _firewall(rules, ipsets=sets))
    assert _told(played) == [("NEW", Fate.DROPPED)]


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (Packet(V4, _CLIENT, parse_address("224.0.0.251", V4), UDP, 5, 5), LeftOut.SPECIAL),
        (Packet(V4, 0, 0xFFFFFFFF, UDP, 68, 67), LeftOut.SPECIAL),
        (Packet(Family.IPV6, 0xFE80 << 112 | 1, 0xFD << 120, UDP, 5, 5), LeftOut.SPECIAL),
        (Packet(V4, _CLIENT, _SERVER, 47, payload=9), LeftOut.OTHER_TRACKER),
    ],
)
def test_left_out(packet: Packet, why: LeftOut) -> None:
    played, replay = _play([_frame(packet)], _firewall())
    assert played == [None]
    assert replay.left_out == {why: 1}
    assert replay.frames == 1


def test_the_broadcast_address_of_a_network_of_the_box() -> None:
    packet = Packet(V4, _CLIENT, parse_address("10.1.255.255", V4), UDP, 137, 137)
    _, replay = _play([_frame(packet)], _firewall(stage=_LOCAL))
    assert replay.left_out == {LeftOut.SPECIAL: 1}


def test_a_frame_without_a_moment() -> None:
    _, replay = _play([_frame(_tcp("S"))._replace(at=None)], _firewall())
    assert replay.left_out == {LeftOut.NO_TIME: 1}


def test_moments_that_go_back() -> None:
    frames = [_frame(_tcp("S"), 10), _frame(_tcp("SA", to_server=False, ack=1), 9)]
    played, replay = _play(frames, _firewall())
    assert replay.late == 1
    assert [one and one.now for one in played] == [0, 0]


def test_packets_of_a_family_without_rules_are_counted() -> None:
    packet = Packet(Family.IPV6, 0xFD << 120 | 1, 0xFD << 120 | 2, UDP, 5, 6)
    _, replay = _play([_frame(packet)], _firewall(_RULES.format("-A FORWARD -j DROP")))
    assert replay.unruled == 1


def test_connections_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MOST_OPEN", 10)
    played, _ = _play([_frame(_tcp("S", sport=1000 + n), n) for n in range(30)], _firewall())
    found, ledger = _connections(played)
    assert [one.opener.sport for one in found] == [1000 + n for n in range(30)]
    assert ledger.totals.cut_short == 20
    assert (ledger.totals.connections, ledger.totals.packets) == (30, 30)


def test_a_replay_is_the_simulation() -> None:
    """The same settings as those of a scenario: here no connection is picked up."""
    firewall = replace(_firewall(), sysctls={"net.netfilter.nf_conntrack_tcp_loose": 0})
    played, _ = _play([_frame(_tcp("A", seq=1, ack=1))], firewall)
    assert _told(played) == [("INVALID", Fate.PASSED)]
