# SPDX-License-Identifier: GPL-2.0-only
"""Claims of socket scripts: each is met where it is true, and says what came where it is not.

Durations are those of docs/sockets.md, measured with real sockets.
"""

from __future__ import annotations

import pytest

from ctlint.scenario.socket_check import check_story
from tests.unit.scenario.sockets import filter_rules, misses, play

OPEN = "server listen holds\nclient connect as a => connected\nwait 1s\n"
DROP = {"r.v4": filter_rules("OUTPUT -m conntrack --ctstate INVALID -j DROP")}
LATE = (
    "rules r.v4\ntopology host client\nsysctl box tcp_timeout_established=20\n"
    + OPEN
    + "wait 30s\n"
)


@pytest.mark.parametrize(
    "claim",
    [
        "client FIN_WAIT_2 for 60s..68s",
        "client FIN_WAIT2 for at least 60s",
        "client FIN-WAIT-2 for at most 68s",
        "server CLOSE_WAIT for ever",
        "server CLOSE_WAIT",
        "client gone",
        "client gone after 60s..70s",
        "server gets EOF",
        "server gets EOF after at most 1s",
        "client sends 1 FIN",
        "1 FIN arrives",
        "no FIN is refused",
        "2 segments arrive",
        "no RST arrives",
    ],
)
def test_a_claim_that_is_met(claim: str) -> None:
    assert misses(f"{OPEN}client close => {claim}") == []


@pytest.mark.parametrize(
    ("claim", "got"),
    [
        ("client FIN_WAIT_2 for 30s", "FIN_WAIT_2 for 6"),
        ("client FIN_WAIT_2 for ever", "FIN_WAIT_2 for 6"),
        ("client TIME_WAIT for 60s", "FIN_WAIT_2 for 6"),
        ("server CLOSE_WAIT for 60s", ", CLOSE_WAIT for ever"),
        ("server LAST_ACK", ", CLOSE_WAIT for ever"),
        ("server gone", "still there"),
        ("client gone after 1s", "client gone after 6"),
        ("client gets ECONNRESET", "the client gets nothing"),
        ("server gets data", "the server gets EOF"),
        ("client sends 2 FINs", "1"),
        ("2 FINs arrive", "1 of 1 arrived"),
        ("1 FIN is lost", "0 of 1 lost"),
        ("fails", "connected after"),
    ],
)
def test_a_claim_that_is_not(claim: str, got: str) -> None:
    ((line, said),) = misses(f"{OPEN}client close => {claim}")
    assert line == 4
    assert got in said


def test_behind_a_wait_stands_what_is_at_its_end() -> None:
    text = OPEN + "client close\nwait 1s => client FIN_WAIT_2, server CLOSE_WAIT, entry {}\n"
    text += "wait 2m => {}, server CLOSE_WAIT, no segment arrives, {}"
    assert misses(text.format("CLOSE_WAIT", "client gone", "no entry")) == []
    found = misses(text.format("LAST_ACK", "client FIN_WAIT_2", "entry CLOSE_WAIT"))
    assert found == [
        (5, "entry CLOSE_WAIT"),
        (6, "no socket of the client"),
        (6, "no entry"),
    ]


def test_who_drops_what() -> None:
    claims = "9 FINs are refused by filter/OUTPUT#1, no FIN is dropped, client FIN_WAIT_1 for {}"
    assert misses(f"{LATE}client kill => {claims.format('102s..110s')}", DROP) == []
    ((_, said),) = misses(f"{LATE}client kill => {claims.format('about 60s')}", DROP)
    assert "FIN_WAIT_1 for 10" in said
    ((_, said),) = misses(f"{LATE}client kill => 9 FINs are refused by filter/INPUT policy", DROP)
    assert said == "0 of 9 refused; what is dropped, is by filter/OUTPUT#1"


def test_connections_that_fail() -> None:
    text = "client connect => {}"
    assert misses(text.format("fails ECONNREFUSED after at most 1s")) == []
    assert misses(text.format("fails")) == []
    ((_, said),) = misses(text.format("fails ETIMEDOUT"))
    assert said.startswith("fails ECONNREFUSED after")
    ((_, said),) = misses(text.format("connected"))
    assert said.startswith("fails ECONNREFUSED after")


def test_repetition() -> None:
    text = "server listen backlog 1 accepts nothing\nrepeat 4 every 1s {{ client connect }} => {}"
    assert misses(text.format("2 connected, 2 fail ETIMEDOUT, no fail ECONNREFUSED")) == []
    ((_, said),) = misses(text.format("at least 3 connected"))
    assert said == "2 connected, 2 fail ETIMEDOUT, of 4"


def test_what_comes_behind_an_undecided_packet_is_open() -> None:
    files = {"r.v4": filter_rules("FORWARD -m time --timestart 10:00 -j DROP")}
    assert misses("rules r.v4\nclient connect => connected", files) == [
        (2, "neither connected nor failed")
    ]


def test_a_state_counts_from_the_statement_on() -> None:
    text = "server listen\nclient connect\nwait 10s\nclient send 1 => client ESTABLISHED for {}\n"
    text += "wait 5s\nclient close"
    assert misses(text.format("5s")) == []
    ((_, said),) = misses(text.format("15s"))
    assert said.startswith("client ESTABLISHED for 5 s")


def test_what_was_before_the_statement_does_not_count() -> None:
    text = OPEN + "client close\nwait 2m\nserver send 1 => client gone, server gets EOF"
    (_, gone), (_, told) = misses(text)
    assert gone.startswith("client gone at 6")
    assert told == "the server gets EPIPE"


def test_kinds_of_packets() -> None:
    text = "server listen\nclient connect => {}\nwait 1s\nclient send 10 => {}\n"
    syns = "client sends 1 SYN, server sends no SYN, server sends 1 SYN,ACK"
    assert misses(text.format(f"{syns}, client sends 3 segments", "client sends 1 segment")) == []
    # Data carry the flag ACK, and are no bare ACK.
    acks = "client sends no ACK, server sends 1 ACK"
    assert misses(text.format("client sends 1 ACK", acks)) == []


def test_what_is_not_kept_is_not_counted() -> None:
    story = play(OPEN + "client close => 1 FIN arrives")
    assert check_story(story) == ()
    story.left_out = 1
    ((miss,),) = (unmet.misses for unmet in check_story(story))
    assert miss.got == "too many packets to count"
