# SPDX-License-Identifier: GPL-2.0-only
"""What stopped a packet is not always the rule that matched last."""

from __future__ import annotations

from typing import Any

from ctlint.model.kernel.profiles import NEWEST
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import play
from ctlint.scenario.reader import scenario_from_json

SYN: dict[str, Any] = {"dir": "orig", "flags": "S"}


def last_answer(ruleset: str, *packets: dict[str, Any]) -> PacketAnswer:
    told = scenario_from_json({"ruleset": ruleset, "packets": list(packets)})
    answer = play(told, NEWEST).packets[-1]
    assert isinstance(answer, PacketAnswer)
    assert answer.delivered is False
    return answer


def test_a_rule() -> None:
    answer = last_answer("*filter\n:FORWARD ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n", SYN)
    assert answer.cause == "filter/FORWARD#1"


def test_a_policy() -> None:
    answer = last_answer("*filter\n:FORWARD DROP\n-A FORWARD -j LOG\nCOMMIT\n", SYN)
    assert answer.cause == "filter/FORWARD policy"


def test_what_stops_an_error_of_the_box_did_not_stop_the_packet() -> None:
    # ip_forward() drops a packet with a TTL of 1 and sends an error, which OUTPUT is asked about.
    rules = "*filter\n:OUTPUT ACCEPT\n-A OUTPUT -p icmp -j DROP\nCOMMIT\n"
    answer = last_answer(rules, SYN | {"ttl": 1})
    assert answer.rules == ("filter/OUTPUT#1",)
    assert answer.cause is None


def test_what_rejects_is_not_what_its_answer_meets() -> None:
    rules = "*filter\n:OUTPUT DROP\n-A FORWARD -j REJECT\nCOMMIT\n"
    answer = last_answer(rules, SYN)
    assert answer.rules == ("filter/FORWARD#1", "filter/OUTPUT policy")
    assert answer.cause == "filter/FORWARD#1"


def test_a_translation_that_routing_refuses() -> None:
    # ip_route_input_slow(): loopback addresses from outside are martian destinations.
    rules = "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -j DNAT --to-destination 127.0.0.1\nCOMMIT\n"
    answer = last_answer(rules, SYN)
    assert answer.rules == ("nat/PREROUTING#1",)
    assert answer.cause is None


def test_a_match_that_drops_by_itself() -> None:
    # hashlimit_init_dst(): AH too short for ports is dropped, whatever the rule's target.
    rules = (
        "*filter\n:FORWARD ACCEPT\n-A FORWARD -j LOG\n"
        "-A FORWARD -m hashlimit --hashlimit-upto 5/s --hashlimit-mode dstport"
        " --hashlimit-name x -j ACCEPT\nCOMMIT\n"
    )
    answer = last_answer(rules, {"dir": "orig", "proto": 51, "len": 0})
    assert answer.rules == ("filter/FORWARD#1",)
    assert answer.cause == "filter/FORWARD#2"
