# SPDX-License-Identifier: GPL-2.0-only
"""The hosts of a lint run, checked one by one or by several processes: what is wrong with one is
told, and the others are done.
"""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ctlint.analysis.fault import AnalysisFault
from ctlint.analysis.settings import BadSettingError
from ctlint.cli.collector import one_by_one
from ctlint.cli.fault_report import describe, keep, versions
from ctlint.cli.progress import watched
from ctlint.cli.streams import tell
from ctlint.finding import LintResult, Skipped, SkipReason, Trouble
from ctlint.lint.equal_hosts import EqualHosts
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona
from ctlint.lint.runner import Host, HostResult, checked, gathered
from ctlint.model.kernel.profiles import KernelProfile, profile
from ctlint.parse.errors import ParseError
from ctlint.source.configured import Configured
from ctlint.source.errors import SourceError
from ctlint.source.found_inputs import FoundInputs
from ctlint.source.inputs import HostReader

REPORTS_KEPT: Final = 3
"""Faults of one run that leave a report; of many hosts many have the same."""

HINTS_TOLD: Final = 10
"""Hints of one run that are told, each once."""


class Outcome(NamedTuple):
    """What became of one host: its result, or why there is none; of a fault, what to report."""

    result: HostResult | None
    skipped: Skipped | None = None
    fault: Mapping[str, Any] | None = None


class HostCheck:
    """Reads a host and checks it, in whatever process. Without ``with_witnesses`` findings lose
    theirs once they have been played, as no report shows them.
    """

    def __init__(
        self, reader: HostReader, configured: Configured, *, with_witnesses: bool = True
    ) -> None:
        self.reader = reader
        self.configured = configured
        self.with_witnesses = with_witnesses
        self._equal = EqualHosts(self.checked)

    def host(self, name: str) -> Host:
        """What is checked of an input, and how. Raises SourceError, ParseError."""
        return self.configured.host(self.reader.read(name))

    def checked(self, host: Host) -> HostResult:
        """What is found in one host. Raises BadSettingError, AnalysisFault."""
        holds = self.configured.effective()
        persona = Persona(holds["persona"])
        found = checked(host, profile(holds["kernel"]), shipped_rules(), persona=persona)
        if self.with_witnesses:
            return found
        return replace(
            found, findings=tuple(replace(each, witness=None) for each in found.findings)
        )

    def result(self, name: str) -> HostResult:
        """What is found. Raises SourceError, ParseError, BadSettingError, AnalysisFault."""
        return self.checked(self.host(name))

    def __call__(self, name: str) -> Outcome:
        """The same as an outcome; equal hosts are checked once. Raises nothing but what ends a
        process.
        """
        try:
            return Outcome(self._equal.checked(self.host(name)))
        except ParseError as error:
            troubles = tuple(
                Trouble(each.message, each.span.file, each.span.line, each.span.column, each.hint)
                for each in error.problems
            )
            return _unreadable(name, *troubles)
        except BadSettingError as error:
            span = error.setting.span
            return _unreadable(name, Trouble(str(error), span.file, span.line, span.column))
        except SourceError as error:
            return _unreadable(name, Trouble(error.message, hint=error.hint))
        except MemoryError:
            return _unreadable(name, Trouble(f"{name}: this takes more memory than there is"))
        except AnalysisFault as fault:
            return _faulty(name, str(fault), describe(fault))
        except Exception as error:  # one host's fault is not the others'
            kind = type(error).__name__
            report = {"fault": kind, "traceback": traceback.format_exc(), "versions": versions()}
            return _faulty(name, kind, report)


def _unreadable(name: str, *troubles: Trouble) -> Outcome:
    return Outcome(None, Skipped(name, SkipReason.UNREADABLE, troubles))


def _faulty(name: str, what: str, report: Mapping[str, Any]) -> Outcome:
    return Outcome(None, Skipped(name, SkipReason.FAULT, (Trouble(what),)), report)


class Hosts:
    """The hosts of these names, read anew each time they are gone through."""

    def __init__(self, check: HostCheck, names: Sequence[str]) -> None:
        self._check = check
        self._names = names

    def __iter__(self) -> Iterator[Host]:
        return map(self._check.host, one_by_one(self._names))


class CheckedHosts(NamedTuple):
    """What is found in all hosts, and the ids of the rules that were asked of any."""

    result: LintResult
    asked: frozenset[str]


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_hosts(found: FoundInputs, check: HostCheck, jobs: int) -> CheckedHosts:
    """Check all hosts. One alone raises what its check raises; what is wrong with one of several is
    told on standard error.

    Raises SourceError where a process that looks at hosts is ended from outside.
    """
    names = found.names
    kernel = profile(check.configured.effective()["kernel"])
    if len(names) + len(found.wrong) == 1:
        if found.wrong:
            raise found.wrong[0][1]
        return _together([check.result(names[0])], kernel)
    outcomes: list[Outcome] = [
        _unreadable(name, Trouble(error.message, hint=error.hint)) for name, error in found.wrong
    ]
    outcomes += _outcomes(names, check, jobs)
    _tell_skipped(outcomes)
    done = _together([one.result for one in outcomes if one.result is not None], kernel)
    skipped = tuple(one.skipped for one in outcomes if one.skipped is not None)
    return done._replace(result=replace(done.result, skipped=skipped))


def _together(results: Sequence[HostResult], kernel: KernelProfile) -> CheckedHosts:
    asked = frozenset(rule for one in results for rule in one.asked)
    return CheckedHosts(gathered(results, kernel), asked)


def _outcomes(names: Sequence[str], check: HostCheck, jobs: int) -> list[Outcome]:
    """What became of each host, in their order."""
    if jobs < 2 or len(names) < 2:
        each = watched(one_by_one(names), len(names), label=str)
        return [check(name) for name in each]
    # With what starts processes, which a run of one host need not load.
    from ctlint.cli.crew import WorkerGoneError, shared

    found: dict[int, Outcome] = {}
    with closing(shared(check, names, jobs)) as done:
        try:
            for number, outcome in watched(done, len(names), label=lambda one: names[one[0]]):
                found[number] = outcome
        except WorkerGoneError as error:
            raise SourceError(
                f"{error.item}: the process that looked at it was ended from outside",
                "where memory has run out, fewer --jobs take less",
            ) from None
    return [found[number] for number in range(len(names))]


def _tell_skipped(outcomes: Sequence[Outcome]) -> None:
    """A line for each host that is skipped, with the first thing that is wrong with it. What is
    wrong with several, as a file of settings that holds for all, is told once.
    """
    hints: set[str] = set()
    said: Counter[str] = Counter()
    reports = 0
    for outcome in outcomes:
        skipped = outcome.skipped
        if skipped is None:
            continue
        first = skipped.troubles[0]
        if outcome.fault is not None:
            fault = f"{skipped.host}: a fault of ctlint's own: {first.message}"
            reports += 1
            tell(f"{fault}; {keep(outcome.fault)}" if reports <= REPORTS_KEPT else fault)
            continue
        more = len(skipped.troubles) - 1
        line = f"{first} (and {more:,} more)" if more else str(first)
        said[line] += 1
        if said[line] > 1:
            continue
        tell(line)
        if first.hint and first.hint not in hints and len(hints) < HINTS_TOLD:
            hints.add(first.hint)
            tell(f"  hint: {first.hint}")
    for line, times in said.items():
        if times > 1:
            tell(f"{line}: so it is for {times - 1:,} more of the inputs")
