# SPDX-License-Identifier: GPL-2.0-only
"""Where the model first differs from the kernel in a scenario, and how that is told."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from ctlint.lab.errors import LabStalled
from ctlint.lab.lab import Backend
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.scenario.agreement import AT_THE_END, Difference
from ctlint.scenario.answer import EntryAnswer, OpAnswer, PacketAnswer, packet_to_json
from ctlint.scenario.scenario import Scenario, Step
from ctlint.scenario.writer import scenario_to_json

_T = TypeVar("_T")

Answer: TypeAlias = PacketAnswer | OpAnswer

_TRIES: Final = 10
"""How often a scenario is played when the machine is too slow for it."""


class LiveKernel(Protocol):
    """What is asked of a lab."""

    def start(self, scenario: Scenario, backend: Backend | None = None) -> None:
        """Begins a scenario."""

    def step(self, step: Step) -> Answer:
        """Plays its next step."""

    def entries(self) -> tuple[EntryAnswer, ...]:
        """What is in the table."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first difference of a scenario: `answers` are the kernel's, up to and with it.

    `model` is what the model answered there, or why it did not; `backend` is what loaded the rules.
    """

    scenario: Scenario
    answers: tuple[Answer | None, ...]
    model: Answer | str
    differences: tuple[Difference, ...]
    backend: Backend | None = None

    @property
    def kind(self) -> frozenset[str]:
        """What differs: faults of one kind most likely have the same cause."""
        return frozenset(difference.field for difference in self.differences)

    @property
    def played(self) -> Scenario:
        """The scenario up to the fault."""
        return replace(self.scenario, steps=self.scenario.steps[: len(self.answers)])


def patiently(play: Callable[[], _T]) -> _T:
    """What playing gives; again where the machine was too slow for it. Raises LabStalled."""
    for _ in range(_TRIES - 1):
        with suppress(LabStalled):
            return play()
    return play()


def lines(fault: Fault) -> Iterator[str]:
    """A fault for the eye."""
    yield f"{fault.scenario.name}: packet {len(fault.answers) - 1}"
    if isinstance(fault.model, str):
        yield f"  the model says: {fault.model}"
    yield from (f"  {_in_words(difference)}" for difference in fault.differences)


def _in_words(difference: Difference) -> str:
    is_last = difference.packet == AT_THE_END
    where = "at the end" if is_last else f"packet {difference.packet}"
    got, expected = difference.got, difference.expected
    return f"{where}: {difference.field}: model {got!r}, kernel {expected!r}"


def report(fault: Fault, kernel: KernelProfile) -> dict[str, Any]:
    """A fault as a bug report, as JSON knows it."""
    scenario, model = fault.played, fault.model
    shown = [
        None if answer is None else packet_to_json(answer, internals=True)
        for answer in fault.answers
    ]
    return {
        "kernel": platform.release(),
        "profile": kernel.name,
        "backend": None if fault.backend is None else fault.backend.value,
        "differences": [_in_words(difference) for difference in fault.differences],
        "scenario": {"ipsets": scenario.ipsets, **scenario_to_json(scenario)},
        "facts": str(scenario.facts),
        "kernel_answers": shown,
        "model_answer": model if isinstance(model, str) else packet_to_json(model, internals=True),
    }
