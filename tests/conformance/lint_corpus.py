# SPDX-License-Identifier: GPL-2.0-only
"""Lints real dumps with the command itself, and has the live kernel judge what is said of them.

Of each dump: how long it took and how much memory, whether each certain finding's witness shows on
the kernel what the finding says, and what lint gave up.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ctlint.lab.errors import CannotLoadError, LabError
from ctlint.lab.lab import Backend, Lab
from ctlint.scenario.scenario import Flow, Forward, Scenario, ScenarioError
from ctlint.wire.addresses import Family
from tests.conformance.corpus_scenarios import made_up_sets, names_in
from tests.conformance.coverage_of_losses import Claim, refutation
from tests.conformance.test_corpus import Dump, loadable_dumps
from tests.corpus import REPOSITORY

_SLOW: Final = 2.0
"""Seconds from which a dump is named."""
_KIB: Final = 1024
_GIVEN_UP: Final = ("too many sets", "were not tried", "not all rules", "was ended", "not all is")
_NOWHERE: Final = (Forward(Family.IPV4, "eth0", "10.1.0.1/16", "eth1", "10.2.0.1/16"),)


class Run(NamedTuple):
    """One run of the command: what it said, the processor's seconds, the most memory in bytes.

    ``said`` is None where it failed, ``error`` says how.
    """

    said: Mapping[str, Any] | None
    error: str
    seconds: float
    memory: int


@dataclass(slots=True)
class CorpusFigures:
    """What a campaign over the dumps came to."""

    dumps: int = 0
    findings: int = 0
    certain: int = 0
    confirmed: int = 0
    refuted: int = 0
    failed: int = 0
    not_loaded: int = 0
    slow: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """Whatever was not as it must be."""
        return self.refuted + self.failed

    def __str__(self) -> str:
        lines = [
            f"{self.dumps:,} dumps, {self.failed:,} not linted; {self.findings:,} findings, "
            f"{self.certain:,} certain, {self.confirmed:,} confirmed, {self.refuted:,} REFUTED, "
            f"{self.not_loaded:,} not played"
        ]
        for title, names in (
            (f"took over {_SLOW:g} s", self.slow),
            ("gave something up", self.given_up),
            ("stopped", self.stopped),
        ):
            lines += [f"{title}:", *(f"  {name}" for name in names)] if names else []
        return "\n".join(lines)


def dumps_of(family: Family | None) -> Iterator[Dump]:
    """Every dump that a real restore loads, without those that only add counters."""
    for dump in loadable_dumps():
        if not dump.path.name.endswith("-c.txt") and (family or dump.family) is dump.family:
            yield dump


def run_lint(dump: Dump, kernel: str) -> Run:
    """Lint a dump, and its sets where it has them, as a user would."""
    words = [sys.executable, "-m", "ctlint", "lint", str(dump.path), "--format", "json"]
    words += ["--kernel", kernel]
    if dump.sets is not None:
        words += ["--sets", str(dump.sets)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, stdout=output, stderr=errors, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds = used.ru_utime + used.ru_stime
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        text, error = output.read(), errors.read().decode(errors="replace")
    memory = used.ru_maxrss * _KIB
    if process.returncode not in (0, 1) or not text:
        return Run(None, error.strip()[-500:] or f"status {process.returncode}", seconds, memory)
    return Run(json.loads(text), error, seconds, memory)


def judge(dumps: Iterable[Dump], kernel: str, lab: Lab, backend: Backend | None) -> CorpusFigures:
    """Lint the dumps and play what is certain; what is refuted is among what stopped."""
    figures = CorpusFigures()
    for dump in dumps:
        figures.dumps += 1
        run = run_lint(dump, kernel)
        if run.seconds > _SLOW:
            size = run.memory / 2**20
            figures.slow.append(f"{run.seconds:6.1f} s {size:6.0f} MiB  {dump.name}")
        if run.said is None:
            figures.failed += 1
            figures.stopped.append(f"{dump.name}: {run.error}")
            continue
        for each in run.said["undecided"]:
            if any(words in each["why"] for words in _GIVEN_UP):
                figures.given_up.append(f"{dump.name}: {each['why']}")
        figures.findings += len(run.said["findings"])
        _play(dump, run.said["findings"], figures, lab, backend)
    return figures


def _play(
    dump: Dump,
    findings: Iterable[Mapping[str, Any]],
    figures: CorpusFigures,
    lab: Lab,
    backend: Backend | None,
) -> None:
    whole = _scenario(dump)
    for finding in findings:
        if finding["confidence"] != "certain" or finding["packet"] is None:
            continue
        figures.certain += 1
        witness = finding["witness"]
        where = finding["location"]
        name = f"{dump.name}:{where['line']}: {finding['rule']} {finding['role']}"
        claim = Claim(witness["scenario"], witness["expect"])
        try:
            why = refutation(claim, whole, lab, backend)
        except (CannotLoadError, LabError) as error:
            figures.not_loaded += 1
            figures.stopped.append(f"{name}: {error}")
            continue
        except ScenarioError as error:
            why = f"the witness cannot be played: {error}"
        if why is None:
            figures.confirmed += 1
        else:
            figures.refuted += 1
            figures.stopped.append(f"REFUTED {name}: {why}")


def _scenario(dump: Dump) -> Scenario:
    """All of a dump, with sets made up where it names some that are not at hand."""
    sets = "" if dump.sets is None else dump.sets.read_text("utf-8")
    if not sets:
        named = names_in(dump.text, dump.family)
        sets = made_up_sets(dump.text, dump.family, random.Random(dump.name), named)
    text = dump.text if dump.text.endswith("\n") else f"{dump.text}\n"
    texts = (text, "") if dump.family is Family.IPV4 else ("", text)
    nobody = Flow(0, 0, 0, 0)
    return Scenario(dump.name, None, {}, *texts, _NOWHERE[0], nobody, (), ipsets=sets)
