# SPDX-License-Identifier: GPL-2.0-only
"""Expectations, facts and payloads in scenarios: docs/scenario.md says what each key is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ctlint.model.netfilter.transit import Mac, Owner
from ctlint.scenario.expectation import (
    As,
    By,
    Claim,
    Ctstate,
    Delivered,
    Expectation,
    HasEntry,
    Matched,
    NoEntry,
    Rejected,
    Rules,
    Seen,
)
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import ScenarioError, Send
from ctlint.scenario.writer import scenario_to_json
from tests.unit.cli.running import ctlint

SYN = {"dir": "orig", "flags": "S"}
WAIT = {"op": "wait", "dt": 1}
SEEN = ["10.1.0.2", 1, "10.2.0.2", 2]


def refusal(said: dict[str, Any]) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_json({"packets": [SYN]} | said)
    return str(caught.value)


@pytest.mark.parametrize(
    ("fate", "claimed"),
    [
        (
            {"by": "filter/INPUT#2", "rejected": True, "delivered": False},
            (Delivered(False), Rejected(True), By("filter/INPUT#2")),
        ),
        (
            {"as": ["10.1.0.1", 5, "10.2.0.2", None], "rejected": False, "delivered": True},
            (Delivered(True), Rejected(False), As(Seen("10.1.0.1", 5, "10.2.0.2", None))),
        ),
    ],
)
def test_every_key_is_a_claim(fate: dict[str, Any], claimed: tuple[Claim, ...]) -> None:
    expect = {
        "entry": "CLOSE_WAIT",
        "rules": ["raw/PREROUTING#1", "filter/INPUT policy"],
        "rule": ["filter/INPUT#2", "filter/a-b:c return"],
        **fate,
        "ctstate": None,
    }
    scenario = scenario_from_json({"packets": [WAIT, SYN | {"expect": expect}]})
    claims = (
        *(Ctstate(None), *claimed),
        *(Matched("filter/INPUT#2"), Matched("filter/a-b:c return")),
        *(Rules(("raw/PREROUTING#1", "filter/INPUT policy")), HasEntry("CLOSE_WAIT")),
    )
    assert scenario.expectations == (Expectation(1, claims),)
    # Claims of different kinds may be equal as tuples.
    assert [*map(type, scenario.expectations[0].claims)] == [*map(type, claims)]
    assert scenario_to_json(scenario)["packets"][1]["expect"] == expect


@pytest.mark.parametrize(
    ("said", "claim"),
    [(None, NoEntry()), (False, NoEntry()), (True, HasEntry()), ("CLOSE", HasEntry("CLOSE"))],
)
def test_entries(said: object, claim: object) -> None:
    scenario = scenario_from_json({"packets": [SYN | {"expect": {"entry": said}}]})
    assert scenario.expectations[0].claims == (claim,)


def test_expectations_stand_in_packets_or_in_a_list() -> None:
    own = SYN | {"expect": {"ctstate": "NEW"}}
    expect = [{"packet": 2, "delivered": True}, {"packet": 0, "delivered": True}]
    scenario = scenario_from_json({"packets": [own, WAIT, SYN], "expect": expect})
    assert scenario.expectations == (
        Expectation(0, (Ctstate("NEW"), Delivered(True))),
        Expectation(2, (Delivered(True),)),
    )


def test_witnesses_expect_what_scenarios_can() -> None:
    done = ctlint(["lint", "examples/fin-wait-1", "--format", "json"])
    witnesses = [one["witness"] for one in json.loads(done.stdout)["findings"] if one["witness"]]
    assert witnesses
    for witness in witnesses:
        scenario = scenario_from_json(witness["scenario"] | {"expect": witness["expect"]})
        assert len(scenario.expectations) == len(witness["expect"])


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ({}, "an expectation says nothing"),
        ([], "an expectation must be an object, not a list"),
        ({"ctstat": 1}, 'unknown key "ctstat"; did you mean "ctstate"?'),
        ({"ctstate": "new"}, '"ctstate" is "new"; did you mean "NEW"?'),
        ({"delivered": 1}, '"delivered" must be true or false'),
        ({"by": "INPUT#1"}, '"by" must name a rule as "filter/FORWARD#2"'),
        ({"by": "filter/INPUT#0"}, '"by" must name a rule'),
        ({"by": None}, '"by" must be text'),
        ({"rule": ["filter/INPUT", 1]}, '"rule" must name a rule'),
        ({"rules": "filter/INPUT#1"}, '"rules" must be a list'),
        ({"as": "10.1.0.1"}, '"as" must be a list'),
        ({"as": ["10.1.0.1", 1, "fd00::1", 2]}, '"as" must be an IPv4 address'),
        ({"as": ["10.1.0.1", 65536, "10.1.0.1", 2]}, '"as" must be a whole number'),
        ({"entry": "ESTAB"}, '"entry" is "ESTAB"; did you mean'),
        ({"delivered": True, "rejected": True}, "delivered and rejected exclude each other"),
        ({"delivered": True, "by": "filter/INPUT#1"}, "delivered and by filter/INPUT#1 exclude"),
        ({"delivered": False, "as": SEEN}, "as 10.1.0.2:1 > 10.2.0.2:2 and not delivered exclude"),
        ({"rejected": True, "as": SEEN}, "as 10.1.0.2:1 > 10.2.0.2:2 and rejected exclude"),
    ],
)
def test_what_is_no_expectation(expect: object, message: str) -> None:
    assert message in refusal({"packets": [WAIT, SYN | {"expect": expect}]})
    assert refusal({"packets": [WAIT, SYN | {"expect": expect}]}).startswith("packet 1: ")


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ({}, '"expect" must be a list, not an object'),
        ([{"delivered": True}], 'an expectation needs "packet"'),
        ([{"packet": 2, "delivered": True}], '"packet" must be a whole number from 0 to 1, not 2'),
        ([{"packet": 1, "delivered": True}], 'packet 1: "expect": this is an operation'),
        ([{"packet": 0}], "packet 0: an expectation says nothing"),
        ([{"packet": 0, "x": 1}], 'unknown key "x"'),
    ],
)
def test_what_is_no_list_of_them(expect: object, message: str) -> None:
    assert message in refusal({"packets": [SYN, WAIT], "expect": expect})


def test_a_packet_has_one_ctstate() -> None:
    own = SYN | {"expect": {"ctstate": "NEW", "rule": "filter/INPUT#1"}}
    more = {"packet": 0, "ctstate": "INVALID"}
    assert '"INVALID" is the second of its kind' in refusal({"packets": [own], "expect": [more]})
    more = {"packet": 0, "rule": "filter/INPUT#2"}
    (found,) = scenario_from_json({"packets": [own], "expect": [more]}).expectations
    assert found.claims[1:] == (Matched("filter/INPUT#1"), Matched("filter/INPUT#2"))


def test_what_excludes_each_other_may_stand_apart() -> None:
    own = SYN | {"expect": {"delivered": True}}
    more = {"packet": 0, "by": "filter/INPUT#1"}
    said = '"expect": delivered and by filter/INPUT#1 exclude each other'
    assert said in refusal({"packets": [own], "expect": [more]})


def test_an_operation_has_no_answer_to_expect() -> None:
    assert 'unknown key "expect"' in refusal({"packets": [WAIT | {"expect": {"entry": None}}]})
    assert "there is no packet" in refusal({"packets": [], "expect": [{"packet": 0}]})


def test_facts() -> None:
    facts = {
        "time": "2026-11-21T18:00:00Z",
        "owner": {"uid": 1, "gid": 2, "groups": [3]},
        "mac": "02:00:00:00:00:fF",
    }
    found = scenario_from_json({"packets": [], "facts": facts}).facts
    assert found.clock == 1_795_284_000 * 1_000_000  # date -d 2026-11-21T18:00:00Z +%s
    assert found.owner == Owner(1, 2, (3,))
    assert found.mac == Mac(0x0200000000FF)
    assert scenario_from_json({"packets": [], "facts": {"mac": None}}).facts.mac == Mac(None)
    assert scenario_from_json({"packets": [], "facts": {}}).facts.mac is None


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ([], '"facts" must be an object'),
        ({"uid": 1}, '"facts" has an unknown key "uid"'),
        ({"time": "2026-11-21"}, '"time" must be a moment'),
        ({"time": "2026-11-21T18:00:00"}, '"time" must be a moment'),
        ({"time": "2026-02-30T18:00:00Z"}, '"time" must be a moment'),
        ({"time": "1969-12-31T23:59:59Z"}, '"time" must be a moment'),
        ({"time": 5}, '"time" must be text'),
        ({"owner": 0}, '"owner" must be an object'),
        ({"owner": {"uid": 0}}, '"owner" needs "gid"'),
        ({"owner": {"uid": 2**32 - 1, "gid": 0}}, '"uid" must be a whole number'),
        ({"owner": {"uid": 0, "gid": 0, "groups": 1}}, '"groups" must be a list'),
        ({"mac": "02:00"}, '"mac" must be an address'),
    ],
)
def test_what_are_no_facts(facts: object, message: str) -> None:
    assert message in refusal({"facts": facts})


def test_payload_and_header() -> None:
    said = {"dir": "orig", "flags": "PA", "data": "ä\n", "ttl": 1, "tos": 255}
    (send,) = scenario_from_json({"packets": [said]}).steps
    assert isinstance(send, Send)
    assert (send.data, send.length, send.ttl, send.tos) == (b"\xc3\xa4\n", 3, 1, 255)
    (send,) = scenario_from_json({"packets": [said | {"len": 10}]}).steps
    assert isinstance(send, Send)
    assert (send.data, send.length) == (b"\xc3\xa4\n", 10)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data": "abc", "len": 2}, '"len" is 2, but the "data" have 3 bytes'),
        ({"data": "a" * 65_496}, '"len" must be a whole number from 0 to 65495'),
        ({"data": 1}, '"data" must be text'),
        ({"data": "\ud800"}, "half of a surrogate pair"),
        ({"ttl": 256}, '"ttl" must be a whole number from 0 to 255'),
        ({"tos": -1}, '"tos" must be a whole number from 0 to 255'),
    ],
)
def test_what_is_no_payload(keys: dict[str, Any], message: str) -> None:
    assert message in refusal({"packets": [SYN | keys]})


def test_an_error_carries_what_it_quotes() -> None:
    error = {"dir": "reply", "proto": "icmp", "quote": "orig", "data": "x"}
    assert '"data": what an ICMP error carries' in refusal({"packets": [SYN, error]})
