# SPDX-License-Identifier: GPL-2.0-only
"""Answers against expectations. The answers here are made by hand, not by the model."""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.model.conntrack.status import Dir
from ctlint.scenario.answer import EntryAnswer, OpAnswer, OutPacket, PacketAnswer
from ctlint.scenario.check import Miss, Unmet, check, judge, require_rules
from ctlint.scenario.expectation import Expectation
from ctlint.scenario.expectation_reader import read_claims
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.rule_index import index_rules
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.addresses import Family

RULES = """*nat
:PREROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
[1:2] -A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -m comment --comment "mine" -j ACCEPT
COMMIT
"""
INDEX = index_rules(RULES, "rules", Family.IPV4)
NO_RULES = index_rules("", "rules", Family.IPV4)
UNDECIDED = {"rule": "filter/INPUT#2", "match": "-m x", "why": "y is not known"}


def out(src: str, sport: int, dst: str, dport: int, *, is_same: bool = True) -> OutPacket:
    return OutPacket("right", src, sport, dst, dport, "S", 0, 0, 0, 0, is_same)


def entry(state: str | None) -> EntryAnswer:
    ends = ("10.1.0.2", 1, "10.2.0.1", 2), ("10.1.0.9", 3, "10.2.0.1", 4)
    return EntryAnswer(state, 5, (), *ends)


def answer(**more: Any) -> PacketAnswer:
    said: dict[str, Any] = {
        **{"ctstate": "NEW", "hooks": {}, "delivered": True, "out": (), "entry": None},
        **{"pktdir": None, "rules": ()},
    }
    return PacketAnswer(**(said | more))


def unmet(claims: dict[str, Any], given: PacketAnswer, *, rules: str = RULES) -> Unmet | None:
    expectation = Expectation(0, read_claims(claims, Family.IPV4))
    return judge(expectation, given, INDEX if rules else NO_RULES)


def misses(claims: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    found = unmet(claims, answer(**more))
    return [] if found is None else [(miss.expected, miss.got) for miss in found.misses]


REJECTED: dict[str, Any] = {
    "delivered": False,
    "out": (out("10.2.0.2", 80, "10.1.0.2", 1, is_same=False),),
    "rules": ("nat/PREROUTING policy", "filter/INPUT#1", "filter/OUTPUT policy"),
    "cause": "filter/INPUT#1",
}
DROPPED: dict[str, Any] = {
    **{"delivered": False, "rules": ("filter/INPUT policy",), "cause": "filter/INPUT policy"},
}


@pytest.mark.parametrize(
    ("claims", "given"),
    [
        ({"ctstate": "NEW"}, {}),
        ({"ctstate": None}, {"ctstate": None}),
        ({"delivered": True, "rejected": False}, {}),
        ({"delivered": False, "rejected": False, "by": "filter/INPUT policy"}, DROPPED),
        ({"delivered": False, "rejected": True, "by": "filter/INPUT#1"}, REJECTED),
        ({"rule": ["filter/OUTPUT policy", "filter/INPUT#1"]}, REJECTED),
        ({"rules": list(REJECTED["rules"])}, REJECTED),
        ({"rules": []}, {}),
        ({"entry": None}, {}),
        ({"entry": True}, {"entry": entry(None)}),
        ({"entry": "CLOSE"}, {"entry": entry("CLOSE")}),
        ({"as": ["10.1.0.2", 1, "10.2.0.2", None]}, {"out": (out("10.1.0.2", 1, "10.2.0.2", 2),)}),
        # To the box itself: what its entry says of the answer, turned around.
        (
            {"as": ["10.2.0.1", 4, "10.1.0.9", 3]},
            {"entry": entry("CLOSE"), "pktdir": Dir.ORIGINAL},
        ),
        (
            {"as": ["10.2.0.1", 2, "10.1.0.2", 1]},
            {"entry": entry("CLOSE"), "pktdir": Dir.REPLY},
        ),
    ],
)
def test_what_is_met(claims: dict[str, Any], given: dict[str, Any]) -> None:
    assert misses(claims, **given) == []


LOST = {"delivered": False, "rejected": False}


@pytest.mark.parametrize(
    ("claims", "given", "expected", "got"),
    [
        ({"ctstate": "NEW"}, {"ctstate": "INVALID"}, "NEW", "INVALID"),
        ({"ctstate": "NEW"}, {"ctstate": None}, "NEW", "no ctstate"),
        ({"ctstate": None}, {}, "no ctstate", "NEW"),
        ({"delivered": True}, DROPPED, "delivered", "dropped by filter/INPUT policy"),
        ({"delivered": True}, REJECTED, "delivered", "rejected by filter/INPUT#1"),
        (LOST, {}, "dropped", "delivered"),
        (LOST, REJECTED, "dropped", "rejected by filter/INPUT#1"),
        (
            LOST | {"by": "filter/INPUT#1"},
            DROPPED,
            "dropped by filter/INPUT#1",
            "dropped by filter/INPUT policy",
        ),
        # No rule did, but conntrack or routing.
        (
            {"by": "filter/INPUT#2"},
            {"delivered": False, "rules": ("filter/INPUT#2",)},
            "by filter/INPUT#2",
            "dropped, by no rule",
        ),
        ({"rejected": True}, DROPPED, "rejected", "dropped by filter/INPUT policy"),
        (
            {"rule": "filter/INPUT#2"},
            DROPPED,
            "rule filter/INPUT#2",
            "rules filter/INPUT policy",
        ),
        ({"rule": "filter/INPUT#2"}, {}, "rule filter/INPUT#2", "rules none"),
        ({"rules": []}, DROPPED, "rules none", "rules filter/INPUT policy"),
        ({"entry": None}, {"entry": entry("CLOSE")}, "no entry", "entry CLOSE"),
        ({"entry": True}, {}, "entry", "no entry"),
        ({"entry": "CLOSE"}, {"entry": entry("LAST_ACK")}, "entry CLOSE", "entry LAST_ACK"),
        (
            {"delivered": True, "as": ["10.1.0.2", 1, "fd00::1", 2]},
            {"out": (out("10.1.0.2", 1, "10.2.0.2", 2),)},
            "delivered as 10.1.0.2:1 > [fd00::1]:2",
            "delivered as 10.1.0.2:1 > 10.2.0.2:2",
        ),
    ],
)
def test_what_is_not_met(
    claims: dict[str, Any], given: dict[str, Any], expected: str, got: str
) -> None:
    if "as" in claims:
        claims = claims | {"as": ["10.1.0.2", 1, "10.2.0.9", 2]}
        expected = expected.replace("[fd00::1]", "10.2.0.9")
    assert misses(claims, **given) == [(expected, got)]


def test_all_that_is_not_met_is_told() -> None:
    claims = {"ctstate": "INVALID", "delivered": False, "rejected": False, "entry": None}
    found = misses(claims, entry=entry("CLOSE"))
    assert found == [("INVALID", "NEW"), ("dropped", "delivered"), ("no entry", "entry CLOSE")]


def test_the_rule_that_decided_is_named() -> None:
    found = unmet({"delivered": True}, answer(**REJECTED))
    assert found is not None
    assert found.rule == "filter/INPUT#1"
    assert found.rule_text == "-A INPUT -p tcp -j REJECT --reject-with tcp-reset"
    assert found.matched == REJECTED["rules"]
    found = unmet({"delivered": True}, answer(**DROPPED))
    assert found is not None
    assert (found.rule, found.rule_text) == ("filter/INPUT policy", "policy DROP")
    let_through = ("filter/INPUT#2", "nat/INPUT policy")
    found = unmet({"delivered": False}, answer(rules=let_through))
    assert found is not None
    assert found.rule == "filter/INPUT#2"
    assert found.rule_text == '-A INPUT -m comment --comment "mine" -j ACCEPT'


def test_without_rules_nothing_is_named() -> None:
    found = unmet({"delivered": True}, answer(delivered=False, rules=None), rules="")
    assert found is not None
    assert found.misses == (Miss("delivered", "dropped"),)
    assert (found.rule, found.rule_text, found.matched) == (None, None, ())


def test_what_is_not_decided_is_not_met() -> None:
    given = answer(delivered=None, ctstate="NEW", undecided=(UNDECIDED,))
    found = unmet({"ctstate": "NEW", "delivered": False, "rejected": False, "entry": None}, given)
    assert found is not None
    got = "not decided: filter/INPUT#2: -m x: y is not known"
    assert found.misses == (
        Miss("dropped", got, True),
        Miss("NEW", got, True),
        Miss("no entry", got, True),
    )


def test_a_match_that_does_not_matter_leaves_the_rest_decided() -> None:
    given = {"undecided": (UNDECIDED,), "rules": ("filter/INPUT policy",)}
    assert (
        misses({"delivered": True, "ctstate": "NEW", "rule": "filter/INPUT policy"}, **given) == []
    )
    got = "not decided: filter/INPUT#2: -m x: y is not known"
    assert misses({"rule": "filter/INPUT#2"}, **given) == [("rule filter/INPUT#2", got)]
    assert misses({"rules": ["filter/INPUT policy"]}, **given) == [
        ("rules filter/INPUT policy", got)
    ]
    assert misses({"rule": "filter/INPUT#1"}, **given) == [
        ("rule filter/INPUT#1", "rules filter/INPUT policy")
    ]


def test_answers_are_compared_by_their_index() -> None:
    syn: dict[str, Any] = {"dir": "orig", "flags": "S"}
    packets: list[dict[str, Any]] = [
        {"op": "expire"},
        syn,
        syn | {"expect": {"ctstate": "NEW"}},
        syn,
    ]
    packets[3] = packets[3] | {"expect": {"ctstate": "INVALID"}}
    scenario = scenario_from_json({"name": "n", "packets": packets})
    answers: list[PacketAnswer | OpAnswer] = [OpAnswer("expire"), answer(), answer(), answer()]
    found = check(scenario, answers, INDEX)
    assert (found.name, found.expected) == ("n", 2)
    assert [each.expectation.packet for each in found.unmet] == [3]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"by": "filter/INPUT#3"}, "chain filter/INPUT has 2 rules (the first is #1)"),
        ({"rule": "filter/FORWARD#1"}, "chain filter/FORWARD has no rules"),
        ({"rules": ["filter/INPTU policy"]}, "no chain 'INPTU' (did you mean filter/INPUT?)"),
        ({"rule": "raw/INPUT policy"}, "no table 'raw' (its tables are nat, filter)"),
    ],
)
def test_rules_that_there_are_not(claims: dict[str, Any], message: str) -> None:
    said = {"packets": [{"op": "flush"}, {"dir": "orig", "expect": claims}]}
    with pytest.raises(ScenarioError) as caught:
        require_rules(scenario_from_json(said), INDEX)
    assert caught.value.packet == 1
    assert message in str(caught.value)


def test_rules_that_there_are() -> None:
    claims = {"rules": ["filter/INPUT#2", "nat/PREROUTING policy"], "by": "filter/FORWARD policy"}
    require_rules(scenario_from_json({"packets": [{"dir": "orig", "expect": claims}]}), INDEX)
