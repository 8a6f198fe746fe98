# SPDX-License-Identifier: GPL-2.0-only
"""Ladders of socket scripts: rows, relative numbers, pauses, pictures, and hostile names."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest
from rich.console import Console

from ctlint.report.ladder import MOST_ROWS, Row, RowKind, ladder
from ctlint.report.ladder_html import render_html
from ctlint.report.ladder_svg import render_svg
from ctlint.report.ladder_text import render_story
from ctlint.report.outcome import say_line, say_tally
from ctlint.report.story_json import story_to_json, write_story_json
from ctlint.scenario.socket_story import Story
from tests.unit.scenario.sockets import filter_rules, play

LOSSY = {"r.v4": filter_rules("OUTPUT -m conntrack --ctstate INVALID -j DROP")}
LATE = (
    "rules r.v4\ntopology host client\nsysctl box tcp_timeout_established=20\nserver listen 8088\n"
    "client connect\nwait 30s\nclient kill\n"
)


def rows_of(text: str, files: Mapping[str, str] | None = None) -> list[Row]:
    return [*ladder(play(text, files), text.split("\n"))]


def shown(text: str, files: Mapping[str, str] | None = None, width: int = 100) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    render_story(play(text, files), text.split("\n"), console=console, is_first=True)
    return stream.getvalue().splitlines()


def test_rows_of_a_connection() -> None:
    rows = rows_of("server listen\nclient connect\nclient send 10\nclient close")
    assert [row.words for row in rows if row.kind is RowKind.DEED] == [
        *("server listen", "client connect", "client send 10", "client close"),
    ]
    packets = [row.words for row in rows if row.kind is RowKind.PACKET]
    assert packets[:3] == ["SYN 0", "SYN,ACK 0:1", "ACK 1:1"]
    assert "PSH,ACK 1(10):1" in packets
    assert "FIN,ACK 11:1" in packets
    syn = next(row for row in rows if row.kind is RowKind.PACKET)
    assert (syn.states, syn.to_server, syn.ctstate, syn.entry) == (
        ("SYN_SENT", "SYN_RECV"),
        True,
        "NEW",
        "SYN_SENT 120 s",
    )


def test_lost_packets_say_where() -> None:
    rows = [row for row in rows_of(LATE, LOSSY) if row.is_lost]
    assert len(rows) == 9
    assert {(row.end, row.ctstate) for row in rows} == {("refused by filter/OUTPUT#1", "INVALID")}
    # What the host refused counts as never sent: it is probed with, which sets PSH.
    assert [row.words for row in rows] == ["FIN,ACK 1:1", *["FIN,PSH,ACK 1:1"] * 8]


def test_pauses_are_told() -> None:
    silences = [row.words for row in rows_of(LATE, LOSSY) if row.kind is RowKind.SILENCE]
    assert silences[0] == "30 s of silence"


def test_a_reused_port_shows_numbers_of_the_connection_before() -> None:
    text = (
        "kernel 6.1\nserver listen leaks\nclient connect from 45000\nwait 1s\nclient close\n"
        "wait 159s\nclient reuse port"
    )
    rows = rows_of(text)
    challenge = next(row for row in rows if row.line == "#2" and row.to_server is False)
    # The server acknowledges what it knows: one byte and a FIN of the connection before.
    assert challenge.words.startswith("ACK 1:")
    assert challenge.states[1] is None


def test_the_middle_of_a_long_story_is_left_out() -> None:
    rows = rows_of("server listen\nclient connect\nclient keepalive 1s 1s 3\nwait 1h\nclient close")
    assert len(rows) == MOST_ROWS + 1
    assert sum(row.kind is RowKind.LEFT_OUT for row in rows) == 1


def test_what_became_of_both_in_words() -> None:
    story = play(LATE, LOSSY)
    (line,) = story.lines.values()
    said = say_line(story, line)
    assert "client: FIN_WAIT_1 for 10" in said
    assert "9 FINs, none on the wire" in said
    assert said.endswith("server: ESTABLISHED for ever")


def test_packets_that_are_lost_were_on_the_wire() -> None:
    story = play("link loss 100%\nclient connect")
    (line,) = story.lines.values()
    said = say_line(story, line)
    assert "11 SYNs, none of them arrive" in said
    assert "on the wire" not in said


def test_what_became_of_many_in_words() -> None:
    story = play("server listen backlog 1 accepts nothing\nrepeat 4 every 1s { client connect }")
    assert [say_tally(tally) for tally in story.tallies.values()] == [
        "of 4 connections 2 connected, 2 fail with ETIMEDOUT"
    ]


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_a_terminal_of_any_width(width: int) -> None:
    lines = shown(LATE, LOSSY, width)
    assert any("FIN,ACK" in line for line in lines)
    if width >= 80:
        assert max(map(len, lines)) <= width


def test_a_long_reason_is_cut() -> None:
    chain = "A_CHAIN_WITH_A_LONG_NAME_123"
    rules = filter_rules("OUTPUT -p tcp --dport 80 -j " + chain, chain + " -j DROP")
    files = {"r.v4": rules.replace(":INPUT", f":{chain} - [0:0]\n:INPUT")}
    lines = shown("rules r.v4\ntopology host client\nclient connect", files, 80)
    assert max(map(len, lines)) <= 80
    assert any("refused by filter/A_CHAIN" in line for line in lines)


def test_names_are_escaped() -> None:
    text = 'name "a\\u001b[31m<script>&\\u202e"\nserver listen\nclient connect'
    story = play(text)
    lines = text.split("\n")
    assert "\x1b" not in "\n".join(shown(text))
    picture = render_svg([(story, lines)])
    root = ElementTree.fromstring(picture)
    assert root.tag.endswith("svg")
    page = render_html("<b>\x1b", [story], lines)
    for output in (picture, page):
        assert "<script>" not in output
        assert "\x1b" not in output
        assert "\u202e" not in output
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_pictures_of_several_tests_stand_below_each_other() -> None:
    text = "server listen\nclient connect"
    one = ElementTree.fromstring(render_svg([(play(text), text.split("\n"))]))
    two = ElementTree.fromstring(render_svg([(play(text), text.split("\n"))] * 2))
    assert int(two.get("height", "0")) == 2 * int(one.get("height", "0"))


def json_of(story: Story, text: str) -> dict[str, object]:
    stream = io.StringIO()
    write_story_json(story, text.split("\n"), stream)
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    found = json.loads(line)
    assert found == story_to_json(story, text.split("\n"))
    assert isinstance(found, dict)
    return found


def test_json() -> None:
    story = play(LATE, LOSSY)
    found = json_of(story, LATE)
    assert set(found) == {
        *("name", "kernels", "ended", "connections", "repeated", "events", "left_out", "packets"),
    }
    events = found["events"]
    assert isinstance(events, list)
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    fins = [event for event in events if event["kind"] == "packet" and "F" in event["flags"]]
    assert len(fins) == 9
    assert fins[0] | {"seq": 0, "ack": 0, "sport": 0, "at": 0} == {
        "kind": "packet",
        "at": 0,
        "arrived": None,
        "connection": "#1",
        "from": "client",
        "src": "10.1.0.1",
        "sport": 0,
        "dst": "10.2.0.2",
        "dport": 8088,
        "flags": "FA",
        "seq": 0,
        "ack": 0,
        "win": fins[0]["win"],
        "len": 0,
        "relative": {"seq": 1, "ack": 1},
        "ctstate": "INVALID",
        "rules": ["filter/OUTPUT#1"],
        "fate": "refused",
        "cause": "filter/OUTPUT#1",
        "entry": None,
        "states": {"client": "FIN_WAIT_1", "server": "ESTABLISHED"},
    }
    connections = found["connections"]
    assert isinstance(connections, list)
    assert connections[0]["ends"]["server"]["states"][-1]["until"] is None
