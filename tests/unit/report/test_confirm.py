# SPDX-License-Identifier: GPL-2.0-only
"""What model and kernel say, on a terminal and as JSON. The answers here are made by hand."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from ctlint.finding import Confidence
from ctlint.report.confirm_json import bug_report, write_confirmation_json, write_sums_json
from ctlint.report.confirm_result import Confirmation, Status, Sums, Task
from ctlint.report.confirm_text import render_confirmation, render_sums
from ctlint.scenario.agreement import AT_THE_END, Difference
from ctlint.scenario.answer import EntryAnswer, OutPacket, PacketAnswer
from ctlint.scenario.check import Miss, Unmet
from ctlint.scenario.duel import Both, Duel
from ctlint.scenario.expectation import Delivered, Expectation
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import Scenario

ENDS = ("10.1.0.2", 40000, "10.2.0.2", 80)
ENTRY = EntryAnswer("SYN_SENT", 120, ("UNREPLIED",), ENDS, (*ENDS[2:], *ENDS[:2]))
OPENED = PacketAnswer("NEW", {"FORWARD": "NEW"}, True, (), ENTRY, None, rules=())
LOST = PacketAnswer(
    "INVALID",
    {"FORWARD": "INVALID"},
    False,
    (),
    None,
    None,
    rules=("filter/FORWARD#2",),
    cause="filter/FORWARD#2",
)
AGREED = (Both(OPENED, OPENED), Both(LOST, LOST))
DELIVERED = Difference(1, "delivered", False, True)
DIFFERING = (AGREED[0], Both(LOST, OPENED, (DELIVERED,)))
MISSED = Unmet(
    Expectation(1, (Delivered(True),)),
    (Miss("delivered", "dropped by filter/FORWARD#2"),),
    None,
    "",
)


def scenario_of(**more: Any) -> Scenario:
    packets = [{"dir": "orig", "flags": "S"}, {"dir": "orig", "flags": "FA", "expire": True}]
    return scenario_from_json({"name": "A close", "packets": packets} | more)


def task(confidence: Confidence | None = Confidence.CERTAIN, **more: Any) -> Task:
    expect = [{"packet": 1, "delivered": False}]
    scenario = scenario_of(**{"expect": expect, **more})
    rule = None if confidence is None else "CT101"
    return Task("rules.v4", 12, "witness", scenario, rule, confidence, opening=1)


def found(duel: Duel | None = None, **more: Any) -> Confirmation:
    return Confirmation(task(), duel or Duel(AGREED), **more)


def text(one: Confirmation, width: int = 78) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False, emoji=False)
    render_confirmation(one, kernel="6.18", release="6.18.44", console=console)
    return stream.getvalue().splitlines()


def as_json(one: Confirmation) -> dict[str, Any]:
    stream = io.StringIO()
    write_confirmation_json(one, kernel="6.18", stream=stream)
    assert stream.getvalue().count("\n") == 1
    written = json.loads(stream.getvalue())
    assert isinstance(written, dict)
    return written


def test_a_witness_that_is_confirmed() -> None:
    assert text(found()) == [
        "confirmed  CT101  rules.v4:12  A close",
        "        0  orig S   both: NEW, delivered, entry SYN_SENT",
        "        1  orig FA  both: INVALID, dropped by filter/FORWARD#2, no entry, as",
        "                    expected",
    ]
    written = as_json(found())
    assert (written["status"], written["made_for"], written["problem"]) == ("confirmed", None, None)
    assert [one["agree"] for one in written["packets"]] == [True, True]
    assert written["packets"][1]["kernel"]["ctstate"] == "INVALID"


def test_a_difference_shows_what_either_says() -> None:
    one = found(Duel(DIFFERING, (Difference(AT_THE_END, "entries", [], ["x"]),)), report="r.json")
    assert one.status is Status.DIFFERS
    assert text(one)[2:] == [
        "        1  orig FA  model and kernel differ",
        "            delivered  model   True",
        "                       kernel  False",
        "      the table behind the last packet:",
        "            entries    model   x",
        "                       kernel  none",
        "      bug report: r.json",
    ]
    written = as_json(one)
    assert written["status"] == "differs"
    assert written["report"] == "r.json"
    assert written["differences"] == [
        {"packet": 1, "field": "delivered", "model": True, "kernel": False},
        {"packet": "end", "field": "entries", "model": ["x"], "kernel": []},
    ]
    assert [each["agree"] for each in written["packets"]] == [True, False]


def test_what_is_expected_and_does_not_come_refutes() -> None:
    one = found(Duel(AGREED, unmet=(MISSED,), unmet_by_model=(MISSED,)), unwritten="no room")
    assert one.status is Status.REFUTED
    assert text(one)[2:] == [
        "        1  orig FA  both: INVALID, dropped by filter/FORWARD#2, no entry",
        "            expected  delivered",
        "            got       dropped by filter/FORWARD#2",
        "      the model of this kernel does not meet what is expected either",
        "      no bug report: no room",
    ]
    assert as_json(one)["unmet"] == [
        {"packet": 1, "expected": "delivered", "got": "dropped by filter/FORWARD#2"}
    ]


def test_where_the_model_leaves_open_the_kernel_answers_alone() -> None:
    one = found(Duel((Both(OPENED, None), Both(LOST, None)), open="filter/INPUT#1: weird"))
    assert one.status is Status.CONFIRMED
    assert text(one)[2:] == [
        "        1  orig FA  kernel alone: INVALID, dropped, no entry, as expected",
        "      the model leaves open: filter/INPUT#1: weird",
    ]
    assert as_json(one)["packets"][0]["model"] is None


@pytest.mark.parametrize(
    ("confidence", "why", "status"),
    [
        (Confidence.POSSIBLE, "weird", Status.UNDECIDED),
        (Confidence.CERTAIN, "weird", Status.REFUTED),
        (Confidence.POSSIBLE, None, Status.REFUTED),
    ],
)
def test_a_possible_loss_that_does_not_come_is_undecided_where_it_hangs_on_a_match(
    confidence: Confidence, why: str | None, status: Status
) -> None:
    duel = Duel(AGREED, open=why, unmet=(MISSED,))
    assert Confirmation(task(confidence), duel).status is status


def test_a_possible_connection_that_cannot_be_opened_here_is_undecided() -> None:
    duel = Duel((Both(LOST, LOST), Both(LOST, LOST)), unmet=(MISSED,))
    assert Confirmation(task(Confidence.POSSIBLE), duel).status is Status.UNDECIDED
    assert Confirmation(task(Confidence.LIKELY), duel).status is Status.REFUTED


def test_a_witness_that_is_not_played() -> None:
    one = Confirmation(
        Task("r", 3, "witness", None, "CT101", problem="no"), None, "the real restore refuses it"
    )
    assert text(one) == ["not played  CT101  r:3  witness", "      the real restore refuses it"]
    assert (as_json(one)["status"], as_json(one)["packets"]) == ("not played", [])


def test_another_kernel_is_named() -> None:
    one = Confirmation(task(kernel="3.10"), Duel(AGREED))
    assert text(one)[1] == "      made for kernel 3.10; played on 6.18.44, and on its model 6.18"
    assert as_json(one)["made_for"] == "3.10"
    assert "made for" not in "".join(text(Confirmation(task(kernel="6.18"), Duel(AGREED))))


def test_where_addresses_are_translated_they_are_shown() -> None:
    out = OutPacket("reply", "10.2.0.1", 5000, "10.2.0.2", 80, "S", 0, 0, 0, 0, True)
    answer = PacketAnswer("NEW", {}, True, (out,), ENTRY, None)
    rules = "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
    one = Confirmation(task(ruleset=rules, expect=[]), Duel((Both(answer, answer),)))
    assert "out as 10.2.0.1:5000 > 10.2.0.2:80" in " ".join(text(one, 200))


def test_many_packets_that_agree_are_counted() -> None:
    packets = [{"dir": "orig", "flags": "S"}] * 100
    steps = (*[AGREED[0]] * 99, Both(LOST, OPENED, (DELIVERED._replace(packet=99),)))
    one = Confirmation(task(packets=packets, expect=[]), Duel(steps))
    lines = text(one, 200)
    assert "      … and 39 more, in which both agree" in lines
    assert any(line.startswith("       99  orig S  model and kernel differ") for line in lines)


def test_names_are_escaped_and_cut() -> None:
    odd = "\x1b[31m\x00" + "x" * 1000
    scenario = scenario_of(name=odd)
    one = Confirmation(Task(odd, 1, odd, scenario), None, "\x1b]0;t\x07")
    printed = "\n".join(text(one))
    assert "\x1b" not in printed
    assert "\x00" not in printed
    assert len(printed) < 2000


def test_the_sums() -> None:
    sums = Sums(without=1)
    sums.add(found())
    sums.add(found(Duel(AGREED, unmet=(MISSED,))))
    sums.add(found(Duel(DIFFERING)))
    for reason in ("a", "b", "a"):
        sums.add(Confirmation(task(), None, reason))
    stream = io.StringIO()
    console = Console(file=stream, width=200, markup=False)
    render_sums(sums, kernel="6.18", release="6.18.44", console=console)
    assert stream.getvalue().splitlines() == [
        "",
        "kernel 6.18.44, model 6.18",
        "1 witness confirmed, 1 refuted, 1 in which model and kernel differ, 3 could not be played "
        "(a; 1 for other reasons), 1 finding without a witness",
    ]
    stream = io.StringIO()
    write_sums_json(sums, kernel="6.18", release="6.18.44", stream=stream)
    assert json.loads(stream.getvalue()) == {
        "kernel": "6.18.44",
        "profile": "6.18",
        "confirmed": 1,
        "refuted": 1,
        "differs": 1,
        "undecided": 0,
        "unplayed": 3,
        "without_witness": 1,
    }


def test_scenarios_are_called_so() -> None:
    sums = Sums()
    for _ in range(2):
        sums.add(Confirmation(task(None), Duel(AGREED)))
    assert list(sums.words()) == ["2 scenarios confirmed", "0 refuted"]


def test_a_bug_report_has_what_it_takes() -> None:
    report = bug_report(
        scenario_of(ipsets="create s hash:ip family inet\n"),
        Duel(DIFFERING),
        kernel="6.18",
        release="6.18.44",
        backend="nft",
        version="1.2",
    )
    assert (report["ctlint"], report["kernel"], report["backend"]) == ("1.2", "6.18.44", "nft")
    assert scenario_from_json(report["scenario"]).ipsets.startswith("create s")
    assert report["kernel_answers"][1]["delivered"] is False
    assert report["model_answers"][1]["delivered"] is True
    json.dumps(report)
