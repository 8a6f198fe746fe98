# SPDX-License-Identifier: GPL-2.0-only
"""Answers for a terminal. The answers here are made by hand, not by the model."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from ctlint.model.conntrack.reason import Reason
from ctlint.model.kernel.profiles import profile
from ctlint.report.simulate_text import render_simulation
from ctlint.scenario.answer import (
    EntryAnswer,
    OpAnswer,
    OutPacket,
    PacketAnswer,
    ScenarioAnswer,
)
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
    render_simulation(
        scenario,
        ScenarioAnswer(scenario.name, tuple(answers), entries),
        title="scenario 4",
        kernel=profile("6.18"),
        internals=False,
        console=console,
    )
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
    lines = rows(
        [packet, packet],
        [
            answer("NEW", delivered=False, out=(out,), rules=("filter/FORWARD#1",)),
            answer("NEW", natted, out=(went,)),
        ],
        (natted,),
        width=120,
    )
    assert lines[1:4] == [
        "rules: filter/FORWARD#1",
        "not delivered",
        "the box sends to the left: 10.2.0.2:80 > 10.1.0.2:40000 RA seq 0 ack 7 win 0",
    ]
    assert lines[4].endswith("SYN_SENT 120s new mark 0x10")
    assert lines[5] == (
        "comes out on the right: 192.0.2.1:5 > 10.2.0.2:80 S seq 1 ack 0 win 9 len 3"
    )


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
        "",
        "Left:  10.1.0.2:40000 > 10.2.0.2:80, entry, 30s",
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


def test_hostile_text_of_an_answer() -> None:
    given = [answer("NEW", rules=("filter/\x1b[2J[bold]",), undecided=({"rule": "\u202e"},))]
    text = "\n".join(render([{"dir": "orig"}], given))
    assert "rules: filter/\\x1b[2J[bold]" in text
    assert "not decided: rule \\u202e" in text


def test_directions_are_those_of_the_wire() -> None:
    found = rows([{"dir": "reply", "proto": 50, "len": 3}], [answer("NEW")])
    assert found == ["0 0s ← ip 50 +3 NEW no entry"]
