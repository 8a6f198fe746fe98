# SPDX-License-Identifier: GPL-2.0-only
"""A model beside a kernel that is played by hand: what counts as a difference, what is unmet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ctlint.model.kernel.profiles import NEWEST
from ctlint.scenario.answer import EntryAnswer, OpAnswer, PacketAnswer
from ctlint.scenario.duel import Duel, duel
from ctlint.scenario.play import Player
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.rulesets import rulesets_of
from ctlint.scenario.scenario import Scenario, Step

Answer = PacketAnswer | OpAnswer

RULES = """*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -j LOG
-A FORWARD -p tcp -m conntrack --ctstate INVALID -j DROP
COMMIT
"""
SYN: dict[str, Any] = {"dir": "orig", "flags": "S"}
FIN: dict[str, Any] = {"dir": "orig", "flags": "FA", "expire": True}


class Fake:
    """A kernel that answers as the model does, but for what is changed in its answers."""

    def __init__(self, scenario: Scenario, change: Callable[[int, Answer], Answer]) -> None:
        self._player = Player(scenario, NEWEST)
        self._change = change
        self._count = 0
        self.table: Callable[[tuple[EntryAnswer, ...]], tuple[EntryAnswer, ...]] = tuple

    def step(self, step: Step) -> Answer:
        """As Live says."""
        self._count += 1
        return self._change(self._count - 1, self._player.step(step))

    def entries(self) -> tuple[EntryAnswer, ...]:
        """As Live says."""
        return self.table(self._player.entries())


def same(number: int, answer: Answer) -> Answer:
    """No change."""
    del number
    return answer


def on_last(**changes: Any) -> Callable[[int, Answer], Answer]:
    """The second packet's answer with these fields."""

    def change(number: int, answer: Answer) -> Answer:
        return replace(answer, **changes) if number == 1 else answer

    return change


def scenario_of(*packets: dict[str, Any], rules: str = RULES, **more: Any) -> Scenario:
    return scenario_from_json({"ruleset": rules, "packets": list(packets), **more})


def play(
    scenario: Scenario, change: Callable[[int, Answer], Answer], *, by_nft: bool = False
) -> Duel:
    family = scenario.topology.family
    index = RuleIndex(rulesets_of(scenario).values(), family)
    return duel(scenario, NEWEST, Fake(scenario, change), index, by_nft=by_nft, clock=0)


EXPECT = [{"packet": 1, "ctstate": "INVALID", "delivered": False, "by": "filter/FORWARD#2"}]


def test_two_that_agree_and_meet_what_is_expected() -> None:
    found = play(scenario_of(SYN, FIN, expect=EXPECT), same)
    assert (found.differences, found.open, found.unmet, found.unmet_by_model) == ((), None, (), ())
    assert [both.model is not None for both in found.steps] == [True, True]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ctstate", "NEW"),
        ("hooks", {"FORWARD": "NEW"}),
        ("delivered", True),
        ("rules", ("filter/FORWARD#1",)),
    ],
)
def test_each_field_is_compared(field: str, value: Any) -> None:
    found = play(scenario_of(SYN, FIN), on_last(**{field: value}))
    assert [(one.packet, one.field) for one in found.differences] == [(1, field)]
    (one,) = found.differences
    assert one.got != one.expected


def test_an_entry_is_compared_and_the_words_of_the_log_are_not() -> None:
    def change(number: int, answer: Answer) -> Answer:
        assert isinstance(answer, PacketAnswer)
        if answer.entry is None:
            return replace(answer, why=("nf_ct_proto_6: other words",))
        return replace(answer, entry=replace(answer.entry, timeout=7))

    found = play(scenario_of(SYN, FIN), change)
    assert [(one.packet, one.field, one.expected) for one in found.differences] == [
        (0, "entry.timeout", 7)
    ]


def test_the_tables_are_compared_behind_the_last_packet() -> None:
    scenario = scenario_of(SYN)
    kernel = Fake(scenario, same)
    kernel.table = lambda entries: entries[1:]
    index = RuleIndex(rulesets_of(scenario).values(), scenario.topology.family)
    found = duel(scenario, NEWEST, kernel, index, by_nft=False, clock=0)
    assert [one.field for one in found.at_the_end] == ["entries"]


def test_nf_tables_tells_of_rules_in_another_order() -> None:
    turned = on_last(rules=("filter/FORWARD#2", "filter/FORWARD#1"))
    assert play(scenario_of(SYN, FIN), turned, by_nft=True).differences == ()
    assert play(scenario_of(SYN, FIN), turned, by_nft=False).differences != ()
    expect = [{"packet": 1, "rules": ["filter/FORWARD#1", "filter/FORWARD#2"]}]
    assert play(scenario_of(SYN, FIN, expect=expect), turned, by_nft=True).unmet == ()


def test_what_the_model_leaves_open_is_no_difference() -> None:
    rules = RULES.replace("-j LOG", "-m weird --odd 1 -j DROP")
    scenario = scenario_of(SYN, FIN, rules=rules, expect=EXPECT)

    class Kernel(Fake):
        """One that decides."""

        def step(self, step: Step) -> Answer:
            """As Live says."""
            answer = super().step(step)
            assert isinstance(answer, PacketAnswer)
            return replace(answer, ctstate="INVALID", delivered=False, rules=("filter/FORWARD#2",))

    index = RuleIndex(rulesets_of(scenario).values(), scenario.topology.family)
    found = duel(scenario, NEWEST, Kernel(scenario, same), index, by_nft=False, clock=0)
    assert [both.model for both in found.steps] == [None, None]
    assert found.open is not None
    assert "weird" in found.open
    assert (found.differences, found.unmet) == ((), ())


def test_what_is_expected_is_asked_of_the_kernel_and_of_the_model() -> None:
    wrong = [{"packet": 1, "delivered": True}]
    found = play(scenario_of(SYN, FIN, expect=wrong), same)
    assert len(found.unmet) == len(found.unmet_by_model) == 1
    found = play(scenario_of(SYN, FIN, expect=wrong), on_last(delivered=True))
    assert (found.unmet, len(found.unmet_by_model)) == ((), 1)
    found = play(scenario_of(SYN, FIN, expect=EXPECT), on_last(delivered=True))
    assert (len(found.unmet), found.unmet_by_model) == (1, ())


def test_ports_that_the_kernel_drew_are_told_the_model() -> None:
    rules = """*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -p tcp -j SNAT --to-source 10.2.0.1:50000-50009 --random
COMMIT
"""
    scenario = scenario_of(SYN, rules=rules)

    class Kernel:
        """A kernel that draws the last port."""

        def __init__(self) -> None:
            self._player = Player(scenario, NEWEST, max)

        def step(self, step: Step) -> Answer:
            """As Live says."""
            return self._player.step(step)

        def entries(self) -> tuple[EntryAnswer, ...]:
            """As Live says."""
            return self._player.entries()

    index = RuleIndex(rulesets_of(scenario).values(), scenario.topology.family)
    found = duel(scenario, NEWEST, Kernel(), index, by_nft=False, clock=0)
    assert (found.differences, found.open) == ((), None)
