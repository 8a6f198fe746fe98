# SPDX-License-Identifier: GPL-2.0-only
"""Answers for a terminal. The answers here are made by hand, not by the model."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ctlint.model.conntrack.reason import Reason
from ctlint.model.kernel.profiles import profile
from ctlint.report.simulate_course import WINDOW, Course
from ctlint.report.simulate_text import _Entries, render_simulation
from ctlint.scenario.answer import (
    EntryAnswer,
    OpAnswer,
    OutPacket,
    PacketAnswer,
)
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json

ORIG = ("10.1.0.2", 40000, "10.2.0.2", 80)
REPLY = ("10.2.0.2", 80, "10.1.0.2", 40000)


def entry(state: str | None, timeout: int, *flags: str, **more: Any) -> EntryAnswer:
    return EntryAnswer(state, timeout, flags, ORIG, more.pop("reply", REPLY), **more)


def answer(ctstate: str | None, entry: EntryAnswer | None = None, **more: Any) -> PacketAnswer:
    hooks = more.pop("hooks", {} if ctstate is None else {"FORWARD": ctstate})
    delivered = more.pop("delivered", True)
    return PacketAnswer(ctstate, hooks, delivered, more.pop("out", ()), entry, None, **more)


def render(
    packets: list[dict[str, Any]],
    answers: Sequence[PacketAnswer | OpAnswer],
    entries: tuple[EntryAnswer, ...] = (),
    *,
    width: int = 80,
    **keys: Any,
) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    scenario = scenario_from_json({"packets": packets} | keys)
    course = Course(scenario, "scenario 4", profile("6.18"), iter(answers), lambda: entries)
    render_simulation(course, internals=False, console=console)
    return stream.getvalue().splitlines()


def rows(*arguments: Any, **keys: Any) -> list[str]:
    """The lines between the heading and what is left, with single blanks."""
    lines = render(*arguments, **keys)
    blank = lines.index("")
    return [" ".join(line.split()) for line in lines[blank + 2 : lines.index("", blank + 1)]]


@pytest.mark.parametrize(
    ("second", "dt", "expected"),
    [
        (entry("ESTABLISHED", 100), 0, "100s"),
        (entry("ESTABLISHED", 70), 30, "70s kept"),
        (entry("ESTABLISHED", 69), 30.5, "69s kept"),
        (entry("ESTABLISHED", 70), 30.5, "70s kept"),
        (entry("ESTABLISHED", 71), 30, "71s renewed"),
        (entry("ESTABLISHED", 69), 30, "69s cut"),
        (entry("CLOSE", 10), 30, "10s set"),
        (entry("ESTABLISHED", 70, is_fresh=True), 30, "70s new"),
    ],
)
def test_what_a_packet_did_to_the_timer(second: EntryAnswer, dt: float, expected: str) -> None:
    packets = [{"dir": "orig", "flags": "A"}, {"dir": "orig", "flags": "A", "dt": dt}]
    given = [answer("NEW", entry("ESTABLISHED", 100)), answer("ESTABLISHED", second)]
    found = rows(packets, given)
    assert found[0].endswith("NEW ESTABLISHED 100s new")
    assert found[1].endswith(f" {expected}")


@pytest.mark.parametrize("between", [{"op": "expire"}, {"op": "flush"}])
def test_an_entry_behind_the_end_of_all_is_new(between: dict[str, str]) -> None:
    packet = {"dir": "orig", "flags": "A"}
    same = answer("NEW", entry("ESTABLISHED", 100))
    found = rows([packet, between, packet], [same, OpAnswer(between["op"]), same])
    assert found[2].endswith("100s new")


def test_sequence_numbers_count_from_the_first_of_each_end() -> None:
    packets = [
        {"dir": "orig", "flags": "S", "seq": 4294967295},
        {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 0},
        {"dir": "orig", "flags": "PA", "seq": 0, "ack": 5001, "len": 100},
        {"dir": "reply", "flags": "A", "seq": 4999, "ack": 4294967294},
        {"dir": "reply", "flags": "R", "seq": 5001, "ack": 7},
    ]
    found = rows(packets, [answer("NEW")] * 5)
    assert [line.split(" NEW")[0] for line in found] == [
        "0 0s → S 0",
        "1 0s ← SA 0 ack 1",
        "2 0s → PA 1+100 ack 1",
        "3 0s ← A -1 ack -1",
        "4 0s ← R 1",
    ]


def test_reasons_in_words_and_in_the_kernels() -> None:
    packet = {"dir": "orig", "flags": "FA"}
    log = "nf_ct_proto_6: invalid new"
    found = rows(
        [packet, packet, packet],
        [
            answer("INVALID", why=(log,), reasons=(Reason.INVALID_NEW,)),
            answer("INVALID", reasons=(Reason.NOT_PICKED_UP,), delivered=False),
            answer(None, delivered=False),
        ],
        width=120,
    )
    assert found[1:3] == [Reason.INVALID_NEW.sentence, f"kernel log: {log}"]
    assert found[4:7] == [
        Reason.NOT_PICKED_UP.sentence,
        "The kernel logs nothing of it.",
        "not delivered",
    ]
    assert found[7] == "2 0s → FA 0 ack 0 - no entry"


def test_rules_answers_of_the_box_and_translation() -> None:
    out = OutPacket("left", "10.2.0.2", 80, "10.1.0.2", 40000, "RA", 0, 7, 0, 0, is_same=False)
    went = OutPacket("right", "192.0.2.1", 5, "10.2.0.2", 80, "S", 1, 0, 9, 3, is_same=True)
    natted = entry("SYN_SENT", 120, reply=("10.2.0.2", 80, "192.0.2.1", 5), mark=16)
    packet = {"dir": "orig", "flags": "S"}
    rule = "filter/FORWARD#1"
    lines = rows(
        [packet, packet],
        [
            answer("NEW", delivered=False, out=(out,), rules=(rule,), cause=rule),
            answer("NEW", natted, out=(went,)),
        ],
        (natted,),
        width=120,
    )
    assert lines[1:4] == [
        "rules: filter/FORWARD#1",
        "dropped by filter/FORWARD#1",
        "the box sends to the left: 10.2.0.2:80 > 10.1.0.2:40000 RA seq 0 ack 7 win 0",
    ]
    assert lines[4].endswith("SYN_SENT 120s new mark 0x10")
    assert lines[5] == "leaves on the right as 192.0.2.1:5 > 10.2.0.2:80"


def test_operations_and_spans() -> None:
    packets: list[dict[str, Any]] = [
        {"op": "wait", "dt": 432000},
        {"op": "wait", "dt": 0.25},
        {"op": "wait", "dt": 300},
        {"op": "wait", "dt": 301},
        {"op": "sysctl", "sysctls": {"tcp_loose": 0, "udp_timeout": 5}},
        {"op": "expire"},
        {"op": "flush"},
    ]
    found = rows(packets, [OpAnswer(packet["op"]) for packet in packets])
    assert found == [
        "0 0s 5d pass",
        "1 5d 0.25s pass",
        "2 5d0.25s 300s pass",
        "3 5d5m0.25s 5m1s pass",
        "4 5d10m1.25s sysctl tcp_loose=0, udp_timeout=5",
        "5 5d10m1.25s the timers of all entries run out",
        "6 5d10m1.25s all entries are deleted",
    ]


def test_the_heading_and_what_is_left() -> None:
    lines = render([], [], (entry(None, 30),), topology={"kind": "host", "role": "reply"})
    assert lines == [
        "scenario 4",
        "10.2.0.2:40000 > 10.1.0.1:80, the box is the server, on eth0",
        "kernel 6.18",
        "",
        "Left:  10.1.0.2:40000 > 10.2.0.2:80, udp, 30s",
    ]


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_lines_keep_to_the_width(width: int) -> None:
    packets: list[dict[str, Any]] = [
        {"dir": "orig", "flags": "SFRPAUEC", "seq": 9, "ack": 1, "len": 65000},
        {"dir": "reply", "proto": "icmp", "type": 8, "id": 65535, "len": 60000},
    ]
    shown = entry("ESTABLISHED", 431999, "ASSURED", "UNREPLIED")
    given = [
        answer("INVALID", shown, why=("nf_ct_proto_6: " + "w" * 300,)),
        answer("ESTABLISHED", shown, hooks={"PREROUTING": "NEW", "FORWARD": "ESTABLISHED"}),
    ]
    lines = render(packets, given, (shown,), width=width, name="n" * 5000)
    assert max(map(len, lines)) <= max(width, 60)
    assert sum(line.count("n") for line in lines[:10]) < 300


def test_what_is_not_decided() -> None:
    why = {"rule": "filter/INPUT#3", "match": "-m cpu --cpu 1", "why": "the processor is not known"}
    given = [answer("NEW", delivered=None, undecided=(why,)), answer("NEW", delivered=False)]
    lines = rows([{"dir": "orig"}, {"dir": "orig"}], given)
    assert lines[1:3] == [
        "not decided: filter/INPUT#3: -m cpu --cpu 1: the processor is not known",
        "It is not decided whether it is delivered.",
    ]
    assert lines[4] == "not delivered"


def test_hostile_text_of_an_answer() -> None:
    given = [answer("NEW", rules=("filter/\x1b[2J[bold]",), undecided=({"rule": "\u202e"},))]
    text = "\n".join(render([{"dir": "orig"}], given))
    assert "rules: filter/\\x1b[2J[bold]" in text
    assert "not decided: \\u202e" in text


def test_directions_are_those_of_the_wire() -> None:
    found = rows([{"dir": "reply", "proto": 50, "len": 3}], [answer("NEW")])
    assert found == ["0 0s ← ip 50 +3 NEW no entry"]


def test_icmp_is_not_translated_by_being_answered() -> None:
    """Its tuples have the types of the question and of the answer (nf_conntrack_proto_icmp.c)."""
    ping = EntryAnswer(
        None, 30, ("UNREPLIED",), ("10.1.0.2", 7, "10.2.0.2", 8), ("10.2.0.2", 7, "10.1.0.2", 0)
    )
    out = OutPacket("right", "10.1.0.2", 7, "10.2.0.2", 8, None, 0, 0, 0, 56, is_same=True)
    packet = {"dir": "orig", "proto": "icmp", "id": 7}
    lines = render([packet], [answer("NEW", ping, out=(out,))], (ping,))
    assert lines[5:] == [
        "0   0s → icmp type 8 id 7  NEW         entry       30s new [UNREPLIED]",
        "",
        "Left:  10.1.0.2 > 10.2.0.2, icmp id 7, 30s [UNREPLIED]",
    ]
    natted = replace(ping, reply=("10.2.0.2", 9, "192.0.2.1", 0))
    went = replace(out, src="192.0.2.1", sport=9)
    lines = render([packet], [answer("NEW", natted, out=(went,))], (natted,), width=100)
    assert lines[6].strip() == "leaves on the right as 192.0.2.1 > 10.2.0.2 icmp id 9 len 56"
    assert lines[8].endswith(
        "icmp id 7, 30s [UNREPLIED], answered as 10.2.0.2 > 192.0.2.1, icmp id 9"
    )


def test_what_is_left_names_its_protocol() -> None:
    def of(sport: int, dport: int) -> EntryAnswer:
        orig, reply = ("10.1.0.2", sport, "10.2.0.2", dport), ("10.2.0.2", dport, "10.1.0.2", sport)
        return EntryAnswer(None, 30, (), orig, reply)

    packets: list[dict[str, Any]] = [
        {"dir": "orig", "proto": "udp"},
        {"dir": "orig", "proto": 50},
        {"dir": "orig", "proto": "icmp", "type": 13},
        {"dir": "orig"},
    ]
    stamp = EntryAnswer(
        None, 30, (), ("10.1.0.2", 0, "10.2.0.2", 13), ("10.2.0.2", 0, "10.1.0.2", 14)
    )
    entries = (of(40000, 80), of(0, 0), stamp, entry("SYN_SENT", 120))
    lines = render(packets, [answer("NEW", each) for each in entries], entries)
    assert [line[7:] for line in lines[-4:]] == [
        "10.1.0.2:40000 > 10.2.0.2:80, udp, 30s",
        "10.1.0.2 > 10.2.0.2, ip 50, 30s",
        "10.1.0.2 > 10.2.0.2, icmp type 13 id 0, 30s",
        "10.1.0.2:40000 > 10.2.0.2:80, SYN_SENT, 120s",
    ]


@pytest.mark.parametrize(
    "packet",
    [
        {"dir": "orig", "proto": 50},
        {"dir": "orig", "proto": "udp"},
        {"dir": "orig", "flags": ""},
        {"dir": "orig", "flags": "S"},
        {"dir": "orig", "proto": "icmp", "type": 255, "code": 255, "id": 65535, "len": 65000},
        {"dir": "orig", "flags": "PA", "seq": 4294967295, "ack": 4294967295, "len": 65000},
    ],
)
def test_columns_stand_below_their_headings(packet: dict[str, Any]) -> None:
    first = {"dir": "reply", "flags": "A", "seq": 2000000000, "ack": 2000000000}
    for packets in ([packet], [first, packet]):
        lines = render(packets, [answer("INVALID")] * len(packets), width=100)
        heading = lines[4]
        shown = [line for line in lines if "→" in line or "←" in line]
        assert len(shown) == len(packets)
        for line in shown:
            assert line.index("INVALID ") == heading.index("ctstate")
            assert line.index("no entry") == heading.index("entry")
            assert line[heading.index("packet")] in "→←"


def test_numbers_of_another_connection_stand_as_they_are() -> None:
    """No window reaches further than 1 GiB (RFC 7323, section 2.3)."""
    far = 1 << 30
    numbers = (1000, 1000 + far, 1001 + far, 1000 - far, 999 - far)
    packets = [{"dir": "orig", "flags": "S", "seq": number % (1 << 32)} for number in numbers]
    found = rows(packets, [answer("NEW")] * 5)
    assert [line.split(" NEW")[0].split(" S ")[1] for line in found] == [
        "0",
        "1073741824",
        "=1073742825",
        "-1073741824",
        f"={999 - far + (1 << 32)}",
    ]


def test_what_has_no_room_in_its_column_stands_below() -> None:
    packets: list[dict[str, Any]] = [
        {"dir": "orig", "flags": "A"},
        {"dir": "orig", "flags": "PA", "seq": 3000000000, "ack": 3000000000, "len": 1000},
        {"dir": "orig", "proto": "icmp", "type": 8, "code": 1, "id": 65535, "len": 60000},
    ]
    found = rows(packets, [answer("NEW")] * 3, width=80)
    assert found == [
        "0 0s → A 0 ack 0 NEW no entry",
        "1 0s → PA =3000000000+1000 NEW no entry",
        "ack =3000000000",
        "2 0s → icmp type 8/1 id 65535 NEW no entry",
        "+60000",
    ]
    # Where there is room, the column is as wide as what stands in it; so it is where the entries
    # stand below anyhow.
    assert rows(packets, [answer("NEW")] * 3, width=100)[1:] == [
        "1 0s → PA =3000000000+1000 ack =3000000000 NEW no entry",
        "2 0s → icmp type 8/1 id 65535 +60000 NEW no entry",
    ]
    assert rows(packets[1:], [answer("NEW")] * 2, width=75)[2:] == [
        "1 0s → icmp type 8/1 id 65535 +60000 NEW",
        "no entry",
    ]
    long = [packet | {"dt": 300_000_000.000001} for packet in packets[:2]]
    assert rows(long, [answer("NEW")] * 2, width=80)[2:] == [
        "1 6944d10h40m0.000002s → PA =3000000000+1000 ack =3000000000 NEW",
        "no entry",
    ]


@pytest.mark.parametrize(("room", "is_beside"), [(29, False), (30, True)])
def test_an_entry_stands_beside_its_packet_where_it_has_room(room: int, is_beside: bool) -> None:
    # "# time → A 0 ack 0  ctstate     " takes 32 cells.
    lines = render([{"dir": "orig", "flags": "A"}], [answer("NEW")], width=32 + room)
    assert lines[4:7] == (
        ["# time packet       ctstate     entry", "0   0s → A 0 ack 0  NEW         no entry", ""]
        if is_beside
        else ["# time packet       ctstate", "0   0s → A 0 ack 0  NEW", "       no entry"]
    )


def test_answers_are_asked_for_as_they_are_printed() -> None:
    """What is printed depends on the first answers alone; no others wait to be printed."""
    count = 3 * WINDOW
    stream = io.StringIO()
    printed: list[int] = []

    def answers() -> Iterator[PacketAnswer]:
        for _ in range(count):
            printed.append(stream.getvalue().count("\n"))
            yield answer("NEW", entry("ESTABLISHED", 100))

    scenario = scenario_from_json({"packets": [{"dir": "orig", "flags": "A"}] * count})
    course = Course(scenario, "t", profile("6.18"), answers(), lambda: ())
    render_simulation(course, internals=False, console=Console(file=stream, width=100))
    assert printed[WINDOW - 1] == 0
    assert printed[WINDOW + 1] > WINDOW - 201
    assert all(index - lines < 201 for index, lines in enumerate(printed) if index > WINDOW)
    assert stream.getvalue().count("\n") == count + 7


def test_expired_entries_are_forgotten() -> None:
    kept = _Entries()
    (step,) = scenario_from_json({"packets": [{"dir": "orig", "flags": "A", "dt": 1}]}).steps
    for port in range(20_000):
        orig = ("10.1.0.2", port, "10.2.0.2", 80)
        kept.timer(step, answer("NEW", EntryAnswer("SYN_SENT", 120, (), orig, REPLY)))
        assert len(kept.known) <= 1_001
    # Those of the last two minutes are known still.
    assert {port for _, (_, port, _, _) in kept.known} >= set(range(20_000 - 120, 20_000))


def test_what_ends_a_packets_way_stands_as_it_is_written() -> None:
    rules = (
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:WEB - [0:0]\n"
        "-A FORWARD -p tcp -m tcp --dport 80 -j WEB\n"
        "-A WEB -m conntrack --ctstate INVALID -j DROP\n"
        "-A WEB -j REJECT --reject-with icmp-port-unreachable\nCOMMIT\n"
    )
    packets = [
        {"dir": "orig", "flags": "FA", "seq": 1},
        {"dir": "orig", "flags": "S", "seq": 1},
        {"dir": "orig", "proto": "udp"},
    ]
    scenario = scenario_from_json({"ruleset": rules, "packets": packets})
    kernel = profile("6.18")
    player = Player(scenario, kernel)
    stream = io.StringIO()
    course = Course(
        scenario,
        "test",
        kernel,
        map(player.step, scenario.steps),
        player.entries,
    )
    page = Console(file=stream, width=120)
    render_simulation(course, internals=False, console=page, is_first=True)
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    assert "dropped by filter/WEB#1: -A WEB -m conntrack --ctstate INVALID -j DROP" in lines
    assert "rejected by filter/WEB#2: -A WEB -j REJECT --reject-with icmp-port-unreachable" in lines
    assert "dropped by filter/FORWARD policy: policy DROP" in lines
