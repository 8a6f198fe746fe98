# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios that model and kernel have both played, as reports take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from ctlint.finding import Confidence
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.duel import Duel
from ctlint.scenario.scenario import DIR_NAMES, Scenario, Send
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP


class Status(Enum):
    """How it ended; the value is its word in JSON.

    REFUTED: something that was expected did not come. DIFFERS: all came, but model and kernel say
    different things. UNDECIDED: a finding that is only possible, and what hangs on a match that
    ctlint does not decide did not come here. UNPLAYED: the kernel could not be asked.
    """

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    DIFFERS = "differs"
    UNDECIDED = "undecided"
    UNPLAYED = "not played"


@dataclass(frozen=True, slots=True)
class Task:
    """A scenario to be played.

    `title` is what it is called where it has no name. Of a witness, `rule` is the id of the finding
    and `opening` the number of packets that open its connection. `problem` says why it cannot be
    played, and then there is no `scenario`.
    """

    file: str
    line: int
    title: str
    scenario: Scenario | None
    rule: str | None = None
    confidence: Confidence | None = None
    opening: int = 0
    problem: str | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return (self.scenario.name if self.scenario else None) or self.title


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What came of a task. `problem` says why nothing did; `report` is the file that tells of a
    difference, `unwritten` why there is none.
    """

    task: Task
    duel: Duel | None
    problem: str | None = None
    report: str | None = None
    unwritten: str | None = None

    @property
    def status(self) -> Status:
        """How it ended."""
        duel, task = self.duel, self.task
        if duel is None:
            return Status.UNPLAYED
        if duel.unmet:
            hangs = duel.open is not None or not self.is_opened
            if task.confidence is Confidence.POSSIBLE and hangs and not duel.differences:
                return Status.UNDECIDED
            return Status.REFUTED
        return Status.DIFFERS if duel.differences else Status.CONFIRMED

    @property
    def is_opened(self) -> bool:
        """Whether the packets that open the connection come through."""
        assert self.duel is not None
        opening = self.duel.steps[: self.task.opening]
        return all(
            not isinstance(both.kernel, PacketAnswer) or both.kernel.delivered for both in opening
        )


def made_for(task: Task, kernel: str) -> str | None:
    """The kernel that a scenario is about, where that is another than this."""
    named = task.scenario.kernel if task.scenario else None
    return named if named != kernel else None


def packet_name(scenario: Scenario, number: int) -> str:
    """A step in a few words, such as ``orig FA``."""
    step = scenario.steps[number]
    if not isinstance(step, Send):
        return step.op
    sender = DIR_NAMES[step.sender]
    if step.protocol == TCP:
        return f"{sender} {step.flags.letters or 'no flags'}"
    if step.protocol in (ICMP, ICMPV6):
        return f"{sender} icmp {step.icmp_type}/{step.icmp_code}"
    return f"{sender} udp" if step.protocol == UDP else f"{sender} ip {step.protocol}"


@dataclass(slots=True)
class Sums:
    """How many ended how, and why some were not played. `without` counts findings that have no
    witness.
    """

    by_status: Counter[Status] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    witnesses: int = 0
    scenarios: int = 0
    without: int = 0

    def add(self, found: Confirmation) -> None:
        """Counts one."""
        self.by_status[found.status] += 1
        if found.task.rule is None:
            self.scenarios += 1
        else:
            self.witnesses += 1
        if found.status is Status.UNPLAYED:
            self.problems[found.problem or ""] += 1

    @property
    def kind(self) -> str:
        """What was played, in the plural."""
        if not self.scenarios:
            return "witnesses"
        return "scenarios" if not self.witnesses else "witnesses and scenarios"

    def words(self) -> Iterator[str]:
        """The sums in words, worst last."""
        count = self.by_status
        kind = self.kind
        confirmed = count[Status.CONFIRMED]
        if confirmed == 1 and kind in ("witnesses", "scenarios"):
            kind = "witness" if kind == "witnesses" else "scenario"
        yield f"{confirmed} {kind} confirmed"
        yield f"{count[Status.REFUTED]} refuted"
        if count[Status.DIFFERS]:
            yield f"{count[Status.DIFFERS]} in which model and kernel differ"
        if count[Status.UNDECIDED]:
            yield f"{count[Status.UNDECIDED]} undecided (only possible, and not so here)"
        unplayed = count[Status.UNPLAYED]
        if unplayed:
            reason, most = self.problems.most_common(1)[0]
            others = f"; {unplayed - most} for other reasons" if most < unplayed else ""
            yield f"{unplayed} could not be played ({reason}{others})"
        if self.without:
            yield f"{self.without} finding{'s' * (self.without != 1)} without a witness"
