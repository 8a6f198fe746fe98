# SPDX-License-Identifier: GPL-2.0-only
"""Tests of a firewall that were played, as reports take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ctlint.ir.span import Span
from ctlint.model.conntrack.status import Dir
from ctlint.scenario.check import Checked, Unmet
from ctlint.scenario.scenario import Scenario, Send
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP


class Status(Enum):
    """How a test ended; the value is its word in JSON."""

    PASSED = "passed"
    FAILED = "failed"
    WITHOUT = "without expectations"


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test. `title` is what it is called where it has no name; `places` are those of its steps
    in `lines`, the text of a script; both are empty for JSON. `missing_sysctls` are those that it
    sets and its kernel does not have.
    """

    __test__ = False  # it is none of pytest's

    file: str
    line: int
    title: str
    scenario: Scenario
    checked: Checked
    places: Sequence[Span] = ()
    lines: Sequence[str] = ()
    missing_sysctls: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.scenario.name or self.title

    @property
    def status(self) -> Status:
        """How it ended."""
        if not self.checked.expected:
            return Status.WITHOUT
        return Status.FAILED if self.checked.unmet else Status.PASSED

    def statement(self, unmet: Unmet) -> str:
        """The packet as the script says it, else in the words of one."""
        index = unmet.expectation.packet
        if self.places:
            place = self.places[index]
            return self.lines[place.line - 1][place.column - 1 : place.end_column - 1].rstrip()
        return self._sent(index)

    def line_of(self, unmet: Unmet) -> int | None:
        """Where the packet stands in the script, from 1; None for JSON."""
        return self.places[unmet.expectation.packet].line if self.places else None

    def one_of_several(self, unmet: Unmet) -> str | None:
        """The packet in the words of a script, where its statement sends others too."""
        index = unmet.expectation.packet
        beside = (*self.places[max(0, index - 1) : index], *self.places[index + 1 : index + 2])
        if not self.places or self.places[index] not in beside:
            return None
        return self._sent(index)

    def _sent(self, index: int) -> str:
        step = self.scenario.steps[index]
        assert isinstance(step, Send)
        sender = "client" if step.sender is Dir.ORIGINAL else "server"
        if step.protocol == TCP:
            return f"{sender} {','.join(str(flag.name) for flag in step.flags) or 'none'}"
        if step.protocol in (ICMP, ICMPV6):
            return f"{sender} icmp {step.icmp_type}/{step.icmp_code}"
        return f"{sender} udp" if step.protocol == UDP else f"{sender} ip {step.protocol}"


@dataclass(slots=True)
class Tally:
    """How many tests ended how; `unreadable` counts files."""

    passed: int = 0
    failed: int = 0
    without: int = 0
    unreadable: int = 0

    def add(self, status: Status) -> None:
        """Counts one test."""
        self.passed += status is Status.PASSED
        self.failed += status is Status.FAILED
        self.without += status is Status.WITHOUT

    @property
    def tests(self) -> int:
        """All tests."""
        return self.passed + self.failed + self.without
