# SPDX-License-Identifier: GPL-2.0-only
"""Compares what the model says rule sets do with what the kernel of this machine does with them.

``python -m tests.conformance.rules_campaign --seed 1 --pairs 20000 [--backend legacy|nft]``

A pair is one packet that meets one rule set. Each scenario is played on the kernel first: where
the kernel draws lots (ports), the model is told what it drew. A scenario stops at its first
difference, or where the model leaves open what comes next; what it leaves open is counted by match.
With ``--corpus`` the rule sets are those real dumps that a real restore loads, 200 packets each.

A difference is made as small as it goes, rules too, and printed as one JSON object.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple

from ctlint.lab.errors import CannotLoadError, LabError, LabStalled
from ctlint.lab.judgement import as_saved_by
from ctlint.lab.lab import Backend
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.scenario.agreement import (
    Difference,
    differences_of_answers,
    differences_of_entries,
    rules_as_asked,
)
from ctlint.scenario.answer import OpAnswer, PacketAnswer
from ctlint.scenario.lots import Lots, orders
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import Scenario, ScenarioError, Send
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND
from tests.conformance.command import Campaign, Parser, positive, run_command
from tests.conformance.corpus_scenarios import scenarios_of_dump
from tests.conformance.faults import (
    Fault,
    LiveKernel,
    patiently,
)
from tests.conformance.random_rule_scenarios import generate
from tests.conformance.shrinking import shrink
from tests.conformance.test_corpus import loadable_dumps

_MOST_SHRUNK: Final = 20
"""Differences that are made small; more of them most likely have the same causes."""

_PACKETS_A_DUMP: Final = 200
_SMALL: Final = 100_000
"""Bytes of a dump that is loaded and read in no time."""


class Setup(NamedTuple):
    """Who is compared: a profile's model, and a kernel that loads rules by a backend."""

    kernel: KernelProfile
    live: LiveKernel
    backend: Backend | None = None


@dataclass(slots=True)
class Figures:
    """What a campaign came to. `open` counts pairs by what was left open about them."""

    scenarios: int = 0
    pairs: int = 0
    decided: int = 0
    faults: int = 0
    refused: int = 0
    lots_unseen: int = 0
    unsteady: int = 0
    seconds: float = 0.0
    open: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        rate = self.pairs / self.seconds if self.seconds else 0.0
        share = self.decided / self.pairs if self.pairs else 1.0
        lines = [
            f"{self.scenarios:,} scenarios, {self.pairs:,} pairs, {rate:,.0f} pairs/s, "
            f"{share:.2%} decided, {self.faults:,} differences, "
            f"{self.refused:,} rule sets refused, {self.lots_unseen:,} lots not seen, "
            f"{self.unsteady:,} differences once and not again"
        ]
        lines += [f"  open {count:6,}: {what}" for what, count in self.open.most_common(40)]
        lines += [f"  stopped {count:3,}: {what}" for what, count in self.stopped.most_common(20)]
        return "\n".join(lines)


def _differences(
    index: int, kernel: PacketAnswer, model: PacketAnswer, setup: Setup
) -> tuple[Difference, ...]:
    asked = rules_as_asked(kernel, model, by_nft=setup.backend is Backend.NFT)
    return differences_of_answers(index, asked, model)


def first_fault(scenario: Scenario, setup: Setup, figures: Figures | None = None) -> Fault | None:
    """Where the model first differs from the kernel; None where it does not.

    After the last packet the tables are compared too. Raises LabStalled, CannotLoadError.
    """
    counted = figures or Figures()
    found = None
    for order in orders(scenario.ruleset + scenario.ruleset6):
        play = partial(_first_fault, scenario, setup, counted, targets_first=order)
        found = patiently(play)
        if found is None:
            return None
    return found


def _now_in(scenario: Scenario) -> Scenario:
    """The same scenario at this time of day: rules ask the live kernel's clock."""
    return replace(scenario, facts=replace(scenario.facts, clock=int(time.time() * SECOND)))


def _first_fault(
    scenario: Scenario, setup: Setup, figures: Figures, *, targets_first: bool
) -> Fault | None:
    scenario = as_saved_by(scenario, setup.backend or Backend.LEGACY)
    live = setup.live
    live.start(scenario, setup.backend)
    lots = Lots(targets_first=targets_first)
    counted = Figures()
    answers: list[PacketAnswer | OpAnswer | None] = []

    def fault(model: PacketAnswer | OpAnswer | str, *differences: Difference) -> Fault:
        _add(figures, counted)
        return Fault(scenario, tuple(answers), model, differences, setup.backend)

    try:
        player = Player(_now_in(scenario), setup.kernel, lots.draw)
    except ScenarioError as error:
        return fault(error.message)
    is_open = False
    for index, step in enumerate(scenario.steps):
        expected: PacketAnswer | OpAnswer | None
        try:
            expected = live.step(step)
        except ScenarioError:
            # Nothing was received that could be quoted; time has passed for both.
            expected = None
        answers.append(expected)
        lots.look(expected, step.protocol if isinstance(step, Send) else 0)
        try:
            got = player.step(step)
        except ScenarioError as error:
            if expected is None:
                continue
            if "not modelled" in error.message or "not simulated" in error.message:
                counted.stopped[error.message.partition(": ")[2]] += 1
                is_open = True
                break
            return fault(error.message)
        if not isinstance(step, Send):
            continue
        if expected is None:
            return fault(got)
        assert isinstance(expected, PacketAnswer)
        assert isinstance(got, PacketAnswer)
        counted.pairs += 1
        for match in got.undecided:
            counted.open[_about(match)] += 1
        if got.delivered is None:
            is_open = True
            rest = sum(isinstance(later, Send) for later in scenario.steps[index + 1 :])
            counted.pairs += rest
            for match in got.undecided[:1]:
                counted.open[f"behind {_about(match)}"] += rest
            break
        differences = _differences(index, expected, got, setup)
        if differences and lots.is_unseen:
            counted.lots_unseen += 1
            is_open = True
            break
        if differences:
            return fault(got, *differences)
        counted.decided += not got.undecided
    if answers and not is_open:
        differences = differences_of_entries(live.entries(), player.entries())
        # The answers may have shown another zone's entry, and so not all that was drawn.
        may_hide = lots.has_drawn and "--zone" in scenario.ruleset + scenario.ruleset6
        if may_hide and {each.field for each in differences} == {"entry.reply"}:
            counted.lots_unseen += 1
        elif differences:
            return fault("the tables differ", *differences)
    _add(figures, counted)
    return None


def _about(match: Any) -> str:
    """What was open: the match's name and what is missing."""
    words = (match.get("match") or "").removeprefix("-m ").split(" ")
    return f"{words[0]}: {match.get('why', '')}"


def _add(figures: Figures, counted: Figures) -> None:
    figures.pairs += counted.pairs
    figures.decided += counted.decided
    figures.lots_unseen += counted.lots_unseen
    figures.open += counted.open
    figures.stopped += counted.stopped


def shrink_fault(fault: Fault, setup: Setup) -> Fault:
    """The same fault in as few packets and rules as can be found: of the same fields."""

    def still_fails(candidate: Scenario) -> bool:
        try:
            found = first_fault(candidate, setup)
        # What is left cannot be loaded or played; or the machine is too slow.
        except (ScenarioError, CannotLoadError, LabStalled):
            return False
        return found is not None and found.kind == fault.kind and _says(found) == _says(fault)

    small = shrink(fault.played, still_fails, setup.kernel.sysctl_default)
    with suppress(ScenarioError, CannotLoadError, LabStalled):
        return first_fault(small, setup) or fault
    return fault


def _says(fault: Fault) -> str:
    return fault.model if isinstance(fault.model, str) else ""


_FAST = re.compile(r"^-A (\S+) .*-m (?:hash)?limit .*/s", re.MULTILINE)


def _is_about_speed(fault: Fault) -> bool:
    """Whether the rules that differ stand where a rate counts parts of seconds: real ones."""
    kernel, model = fault.answers[-1], fault.model
    if not isinstance(kernel, PacketAnswer) or not isinstance(model, PacketAnswer):
        return False
    fast = set(_FAST.findall(fault.scenario.ruleset + fault.scenario.ruleset6))
    for one, other in zip(kernel.rules or (), model.rules or (), strict=False):
        if one != other:
            return any(re.split("[#/ ]", words)[1] in fast for words in (one, other))
    return False


def _is_steady(fault: Fault, setup: Setup) -> bool:
    """Whether it is there again: no rate that counts real time, nothing that the machine did."""
    if _is_about_speed(fault):
        return False
    again = first_fault(fault.played, setup)
    return again is not None and again.kind == fault.kind


def corpus_scenarios(
    seed: int, family: Family | None, packets: int, most_dumps: int | None = None
) -> Iterator[Scenario]:
    """Of every dump that a real restore loads, or of some; the same seed gives the same."""
    dumps = [
        dump
        for dump in loadable_dumps()
        # With counters: the same rules.
        if not dump.path.name.endswith("-c.txt") and (family or dump.family) is dump.family
    ]
    if most_dumps is not None:
        small = [dump for dump in dumps if dump.path.stat().st_size < _SMALL]
        dumps = random.Random(seed).sample(small, min(most_dumps, len(small)))
    for dump in dumps:
        sets = "" if dump.sets is None else dump.sets.read_text("utf-8")
        chance = random.Random(f"{seed} {dump.name}")
        yield from scenarios_of_dump(chance, dump.name, dump.text, sets, dump.family, packets)


def run(
    scenarios: Iterable[Scenario], setup: Setup, pairs: int, tell: Callable[[Fault], None]
) -> Figures:
    """Compares over scenarios until so many pairs are reached; each fault, made small, is told."""
    figures = Figures()
    began = time.monotonic()
    refused: tuple[str, str] | None = None
    for scenario in scenarios:
        if figures.pairs >= pairs:
            break
        texts = scenario.ruleset, scenario.ruleset6
        if texts == refused:
            continue
        try:
            fault = first_fault(scenario, setup, figures)
        except CannotLoadError:
            refused = texts
            figures.refused += 1
            continue
        except ScenarioError as error:
            figures.stopped[error.message] += 1
            continue
        except LabStalled:
            raise
        except LabError as error:
            # Entries of several zones that nobody can tell apart.
            figures.stopped[str(error)] += 1
            continue
        figures.scenarios += 1
        if fault is not None and not _is_steady(fault, setup):
            figures.unsteady += 1
        elif fault is not None:
            figures.faults += 1
            if figures.faults <= _MOST_SHRUNK:
                fault = shrink_fault(fault, setup)
            tell(fault)
    figures.seconds = time.monotonic() - began
    return figures


def _play(arguments: argparse.Namespace, campaign: Campaign) -> Figures:
    seed, family, kernel, lab, tell = campaign
    backend = None if arguments.backend is None else Backend(arguments.backend)
    setup = Setup(kernel, lab, backend)
    if arguments.corpus:
        return run(corpus_scenarios(seed, family, _PACKETS_A_DUMP), setup, sys.maxsize, tell)
    return run(generate(seed, family), setup, arguments.pairs, tell)


def main(words: list[str]) -> int:
    """The command."""
    parser = Parser("tests.conformance.rules_campaign")
    parser.add_argument("--pairs", type=positive, default=20_000)
    parser.add_argument("--backend", choices=[backend.value for backend in Backend])
    parser.add_argument("--corpus", action="store_true", help="real dumps, 200 packets each")
    return run_command(parser, words, _play)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
