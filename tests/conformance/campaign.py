# SPDX-License-Identifier: GPL-2.0-only
"""Compares the model with the kernel of this machine, packet by packet, over random scenarios.

``python -m tests.conformance.campaign --seed 1 --packets 100000 [--family 4|6] [--report FILE]``

A scenario stops at its first difference. It is then made as small as it goes and told in full:
the scenario as JSON, both answers, the release of the kernel, the model's profile, and what
happened before. Steps count from 0. Exit status 1 if anything differed, 2 if the comparison cannot
be made or goes no further.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

from ctlint.lab.errors import LabError, LabStalled, LabUnavailable
from ctlint.lab.lab import open_lab
from ctlint.model.kernel.profiles import KernelProfile, UnknownKernel, profile
from ctlint.scenario.answer import (
    EntryAnswer,
    OpAnswer,
    PacketAnswer,
    ScenarioAnswer,
    packet_to_json,
    to_json,
)
from ctlint.scenario.play import Player
from ctlint.scenario.scenario import Scenario, ScenarioError, Send, Step
from ctlint.scenario.writer import scenario_to_json
from ctlint.wire.addresses import Family
from tests.conformance.comparison import AT_THE_END, Difference, compare
from tests.conformance.random_scenarios import generate
from tests.conformance.shrinking import shrink

_TRIES = 10
"""How often a scenario is played when the machine is too slow for it."""

_MOST_SHRUNK = 10
"""Differences that are made small; more of them most likely have the same causes."""


class LiveKernel(Protocol):
    """What is asked of a lab."""

    def start(self, scenario: Scenario) -> None:
        """Begins a scenario."""

    def step(self, step: Step) -> PacketAnswer | OpAnswer:
        """Plays its next step."""

    def entries(self) -> tuple[EntryAnswer, ...]:
        """What is in the table."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first difference of a scenario: `answers` are the kernel's, up to and with it.

    `model` is what the model answered there, or why it did not.
    """

    scenario: Scenario
    answers: tuple[PacketAnswer | OpAnswer, ...]
    model: PacketAnswer | OpAnswer | str
    differences: tuple[Difference, ...]


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


def _differences(
    index: int, kernel: PacketAnswer | OpAnswer, model: PacketAnswer | OpAnswer
) -> tuple[Difference, ...]:
    if kernel == model:
        return ()
    expected = packet_to_json(kernel, internals=True)
    found = compare([expected], [], ScenarioAnswer(None, (model,), ()))
    return tuple(difference._replace(packet=index) for difference in found)


def _difference_of_entries(
    kernel: tuple[EntryAnswer, ...], model: tuple[EntryAnswer, ...]
) -> tuple[Difference, ...]:
    shown = to_json(ScenarioAnswer(None, (), kernel), internals=True)
    return tuple(compare([], shown["entries"], ScenarioAnswer(None, (), model)))


def first_fault(scenario: Scenario, kernel: KernelProfile, live: LiveKernel) -> Fault | None:
    """Where the model first differs from the kernel; None where it does not.

    After the last packet the tables are compared too. Raises LabStalled.
    """
    for _ in range(_TRIES - 1):
        with suppress(LabStalled):
            return _first_fault(scenario, kernel, live)
    return _first_fault(scenario, kernel, live)


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
        if differences := _differences(index, expected, got):
            return Fault(scenario, tuple(answers), got, differences)
    if answers and (differences := _difference_of_entries(live.entries(), player.entries())):
        return Fault(scenario, tuple(answers), answers[-1], differences)
    return None


def _cut(fault: Fault) -> Scenario:
    return replace(fault.scenario, steps=fault.scenario.steps[: len(fault.answers)])


def shrink_fault(fault: Fault, kernel: KernelProfile, live: LiveKernel) -> Fault:
    """The same fault in as few packets as can be found: a difference of the same fields."""
    fields = {difference.field for difference in fault.differences}

    def still_fails(candidate: Scenario) -> bool:
        try:
            found = first_fault(candidate, kernel, live)
        # For example an ICMP error that has nothing left to quote; or the machine is too slow.
        except (ScenarioError, LabStalled):
            return False
        return found is not None and {d.field for d in found.differences} == fields

    small = shrink(_cut(fault), still_fails, kernel.sysctl_default)
    return first_fault(small, kernel, live) or fault


def _in_words(difference: Difference) -> str:
    is_last = difference.packet == AT_THE_END
    where = "at the end" if is_last else f"packet {difference.packet}"
    got, expected = difference.got, difference.expected
    return f"{where}: {difference.field}: model {got!r}, kernel {expected!r}"


def report(fault: Fault, kernel: KernelProfile) -> str:
    """A fault as a bug report: one JSON object."""
    model = fault.model
    told: dict[str, Any] = {
        "kernel": platform.release(),
        "profile": kernel.name,
        "differences": [_in_words(difference) for difference in fault.differences],
        "scenario": scenario_to_json(_cut(fault)),
        "history": [packet_to_json(answer, internals=True) for answer in fault.answers[:-1]],
        "kernel_answer": packet_to_json(fault.answers[-1], internals=True),
        "model_answer": model if isinstance(model, str) else packet_to_json(model, internals=True),
    }
    return json.dumps(told)


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
        steps = scenario.steps if fault is None else _cut(fault).steps
        figures.scenarios += 1
        figures.packets += sum(isinstance(step, Send) for step in steps)
        if fault is not None:
            figures.faults += 1
            if figures.faults <= _MOST_SHRUNK:
                fault = shrink_fault(fault, kernel, live)
            tell(fault)
    figures.seconds = time.monotonic() - began
    return figures


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """As argparse wants it: ends the program."""
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> Parser:
    parser = Parser(prog="python -m tests.conformance.campaign")
    parser.add_argument("--seed", type=int, help="default: a fresh one, printed")
    parser.add_argument("--packets", type=positive, default=20_000)
    parser.add_argument("--family", type=int, choices=[4, 6], help="default: both")
    parser.add_argument("--report", type=Path, help="bug reports, one JSON object a line")
    return parser


def positive(text: str) -> int:
    """A number from 1 on. Raises ArgumentTypeError."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return number


def fresh_seed() -> int:
    """A seed that no run had; CTLINT_SEED where it is set. Raises ValueError."""
    named = os.environ.get("CTLINT_SEED")
    if not named:
        return int.from_bytes(os.urandom(4), "big")
    try:
        return int(named)
    except ValueError:
        raise ValueError(f"CTLINT_SEED is no whole number: {named[:40]!r}") from None


def _lines(fault: Fault) -> Iterator[str]:
    yield f"{fault.scenario.name}: packet {len(fault.answers) - 1}"
    if isinstance(fault.model, str):
        yield f"  the model stopped: {fault.model}"
    yield from (f"  {_in_words(difference)}" for difference in fault.differences)


def main(words: list[str]) -> int:
    """The command."""
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        seed = fresh_seed() if arguments.seed is None else arguments.seed
        kernel = profile(platform.release())
    except (ValueError, UnknownKernel) as error:
        parser.error(str(error))
    family = None if arguments.family is None else Family(arguments.family)

    def tell(fault: Fault) -> None:
        print(*_lines(fault), sep="\n", flush=True)  # noqa: T201 - the command's output
        if arguments.report is not None:
            with arguments.report.open("a", encoding="utf-8") as file:
                file.write(report(fault, kernel) + "\n")

    try:
        if arguments.report is not None:
            arguments.report.write_text("", encoding="utf-8")
        with open_lab() as lab:
            figures = run(generate(seed, arguments.packets, family), kernel, lab, tell)
    except OSError as error:
        parser.error(
            str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        )
    except ScenarioError as error:
        parser.error(f"seed {seed}: no kernel can play {error.name}: {error}")
    except LabUnavailable as error:
        parser.error(f"no kernel can be asked: {error}")
    except LabError as error:
        parser.error(f"seed {seed}: the kernel's answer was not seen: {error}")
    print(f"seed {seed}: {figures}")  # noqa: T201 - the command's output
    return 1 if figures.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
