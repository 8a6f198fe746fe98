# SPDX-License-Identifier: GPL-2.0-only
"""What the view asks: a host, with what was found out about it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Final, NamedTuple

from ctlint.analysis.circumstances import Circumstances
from ctlint.analysis.life import Life, NotShownError, life
from ctlint.analysis.override import Override, Sweep
from ctlint.analysis.phase import IDLE, TIMEOUTS
from ctlint.analysis.settings import Settings
from ctlint.analysis.silence import Keepalive, Silences, between_packets
from ctlint.analysis.timeout_sweep import Swept, curves
from ctlint.analysis.whatif import Answer, Question, Shown, WhatIf
from ctlint.finding import Finding
from ctlint.ir.sysctl import SysctlSet
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.sysctls import Unit, resolve
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.sysctl import parse_sysctl
from ctlint.scenario.reader import highest_value
from ctlint.source.inputs import HostInput

USUAL_IDLE: Final = 900
"""Seconds that the connection of the ladder is silent where nothing is told."""

_MOST_KEPT: Final = 64
_LONGEST: Final = 432_000
_MANY: Final = 255


class Findings(NamedTuple):
    """What lint says under a question, next to what it says of the host as it is."""

    both: tuple[Finding, ...]
    appeared: tuple[Finding, ...]
    vanished: tuple[Finding, ...]


class Told(NamedTuple):
    """A life, or why there is none."""

    life: Life | None
    words: str


class Desk:
    """Answers for one host; what it takes long to find is kept. One thread asks at a time.

    ``start`` is the question of the host as it is.
    """

    def __init__(self, host: HostInput, start: Question) -> None:
        self.host = host
        self.start = start
        self._whatif = WhatIf(host.rulesets, host.sysctls, Facts(sets=host.sets), host.saved_sets)
        self._lock = Lock()
        self._lives: dict[Question, Told] = {}
        self._findings: dict[Question, tuple[Finding, ...]] = {}
        self._sweeps: dict[tuple[Question, Sweep], Swept] = {}

    def settings(self, question: Question) -> Settings:
        """The settings in force."""
        return self._whatif.settings(question)

    def answer(self, question: Question) -> Answer:
        """The thresholds, not played."""
        with self._lock:
            return self._whatif.answer(question)

    def shown(self, answer: Answer) -> tuple[Shown, ...]:
        """What is lost, not played."""
        with self._lock:
            return self._whatif.shown(answer, played=False)

    def life(self, answer: Answer) -> Told:
        """The life of a connection of the first role that loses something, else that has any."""
        question = answer.question
        with self._lock:
            if question not in self._lives:
                _make_room(self._lives)
                self._lives[question] = self._life(answer)
            return self._lives[question]

    def _life(self, answer: Answer) -> Told:
        question = answer.question
        losses = answer.threshold(IDLE).losses
        found = [(loss.chains, loss.connection) for loss in losses]
        found += self._whatif.connections(question)
        usage = question.usage
        idle = usage.idle[-1].seconds if usage.idle else USUAL_IDLE
        usual = usage.idle[-1].keepalive_or(usage.keepalive) if usage.idle else usage.keepalive
        keepalive = usual and usual.of(answer.settings)
        why = "the rules let no connection be opened"
        for chains, connection in found:
            try:
                told = life(chains, connection, answer.settings, idle, keepalive)
            except NotShownError as error:
                why = str(error)
                continue
            return Told(told, f"{connection.final_role.value}, silent for {idle} s")
        return Told(None, why)

    def findings(self, question: Question) -> Findings:
        """The findings under a question, and of the host as it is."""
        with self._lock:
            now = self._lint(question)
            before = self._lint(self.start)
        keys = {_key(one) for one in before}
        other = {_key(one) for one in now}
        return Findings(
            tuple(one for one in now if _key(one) in keys),
            tuple(one for one in now if _key(one) not in keys),
            tuple(one for one in before if _key(one) not in other),
        )

    def _lint(self, question: Question) -> tuple[Finding, ...]:
        key = replace(question, usage=replace(question.usage, rate=None))
        if key not in self._findings:
            _make_room(self._findings)
            host = Host(
                self.host.rulesets,
                _with_overrides(self.host.sysctls, question.overrides),
                Facts(sets=self.host.sets),
                _circumstances(question, self._whatif.settings(question)),
                self.host.saved_sets,
            )
            result = lint([host], question.kernel, shipped_rules())
            self._findings[key] = tuple(f for f in result.findings if f.suppressed is None)
        return self._findings[key]

    def swept(self, question: Question, name: str) -> Swept | None:
        """The curves over one sysctl; None where the kernel does not have it."""
        if not question.kernel.has_sysctl(name):
            return None
        sysctl = resolve(name).sysctl
        most = highest_value(sysctl)
        if sysctl.unit is Unit.SECONDS:
            wanted = Sweep(name, 10, _LONGEST)
        elif most <= _MANY:
            wanted = Sweep(name, 0, most)
        else:
            return None
        with self._lock:
            others = tuple(one for one in question.overrides if one.name != name)
            key = replace(question, overrides=others), wanted
            if key not in self._sweeps:
                _make_room(self._sweeps)
                self._sweeps[key] = curves(self._whatif, question, wanted)
            return self._sweeps[key]


def _make_room(kept: dict) -> None:  # type: ignore[type-arg]
    while len(kept) >= _MOST_KEPT:
        del kept[next(iter(kept))]


def _key(finding: Finding) -> tuple[object, ...]:
    where = finding.location
    return (finding.rule, finding.severity, finding.role, finding.family, where.line, where.text)


def _with_overrides(sysctls: SysctlSet, overrides: Sequence[Override]) -> SysctlSet:
    if not overrides:
        return sysctls
    text = "".join(f"{name} = {value}\n" for name, value in overrides)
    return sysctls.replaced(parse_sysctl(text, "(tried)"))


def _longest(told: Silences, usual: Keepalive | None, settings: Settings) -> int | None:
    between = between_packets(told, usual, settings)
    return between[-1].seconds if between else None


def _circumstances(question: Question, settings: Settings) -> Circumstances:
    usage = question.usage
    return Circumstances(
        keepalive=None if usage.keepalive is None else usage.keepalive.time,
        idle=_longest(usage.idle, usage.keepalive, settings),
        half_close=_longest(usage.half_close, usage.keepalive, settings),
        roles=question.roles,
    )


def plotted(name: str | None) -> str:
    """The sysctl of which curves are drawn where this knob is chosen."""
    return TIMEOUTS["established"] if name is None else name
