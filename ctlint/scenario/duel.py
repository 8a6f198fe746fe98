# SPDX-License-Identifier: GPL-2.0-only
"""A scenario that the model plays beside a live kernel, packet by packet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

from ctlint.model.kernel.profiles import KernelProfile
from ctlint.scenario.agreement import (
    Difference,
    differences_of_answers,
    differences_of_entries,
    rules_as_asked,
)
from ctlint.scenario.answer import EntryAnswer, OpAnswer, PacketAnswer
from ctlint.scenario.check import Unmet, judge, say_undecided
from ctlint.scenario.lots import Lots
from ctlint.scenario.play import Player
from ctlint.scenario.rule_index import RuleIndex
from ctlint.scenario.scenario import Scenario, ScenarioError, Send, Step
from ctlint.wire.moments import Micros

Answer: TypeAlias = PacketAnswer | OpAnswer

_UNCOMPARED: Final = frozenset({"why", "entry.dirflags", "entry.wscale", "entry.fresh"})
"""Fields of answers that no rule and no user of the kernel sees, or in words that releases change.
"""


class Live(Protocol):
    """A kernel that plays the scenario that was started on it."""

    def step(self, step: Step) -> Answer:
        """Plays its next step."""

    def entries(self) -> tuple[EntryAnswer, ...]:
        """What is in its table."""


@dataclass(frozen=True, slots=True)
class Both:
    """The answers of both to one step. `model` is None from where the model says nothing more."""

    kernel: Answer
    model: Answer | None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Duel:
    """What came of a scenario.

    `at_the_end` are the differences of the tables behind its last step. `open` says why the model
    did not answer to the end, None where it did. `unmet` is what was expected and did not come, of
    the kernel and of the model.
    """

    steps: tuple[Both, ...]
    at_the_end: tuple[Difference, ...] = ()
    open: str | None = None
    unmet: tuple[Unmet, ...] = ()
    unmet_by_model: tuple[Unmet, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All differences, in order. In each, `expected` is the kernel's."""
        return (*(one for both in self.steps for one in both.differences), *self.at_the_end)


def duel(
    scenario: Scenario,
    kernel: KernelProfile,
    live: Live,
    index: RuleIndex,
    *,
    by_nft: bool,
    clock: Micros,
    targets_first: bool = False,
) -> Duel:
    """Play a scenario that was started on the live kernel; ports that it draws are told the model.

    `by_nft` says what loaded its rules, `clock` what time of day it is on the live kernel: see
    `Facts.clock`. Raises ScenarioError where either cannot play it.
    """
    told = replace(scenario, facts=replace(scenario.facts, clock=clock))
    lots = Lots(targets_first=targets_first)
    player = Player(told, kernel, lots.draw)
    expectations = {one.packet: one for one in scenario.expectations}
    steps: list[Both] = []
    unmet: list[Unmet] = []
    unmet_by_model: list[Unmet] = []
    why: str | None = None
    for number, step in enumerate(scenario.steps):
        found = live.step(step)
        lots.look(found, step.protocol if isinstance(step, Send) else 0)
        model: Answer | None = None
        if why is None:
            model, why = _ask(player, step)
        both = _compare(number, found, model, by_nft=by_nft)
        if both.differences and lots.is_unseen:
            why = "the kernel drew a port by lot, which its answer does not tell"
            both = Both(found, None)
        steps.append(both)
        expectation = expectations.get(number)
        if expectation is None or not isinstance(found, PacketAnswer):
            continue
        if missed := judge(expectation, _as_judged(both, by_nft=by_nft), index):
            unmet.append(missed)
        if isinstance(model, PacketAnswer) and (missed := judge(expectation, model, index)):
            unmet_by_model.append(missed)
    at_the_end: Sequence[Difference] = ()
    if why is None:
        at_the_end = _compared(differences_of_entries(live.entries(), player.entries()))
        may_hide = lots.has_drawn and "--zone" in scenario.ruleset + scenario.ruleset6
        if may_hide and {one.field for one in at_the_end} == {"entry.reply"}:
            # The answers may have shown another zone's entry, and so not all that was drawn.
            at_the_end = ()
    return Duel(tuple(steps), tuple(at_the_end), why, tuple(unmet), tuple(unmet_by_model))


def _ask(player: Player, step: Step) -> tuple[Answer | None, str | None]:
    """The model's answer, and why it will give no more."""
    try:
        answer = player.step(step)
    except ScenarioError as error:
        return None, error.message
    if isinstance(answer, PacketAnswer) and answer.delivered is None:
        return None, "; ".join(map(say_undecided, answer.undecided[:2])) or "not decided"
    return answer, None


def _compare(number: int, kernel: Answer, model: Answer | None, *, by_nft: bool) -> Both:
    if model is None:
        return Both(kernel, None)
    asked = kernel
    if isinstance(kernel, PacketAnswer) and isinstance(model, PacketAnswer):
        asked = rules_as_asked(kernel, model, by_nft=by_nft)
    return Both(kernel, model, _compared(differences_of_answers(number, asked, model)))


def _compared(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    return tuple(one for one in differences if one.field not in _UNCOMPARED)


def _as_judged(both: Both, *, by_nft: bool) -> PacketAnswer:
    """The kernel's answer with the rule that ended the packet's way: the model knows which of those
    that matched it is; else it is the last.
    """
    kernel, model = both.kernel, both.model
    assert isinstance(kernel, PacketAnswer)
    if isinstance(model, PacketAnswer):
        kernel = rules_as_asked(kernel, model, by_nft=by_nft)
        if kernel.rules == model.rules and kernel.delivered is model.delivered:
            return replace(kernel, cause=model.cause)
    cause = kernel.rules[-1] if kernel.rules and not kernel.delivered else None
    return replace(kernel, cause=cause)
