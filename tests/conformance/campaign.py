# SPDX-License-Identifier: GPL-2.0-only
"""Compares the model with the kernel of this machine, packet by packet, over random scenarios.

``python -m tests.conformance.campaign --seed 1 --packets 100000 [--family 4|6] [--report FILE]``

A scenario stops at its first difference. It is then made as small as it goes and told in full:
the scenario as JSON, both answers, the release of the kernel, the model's profile, and what
happened before. Steps count from 0.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ctlint.lab.errors import LabStalled
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.scenario.agreement import differences_of_answers, differences_of_entries
from ctlint.scenario.answer import OpAnswer, PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import Scenario, ScenarioError, Send, Step
from tests.conformance.command import Campaign, Parser, positive, run_command
from tests.conformance.faults import (
    Fault,
    LiveKernel,
    patiently,
)
from tests.conformance.random_scenarios import generate
from tests.conformance.shrinking import shrink

_MOST_SHRUNK: Final = 10
"""Differences that are made small; more of them most likely have the same causes."""


@dataclass(slots=True)
class Figures:
    """What a campaign came to."""

    scenarios: int = 0
    packets: int = 0
    faults: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        rate = self.packets / self.seconds if self.seconds else 0.0
        return (
            f"{self.scenarios:,} scenarios, {self.packets:,} packets, {rate:,.0f} packets/s, "
            f"{self.faults:,} differences"
        )


class _Stopped(NamedTuple):
    """What the model said instead of an answer."""

    message: str


def _model_step(player: Player, step: Step) -> PacketAnswer | OpAnswer | _Stopped:
    try:
        return player.step(step)
    except ScenarioError as error:
        return _Stopped(str(error))


def first_fault(scenario: Scenario, kernel: KernelProfile, live: LiveKernel) -> Fault | None:
    """Where the model first differs from the kernel; None where it does not.

    After the last packet the tables are compared too. Raises LabStalled.
    """
    return patiently(lambda: _first_fault(scenario, kernel, live))


def _first_fault(scenario: Scenario, kernel: KernelProfile, live: LiveKernel) -> Fault | None:
    player = Player(scenario, kernel)
    live.start(scenario)
    answers: list[PacketAnswer | OpAnswer] = []
    for index, step in enumerate(scenario.steps):
        expected = live.step(step)
        answers.append(expected)
        got = _model_step(player, step)
        if isinstance(got, _Stopped):
            return Fault(scenario, tuple(answers), got.message, ())
        if differences := differences_of_answers(index, expected, got):
            return Fault(scenario, tuple(answers), got, differences)
    if answers and (differences := differences_of_entries(live.entries(), player.entries())):
        return Fault(scenario, tuple(answers), answers[-1], differences)
    return None


def shrink_fault(fault: Fault, kernel: KernelProfile, live: LiveKernel) -> Fault:
    """The same fault in as few packets as can be found: a difference of the same fields."""

    def still_fails(candidate: Scenario) -> bool:
        try:
            found = first_fault(candidate, kernel, live)
        # For example an ICMP error that has nothing left to quote; or the machine is too slow.
        except (ScenarioError, LabStalled):
            return False
        return found is not None and found.kind == fault.kind

    small = shrink(fault.played, still_fails, kernel.sysctl_default)
    return first_fault(small, kernel, live) or fault


def run(
    scenarios: Iterable[Scenario],
    kernel: KernelProfile,
    live: LiveKernel,
    tell: Callable[[Fault], None],
) -> Figures:
    """Compares over all scenarios; each fault, made small, is told."""
    figures = Figures()
    began = time.monotonic()
    for scenario in scenarios:
        fault = first_fault(scenario, kernel, live)
        steps = scenario.steps if fault is None else fault.played.steps
        figures.scenarios += 1
        figures.packets += sum(isinstance(step, Send) for step in steps)
        if fault is not None:
            figures.faults += 1
            if figures.faults <= _MOST_SHRUNK:
                fault = shrink_fault(fault, kernel, live)
            tell(fault)
    figures.seconds = time.monotonic() - began
    return figures


def _play(arguments: argparse.Namespace, campaign: Campaign) -> Figures:
    scenarios = generate(campaign.seed, arguments.packets, campaign.family)
    return run(scenarios, campaign.kernel, campaign.lab, campaign.tell)


def main(words: list[str]) -> int:
    """The command."""
    parser = Parser("tests.conformance.campaign")
    parser.add_argument("--packets", type=positive, default=20_000)
    return run_command(parser, words, _play)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
