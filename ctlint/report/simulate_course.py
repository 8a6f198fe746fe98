# SPDX-License-Identifier: GPL-2.0-only
"""A scenario as it is played: reports take its answers one by one, and keep none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ctlint.model.kernel.profiles import KernelProfile
from ctlint.scenario.answer import EntryAnswer, OpAnswer, PacketAnswer
from ctlint.scenario.scenario import Scenario

WINDOW: Final = 1_000
"""So many answers are awaited before the first is written. If a scenario fails among them, nothing
of it is written.
"""


@dataclass(frozen=True, slots=True)
class Course:
    """One scenario on one kernel.

    `title` names it where it has no name. `answers` are those to its steps, in order, each made
    when it is asked for. `entries` are asked for once behind the last.
    """

    scenario: Scenario
    title: str
    kernel: KernelProfile
    answers: Iterator[PacketAnswer | OpAnswer]
    entries: Callable[[], Sequence[EntryAnswer]]
