# SPDX-License-Identifier: GPL-2.0-only
"""Connection scripts as scenarios: docs/scripts.md says what each statement sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.model.kernel.profiles import NEWEST
from ctlint.parse.errors import ParseError, Problem
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.expectation import (
    As,
    By,
    Ctstate,
    Delivered,
    HasEntry,
    Matched,
    NoEntry,
    Rejected,
    Seen,
)
from ctlint.scenario.play import play
from ctlint.scenario.rule_index import index_rules
from ctlint.scenario.script import ScriptTest, read_script, script_tests
from ctlint.scenario.writer import scenario_to_json

RULES = """*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:MINE - [0:0]
-A INPUT -j MINE
-A MINE -m conntrack --ctstate INVALID -j DROP
COMMIT
"""
SYN = {"mss": 1460, "sackok": True, "wscale": 7}


def compiled(text: str) -> tuple[ScriptTest, ...]:
    script = read_script(text, "f.ct")
    contents = {each: {"rules.v4": RULES}[each.path] for each in script.references}
    return script_tests(
        script,
        contents,
        lambda reference, family: index_rules(
            "" if reference is None else contents[reference], "rules", family
        ),
    )


def written(text: str) -> dict[str, Any]:
    (test,) = compiled(text)
    assert len(test.places) == len(test.scenario.steps)
    return scenario_to_json(test.scenario)


def packets(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = written(text)["packets"]
    return found


def numbers(text: str) -> list[tuple[str, int, int]]:
    """Flags, sequence and acknowledgement numbers of the segments."""
    return [
        (each.get("flags", ""), each.get("seq", 0), each.get("ack", 0))
        for each in packets(text)
        if "op" not in each
    ]


def problems(text: str) -> list[Problem]:
    with pytest.raises(ParseError) as caught:
        compiled(text)
    return list(caught.value.problems)


def test_a_handshake_is_that_of_the_documented_scenarios() -> None:
    assert packets("connect") == [
        {"dir": "orig", "flags": "S", "seq": 1000, "win": 64240, "opts": SYN},
        {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001, "win": 65160, "opts": SYN},
        {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "win": 502},
    ]
    assert packets("client SYN; server SYN,ACK; client A") == packets("connect")


def test_numbers_go_on_with_what_is_sent() -> None:
    # RFC 9293, section 3.4: SYN and FIN take one number each, an ACK none.
    assert numbers("connect; client data 100; server data 7; client ACK; close") == [
        ("S", 1000, 0),
        ("SA", 5000, 1001),
        ("A", 1001, 5001),
        ("PA", 1001, 5001),
        ("PA", 5001, 1101),
        ("A", 1101, 5008),
        ("FA", 1101, 5008),
        ("FA", 5008, 1102),
        ("A", 1102, 5009),
    ]


def test_without_a_handshake_the_ends_are_in_the_middle() -> None:
    assert numbers("server data 10; client FIN; server ACK") == [
        ("PA", 5001, 1001),
        ("FA", 1001, 5011),
        ("A", 5011, 1002),
    ]


def test_a_segment_goes_again_as_it_went() -> None:
    text = "connect; client data 10; client data 20; client data 10 again; server data 5"
    text += "; client data 20 again; client FIN; client FIN; client FIN again; client SYN again"
    assert numbers(text)[3:] == [
        ("PA", 1001, 5001),
        ("PA", 1011, 5001),
        ("PA", 1001, 5001),
        ("PA", 5001, 1031),
        ("PA", 1011, 5006),
        ("FA", 1031, 5006),
        ("FA", 1031, 5006),
        ("FA", 1031, 5006),
        ("S", 1000, 0),
    ]


def test_another_syn_is_another_connection() -> None:
    text = "connect; client SYN; client SYN again; server SYN,ACK; server SYN,ACK; client ACK"
    assert numbers(text)[3:] == [
        ("S", 1_001_000, 0),
        ("S", 1_001_000, 0),
        ("SA", 1_005_000, 1_001_001),
        ("SA", 1_005_000, 1_001_001),
        ("A", 1_001_001, 1_005_001),
    ]
    assert numbers("client SYN seq=0xffffffff; server SYN,ACK; client data 2; server ACK") == [
        ("S", 2**32 - 1, 0),
        ("SA", 5000, 0),
        ("PA", 0, 5001),
        ("A", 5001, 2),
    ]


def test_resets() -> None:
    # RFC 9293, section 3.5.2: groups 1 (no connection) and 2 (an ACK that is not acceptable).
    assert numbers("client SYN; server RST,ACK") == [("S", 1000, 0), ("RA", 0, 1001)]
    reused = "connect; client data 9; client SYN; server ACK; client RST; client SYN again"
    assert numbers(reused)[4:] == [
        ("S", 1_001_000, 0),
        ("A", 5001, 1010),
        ("R", 1010, 0),
        ("S", 1_001_000, 0),
    ]
    assert numbers("connect; server RST; client RST,ACK")[3:] == [
        ("R", 5001, 0),
        ("RA", 1001, 5001),
    ]
    assert packets("connect; client RST")[3]["win"] == 0


def test_what_is_lost_is_not_acknowledged() -> None:
    for fate in ("dropped", "rejected", "not delivered"):
        found = numbers(
            f"connect; client data 10 => {fate}; server ACK; client data 10; server ACK"
        )
        assert found[4:] == [("A", 5001, 1001), ("PA", 1011, 5001), ("A", 5001, 1001)]
    found = numbers("connect; client data 10 => delivered; server ACK")
    assert found[4] == ("A", 5001, 1011)


def test_numbers_of_its_own() -> None:
    text = "connect; client data 5 seq=+10 ack=-1; client data 5 seq=7 ack=9 win=1; client ACK"
    assert numbers(text)[3:] == [("PA", 1011, 5000), ("PA", 7, 9), ("A", 1001, 5001)]
    assert packets(text)[4]["win"] == 1


def test_options_are_offered_and_answered() -> None:
    text = "client SYN wscale=none; server SYN,ACK; client ACK; server ACK"
    first, second, third, fourth = packets(text)
    assert first["opts"] == {"mss": 1460, "sackok": True}
    assert second["opts"] == {"mss": 1460, "sackok": True}
    assert third["win"] == fourth["win"] == 64240
    first, second = packets("client SYN [mss=none, sackok=no wscale=3 ts=1/0]; server SYN,ACK")
    assert first["opts"] == {"wscale": 3, "ts": [1, 0]}
    assert second["opts"] == {"mss": 1460, "wscale": 7}
    (one,) = packets("client ACK sack=1-2,5-9")
    assert one["opts"] == {"sack": [[1, 2], [5, 9]]}
    (one, _, _) = packets("topology forward v6; connect")
    assert one["opts"]["mss"] == 1440


def test_flags() -> None:
    text = (
        "client FIN; client F; client exactly FIN; client exactly none; client FPA; client URG,ACK"
    )
    assert [flags for flags, _, _ in numbers(text)] == ["FA", "FA", "F", "", "FPA", "AU"]


def test_other_protocols() -> None:
    assert packets(
        'client udp 9 sport=ntp badsum; server udp "hi"; client udp; client ip esp 3'
    ) == [
        {"dir": "orig", "proto": "udp", "len": 9, "sport": 123, "badsum": True},
        {"dir": "reply", "proto": "udp", "data": "hi"},
        {"dir": "orig", "proto": "udp"},
        {"dir": "orig", "proto": 50, "len": 3},
    ]
    assert packets("client ping; server pong; client ping; client ping again; server pong 8") == [
        {"dir": "orig", "proto": "icmp", "id": 1, "seq": 1},
        {"dir": "reply", "proto": "icmp", "id": 1, "seq": 1},
        {"dir": "orig", "proto": "icmp", "id": 1, "seq": 2},
        {"dir": "orig", "proto": "icmp", "id": 1, "seq": 2},
        {"dir": "reply", "proto": "icmp", "id": 1, "seq": 2, "len": 8},
    ]
    error = packets("client udp; server icmp unreachable; server icmp 11/1 quoting client ttl=1")
    assert error[1:] == [
        {"dir": "reply", "proto": "icmp", "quote": "orig"},
        {"dir": "reply", "proto": "icmp", "type": 11, "code": 1, "quote": "orig", "ttl": 1},
    ]
    (_, error6) = packets("topology lo v6; client udp; server icmp packet-too-big")
    assert error6 == {"dir": "reply", "proto": "icmp", "type": 2, "quote": "orig"}


def test_payload_and_header() -> None:
    assert packets('client data "ä" len=5 ttl=3 tos=0x10; client PSH,ACK data="x"') == [
        {
            **{"dir": "orig", "flags": "PA", "seq": 1001, "ack": 5001, "win": 502},
            **{"data": "ä", "len": 5, "ttl": 3, "tos": 16},
        },
        {"dir": "orig", "flags": "PA", "seq": 1006, "ack": 5001, "win": 502, "data": "x"},
    ]


def test_operations() -> None:
    assert packets("idle 1h30m0.5s; idle 250us; expire; flush; sysctl tcp_loose=0; client A")[
        :-1
    ] == [
        {"op": "wait", "dt": 5400.5},
        {"op": "wait", "dt": 0.00025},
        {"op": "expire"},
        {"op": "flush"},
        {"op": "sysctl", "sysctls": {"tcp_loose": 0}},
    ]


def test_settings() -> None:
    found = written(
        "name Web\nrules rules.v4\nkernel 6.18\nsysctl tcp_loose=0\nsysctl tcp_be_liberal = 1\n"
        "topology host server eth1 10.2.0.9/24\nflow 10.9.0.1:1 > 10.2.0.9:https\n"
        "fact owner gid=7 uid=5 groups=1,2\nfact time 2026-11-21T18:00:00.5Z\nfact mac none\n"
        "test a test\nclient SYN"
    )
    del found["packets"]
    assert found == {
        "name": "Web: a test",
        "kernel": "6.18",
        "sysctls": {"tcp_loose": 0, "tcp_be_liberal": 1},
        "ruleset": RULES,
        "topology": {"kind": "host", "role": "reply", "if": "eth1", "addr": "10.2.0.9/24"},
        "flow": {"saddr": "10.9.0.1", "sport": 1, "dport": 443},
        "facts": {
            "time": "2026-11-21T18:00:00.5Z",
            "owner": {"uid": 5, "gid": 7, "groups": [1, 2]},
            "mac": None,
        },
    }


def test_a_test_replaces_settings() -> None:
    text = """flow 10.1.0.2:1 > 10.2.0.2:2
        test one; client SYN
        test two; flow [fd01::9]:3 > [fd02::9]; kernel 5.10; client SYN
        test three; client SYN
    """
    one, two, three = (scenario_to_json(test.scenario) for test in compiled(text))
    assert one["flow"] == three["flow"] == {"sport": 1, "dport": 2}
    assert two["flow"] == {"saddr": "fd01::9", "sport": 3, "daddr": "fd02::9"}
    assert two["topology"] == {"kind": "forward", "v6": True}
    assert (one.get("kernel"), two["kernel"]) == (None, "5.10")
    assert [test.span.line for test in compiled(text)] == [2, 3, 4]


def test_every_test_begins_anew() -> None:
    one, two = (test.scenario.steps for test in compiled("test a; connect; test b; connect"))
    assert one == two


def test_expectations() -> None:
    (test,) = compiled(
        """rules rules.v4
        connect => delivered
        client data 1 => INVALID, dropped by filter/MINE#1, no entry
        server ACK => no ctstate, rejected by filter/INPUT   policy
        client FIN
          => not delivered, rule filter/MINE return, rule filter/INPUT#1, entry ESTABLISHED
        client udp => delivered as 10.2.0.1:9 > 10.2.0.2, entry
        """
    )
    found = {each.packet: each for each in test.scenario.expectations}
    assert [found[number].claims for number in range(3)] == [(Delivered(True),)] * 3
    assert found[3].claims == (
        *(Ctstate("INVALID"), Delivered(False), Rejected(False), By("filter/MINE#1"), NoEntry()),
    )
    assert found[4].claims == (
        *(Ctstate(None), Delivered(False), Rejected(True), By("filter/INPUT policy")),
    )
    assert found[5].claims == (
        *(Delivered(False), Matched("filter/MINE return"), Matched("filter/INPUT#1")),
        HasEntry("ESTABLISHED"),
    )
    assert found[6].claims == (
        *(Delivered(True), As(Seen("10.2.0.1", 9, "10.2.0.2", None)), HasEntry(None)),
    )
    places = [test.places[found[number].packet] for number in range(7)]
    assert [place.line for place in places] == [2, 2, 2, 3, 4, 5, 7]


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("", (1, 1, 1), "a test without a packet", None),
        ("test a\ntest b; connect", (1, 1, 7), "a test without a packet", None),
        ("connect; test b; connect", (1, 1, 8), "in front of the first test", "begin with: test"),
        ("connect\nkernel 6.18", (2, 8, 12), "a kernel stands in front of the first packet", None),
        ("test a; name b; connect", (1, 14, 15), "name of all tests", None),
        ("kernel 6.18; kernel 6.1; connect", (1, 21, 24), "kernel stands twice", None),
        ("kernel 6.99; connect", (1, 8, 12), "unknown kernel '6.99'", None),
        ("topology host client eth0 10.1.0.1/33; connect", (1, 27, 38), "/33 is more than", None),
        ("topology host client lo; connect", (1, 22, 24), "other than lo", None),
        ("flow 10.1.0.300 > 10.2.0.2; connect", (1, 6, 16), "not an IPv4 address", "write 10.1"),
        # inet_pton(3), as in scenarios: not the octal and short forms of inet_aton(3).
        ("flow 10.1:4 > 10.2.0.2; connect", (1, 6, 12), "not an IPv4 address: '10.1'", "write"),
        ("flow 10.1.0.3 > 010.2.0.2:80; connect", (1, 17, 29), "not an IPv4 address", "write"),
        ("flow 10.1.0.3:x > 10.2.0.2; connect", (1, 6, 16), "unknown port or service", None),
        ("flow 10.1.0.3: > 10.2.0.2; connect", (1, 6, 15), "a port is expected behind ':'", None),
        ("flow 10.1.0.3 > fd01::1; connect", (1, 6, 14), "not an IPv6 address", "write 10.1"),
        ("fact time 2026-13-01T00:00:00Z; connect", (1, 11, 31), "time must be a moment", None),
        ("fact owner uid=x gid=0; connect", (1, 16, 17), "a whole number", None),
        ("fact owner uid=0; connect", (1, 1, 17), 'owner needs "gid"', None),
        ("fact owner uid=0 gid=0 uid=1; connect", (1, 24, 27), "uid stands twice", None),
        ("fact mac 02:00; connect", (1, 10, 15), "mac must be", None),
        ("sysctl tcp_losse=0; connect", (1, 8, 17), "no kernel has a sysctl", None),
        ("sysctl tcp_loose=2; connect", (1, 18, 19), "from 0 to 1", None),
        ("connect; sysctl count=2", (1, 17, 22), "read-only", None),
        ("client SYN foo=1", (1, 12, 15), "unknown option 'foo'", "known are ttl"),
        ("client SYN tll=1", (1, 12, 15), "unknown option 'tll'", "did you mean ttl?"),
        ("client SYN ttl=1 ttl=2", (1, 18, 21), "ttl stands twice", None),
        ("client udp seq=1", (1, 12, 15), "seq says nothing of a packet of UDP", None),
        ("client SYN ttl=256", (1, 16, 19), "ttl must be a whole number from 0 to 255", None),
        ("client SYN ttl=x", (1, 16, 17), "a whole number is expected", None),
        ("client SYN saddr=x", (1, 18, 19), "saddr must be an IPv4 address", None),
        ("client SYN ts=1", (1, 15, 16), "two numbers are expected, as 1/2", None),
        ("client SYN sackok=1", (1, 19, 20), "yes or no", None),
        ("client SYN seq=4294967296", (1, 16, 26), "at most 4294967295", None),
        ("client data 70000", (1, 13, 18), "len must be a whole number from 0 to 65495", None),
        ('client data "abc" len=2', (1, 23, 24), "len is 2, but", None),
        ("client data 5 len=6", (1, 19, 20), "len stands twice", None),
        ("client data 5 again", (1, 15, 20), "the client has not sent this before", "'again'"),
        ("client udp again", (1, 12, 17), "only what has numbers is sent again", None),
        ("server ping again", (1, 13, 18), "the server has not sent this before", None),
        ("client SYN badsum badsum", (1, 19, 25), "badsum stands twice", None),
        ("client SYN,SYN", (1, 8, 15), "twice", None),
        ("client ip 47", (1, 11, 13), "GRE in its own way", None),
        ("client ip tcp", (1, 11, 14), "statements of its own", "write client SYN"),
        ("client ip foo", (1, 11, 14), "unknown protocol", None),
        ("client icmp foo", (1, 13, 16), "unknown type", "for example"),
        ("client icmp unreachable", (1, 1, 24), "there is no packet of reply", None),
        ("client SYN; client icmp 3 quoting client", (1, 35, 41), "does not receive its own", None),
        ("idle 1.0000001s; connect", (1, 6, 16), "whole microseconds", None),
        ("idle 9000d; connect", (1, 6, 11), "ten years", None),
        ("client SYN => NEW, INVALID", (1, 20, 27), "a ctstate is expected twice", None),
        ("client SYN => entry, no entry", (1, 22, 30), "an entry is expected twice", None),
        ("client SYN => dropped, not delivered", (1, 24, 37), "one of them", None),
        ("client SYN => entry ESTAB", (1, 21, 26), "no state of an entry", "ESTABLISHED?"),
        ("client SYN => delivered as 1.2.3.4 > fd00::1", (1, 38, 45), "not an IPv4", "write"),
        ("client SYN => rule filter/INPUT#1", (1, 20, 34), "this test has no rules", "rules FILE"),
        ("rules rules.v4; client SYN => rule x", (1, 36, 37), "names no rule", "is written"),
        (
            "rules rules.v4; topology lo v6; client SYN => delivered",
            (1, 7, 15),
            "the test is IPv6, and its rules are of IPv4 only",
            "rules6 FILE",
        ),
        (
            "rules6 rules.v4; test a; client SYN => delivered",
            (1, 18, 24),
            "the test is IPv4, and its rules are of IPv6 only",
            "rules FILE",
        ),
        (
            "rules rules.v4; client SYN => rule nat/INPUT#1",
            (1, 36, 47),
            "the rule set has no table 'nat'",
            "its tables are filter",
        ),
        (
            "rules rules.v4; client SYN => dropped by filter/NOPE#3",
            (1, 42, 55),
            "table filter has no chain 'NOPE'",
            "it has INPUT, FORWARD, OUTPUT, MINE",
        ),
        (
            "rules rules.v4; client SYN => dropped by filter/INPTU#1",
            (1, 42, 56),
            "has no chain 'INPTU'",
            "did you mean filter/INPUT?",
        ),
        (
            "rules rules.v4; client SYN => rejected by filter/INPUT#2",
            (1, 43, 57),
            "chain filter/INPUT has 1 rule",
            "the first is #1",
        ),
        (
            "rules rules.v4; client SYN => rule filter/MINE policy",
            (1, 36, 54),
            "which has no policy",
            "write 'filter/MINE return'",
        ),
        (
            "rules rules.v4; client SYN => rule filter/INPUT return",
            (1, 36, 55),
            "INPUT has a policy",
            "write 'filter/INPUT policy'",
        ),
    ],
)
def test_what_is_refused(
    text: str, place: tuple[int, int, int], message: str, hint: str | None
) -> None:
    (problem,) = problems(text)
    span = problem.span
    assert (span.line, span.column, span.end_column) == place
    assert message in problem.message
    assert (problem.hint is None) == (hint is None)
    if hint is not None:
        assert hint in str(problem.hint)


def test_all_problems_of_a_script_are_told() -> None:
    text = "test a; client SYN foo=1; client ACK bar=1\ntest b; connect\ntest c; client SYN ttl=999"
    assert [problem.span.line for problem in problems(text)] == [1, 1, 3]
    assert len(problems("client SYN foo=1\n" * 500)) == 100


@st.composite
def conversations(draw: st.DrawFn) -> str:
    """What two ends may say that have a connection and lose nothing."""
    text = "connect"
    is_open = {"client": True, "server": True}
    for _ in range(draw(st.integers(1, 25))):
        end = draw(st.sampled_from(("client", "server")))
        kinds = ["ACK", "idle"] + (["data", "data", "FIN"] if is_open[end] else ["FIN again"])
        kind = draw(st.sampled_from(kinds))
        if kind == "idle":
            text += f"; idle {draw(st.integers(0, 900))}ms"
        elif kind == "data":
            text += f"; {end} data {draw(st.integers(1, 1400))}"
            if draw(st.booleans()):
                text += f"; {'server' if end == 'client' else 'client'} ACK"
        else:
            text += f"; {end} {kind}"
            is_open[end] = is_open[end] and kind != "FIN"
        if not any(is_open.values()):
            break
    return text


@given(conversations())
def test_a_plain_script_is_always_in_its_windows(text: str) -> None:
    (test,) = compiled(text)
    for answer in play(test.scenario, NEWEST).packets:
        if isinstance(answer, PacketAnswer):
            assert answer.ctstate in ("NEW", "ESTABLISHED"), json.dumps(
                scenario_to_json(test.scenario)
            )
