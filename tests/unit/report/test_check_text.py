# SPDX-License-Identifier: GPL-2.0-only
"""Tests of a firewall on a terminal and as JSON. The results here are made by hand."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ctlint.ir.span import Span
from ctlint.report.check_json import write_check_json, write_tally_json
from ctlint.report.check_result import Status, Tally, TestResult
from ctlint.report.check_text import render_check, render_tally
from ctlint.scenario.check import Checked, Miss, Unmet
from ctlint.scenario.expectation import Delivered, Expectation
from ctlint.scenario.reader import scenario_from_json

RULE = "filter/INPUT#2"
TEXT = "-A INPUT -m conntrack --ctstate INVALID -j DROP"


LINE = 9
"""Where the statement stands in its script."""


def unmet(packet: int = 0, *, is_open: bool = False) -> Unmet:
    expectation = Expectation(packet, (Delivered(True),))
    misses = (Miss("delivered", f"dropped by {RULE}", is_open), Miss("NEW", "INVALID"))
    return Unmet(expectation, misses, RULE, TEXT, (RULE,))


def result(
    *missed: Unmet,
    expected: int = 1,
    packet: dict[str, Any] | None = None,
    script: str = "",
    steps: int = 1,
    **keys: Any,
) -> TestResult:
    packets = [packet or {"dir": "orig", "flags": "FA"}] * steps
    scenario = scenario_from_json({"packets": packets} | keys)
    places = tuple(Span("f.ct", LINE, 1, len(script) + 1) for _ in packets) if script else ()
    checked = Checked(scenario.name, expected, missed)
    lines = ["connect"] * (LINE - 1) + [script]
    return TestResult("f.ct", 7, "test 2", scenario, checked, places, lines)


def text(one: TestResult, width: int = 80) -> list[str]:
    stream = io.StringIO()
    render_check(one, console=Console(file=stream, width=width, markup=False, emoji=False))
    return stream.getvalue().splitlines()


def test_one_line_for_what_passes() -> None:
    assert result().status is Status.PASSED
    assert text(result(name="A close")) == ["pass  f.ct:7  A close"]
    assert text(result()) == ["pass  f.ct:7  test 2"]


def test_a_test_that_expects_nothing_says_so() -> None:
    one = result(expected=0)
    assert one.status is Status.WITHOUT
    assert text(one) == ["none  f.ct:7  test 2: it expects nothing"]


def test_what_failed() -> None:
    one = result(unmet(), script="client FIN => delivered, NEW")
    assert one.status is Status.FAILED
    assert text(one, 90) == [
        "FAIL  f.ct:7  test 2",
        "      line 9: client FIN => delivered, NEW",
        "        expected  delivered",
        "        got       dropped by filter/INPUT#2",
        "        expected  NEW",
        "        got       INVALID",
        "        decided   filter/INPUT#2: -A INPUT -m conntrack --ctstate INVALID -j DROP",
    ]
    assert text(result(unmet()))[1] == "      packet 0: client FIN,ACK"


def test_which_packet_of_an_exchange_failed() -> None:
    script = "connect => delivered"
    one = result(unmet(), script=script, steps=3)
    assert text(one)[1] == "      line 9, its client FIN,ACK: connect => delivered"


def test_sysctls_that_the_kernel_does_not_have_are_named() -> None:
    name = "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst"
    one = replace(result(), missing_sysctls=(name,))
    assert text(one, 100) == ["pass  f.ct:7  test 2", f"      ignored: this kernel has no {name}"]
    stream = io.StringIO()
    write_check_json(one, stream)
    assert json.loads(stream.getvalue())["missing_sysctls"] == [name]


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        ({"dir": "reply", "flags": ""}, "server none"),
        ({"dir": "orig", "proto": "udp"}, "client udp"),
        ({"dir": "orig", "proto": "icmp", "code": 2}, "client icmp 8/2"),
        ({"dir": "reply", "proto": 50}, "server ip 50"),
    ],
)
def test_packets_of_json_in_the_words_of_scripts(packet: dict[str, Any], said: str) -> None:
    assert text(result(unmet(), packet=packet))[1] == f"      packet 0: {said}"


def test_hostile_names() -> None:
    one = result(name="\x1b[2J\n[bold]" + "x" * 5_000)
    lines = text(one, 60)
    assert "\\x1b[2J\\n[bold]x" in lines[0] + lines[1].strip()
    assert max(map(len, lines)) <= 60
    assert len(lines) < 8


def tally(*numbers: int) -> str:
    stream = io.StringIO()
    render_tally(Tally(*numbers), console=Console(file=stream, width=80))
    return stream.getvalue()


def test_sums() -> None:
    assert tally(11, 1) == "\n12 tests, 11 passed, 1 failed\n"
    assert tally(1, 0, 0) == "\n1 test, 1 passed, 0 failed\n"
    assert tally(1, 0, 2, 1) == (
        "\n3 tests, 1 passed, 0 failed, 2 without expectations, 1 file not readable\n"
    )
    assert tally(0, 0, 0, 2) == "0 tests, 0 passed, 0 failed, 2 files not readable\n"
    counted = Tally()
    for status in (Status.PASSED, Status.FAILED, Status.PASSED, Status.WITHOUT):
        counted.add(status)
    assert counted == Tally(2, 1, 1, 0)


def test_json() -> None:
    stream = io.StringIO()
    write_check_json(result(unmet(is_open=True), script="client FIN", name="ä"), stream)
    write_tally_json(Tally(1, 2, 3, 4), stream)
    assert stream.getvalue().isascii()
    one, sums = (json.loads(line) for line in stream.getvalue().splitlines())
    assert one == {
        "file": "f.ct",
        "line": 7,
        "name": "ä",
        "status": "failed",
        "expected": 1,
        "unmet": [
            {
                "packet": 0,
                "line": 9,
                "statement": "client FIN",
                "misses": [
                    {"expected": "delivered", "got": f"dropped by {RULE}", "undecided": True},
                    {"expected": "NEW", "got": "INVALID", "undecided": False},
                ],
                "rule": RULE,
                "rule_text": TEXT,
                "matched": [RULE],
            }
        ],
    }
    assert sums == {
        "tests": 6,
        "passed": 1,
        "failed": 2,
        "without_expectations": 3,
        "unreadable_files": 4,
    }
