# SPDX-License-Identifier: GPL-2.0-only
"""What if: the thresholds of a host's timeouts, under settings and a usage that somebody tries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, NamedTuple

from ctlint.analysis.both_sides import BothSides, Stage
from ctlint.analysis.connection import Connection
from ctlint.analysis.exposure import LEAST_TIMEOUT, longer_timeout
from ctlint.analysis.location import cause_location
from ctlint.analysis.losses import Kind, RoleReport
from ctlint.analysis.occupancy import Occupancy, occupancy
from ctlint.analysis.override import Override, replaced
from ctlint.analysis.phase import IDLE, PHASES, TIMEOUTS, Phase, lifetime
from ctlint.analysis.replay import Replays
from ctlint.analysis.settings import KEEPALIVE_TIME, TCP_LOOSE, Settings
from ctlint.analysis.silence import UNTOLD, Keepalive, Usage, in_time, share_from
from ctlint.analysis.stranding import DisagreementError, examine
from ctlint.analysis.threshold import (
    Loss,
    Surveyed,
    Threshold,
    Verdict,
    left_behind,
    losses_in,
    silences_in,
    threshold,
)
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Location, Role, Stranded
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.ipset_text import NO_SETS, SavedSets

_MOST_PLAYED: Final = 400
"""Losses of one answer that are played; the rest stands unplayed."""

_FEW_PLAYED: Final = 20


@dataclass(frozen=True, slots=True)
class Question:
    """What is tried: settings in place of the host's, how connections behave, the host's roles."""

    kernel: KernelProfile
    overrides: tuple[Override, ...] = ()
    usage: Usage = UNTOLD
    roles: tuple[Role, ...] = tuple(Role)


class Alternative(NamedTuple):
    """A timeout of established connections: the one in force, or one that people set.

    ``lifetime`` is how long an idle entry lives then; ``share`` that of the connections that
    outlast it, None where none is told. A keepalive makes it safe that comes after less than
    ``lifetime`` seconds of silence; up to ``keepalive_sure`` seconds also where the kernel's timers
    are late, up to ``keepalive_most`` also where one probe is lost (None: with the interval in
    force, none may).
    """

    value: int
    why: str
    lifetime: int
    share: Fraction | None
    keepalive_sure: int
    keepalive_most: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is so under one question. ``alternatives``: the first is what is in force.
    ``undecided`` counts places at which the rules leave something open.
    """

    question: Question
    settings: Settings
    thresholds: tuple[Threshold, ...]
    alternatives: tuple[Alternative, ...]
    occupancy: Occupancy | None
    undecided: int

    @property
    def share(self) -> Fraction | None:
        """The share of connections that are stranded in one phase or another, at least."""
        told = [one.share for one in self.thresholds if one.silences and one.share is not None]
        return max(told, default=None)

    @property
    def strands(self) -> bool:
        """Whether connections are stranded that were told of."""
        return bool(self.share)

    def threshold(self, phase: Phase) -> Threshold:
        """That of one phase."""
        return next(one for one in self.thresholds if one.phase is phase)


class Shown(NamedTuple):
    """A loss with its place, what it leaves behind, and its witnesses where it was played."""

    threshold: Threshold
    loss: Loss
    location: Location
    stranded: Stranded | None
    sides: BothSides | None


class WhatIf:
    """One host, of which much may be asked: what its rules do is worked out once.

    Raises what :func:`examine` raises; AnalysisFault where the analysis contradicts itself.
    """

    def __init__(
        self,
        rulesets: Sequence[Ruleset],
        sysctls: SysctlSet,
        facts: Facts | None = None,
        saved_sets: SavedSets = NO_SETS,
    ) -> None:
        self._sysctls = sysctls
        self._saved_sets = saved_sets
        self._chains = [ChainStore(ruleset, facts or Facts()) for ruleset in rulesets]
        self._surveyed: dict[tuple[str, bool, Role], list[Surveyed]] = {}
        self._lost: dict[tuple[Phase, tuple[Role, ...], str, bool], tuple[Loss, ...]] = {}

    def settings(self, question: Question) -> Settings:
        """The settings in force."""
        return replaced(Settings(self._sysctls, question.kernel), question.overrides)

    def answer(self, question: Question, phases: Sequence[Phase] = PHASES) -> Answer:
        """The thresholds, not played. Raises BadSettingError."""
        settings = self.settings(question)
        surveyed = [one for role in question.roles for one in self._survey(role, settings)]
        usage = question.usage
        found = tuple(
            threshold(phase, settings, usage, self._losses(phase, question.roles, settings))
            for phase in phases
        )
        interval = (usage.keepalive or Keepalive()).of(settings).interval
        assert interval is not None
        is_harmless = any(one.phase is IDLE and one.verdict is Verdict.HARMLESS for one in found)
        undecided = sum(
            len(report.open) + len(report.translating) + report.was_sampled
            for _, report in surveyed
        )
        return Answer(
            question,
            settings,
            found,
            tuple(_alternatives(settings, usage, interval, is_harmless=is_harmless)),
            occupancy(settings, usage),
            undecided,
        )

    def connections(self, question: Question) -> Iterator[tuple[ChainStore, Connection]]:
        """A connection of each role that can be opened, with its rules."""
        settings = self.settings(question)
        for role in question.roles:
            for chains, report in self._survey(role, settings):
                yield from ((chains, case.connection) for case in report.cases[:1])

    def shown(self, answer: Answer, *, played: bool = True) -> tuple[Shown, ...]:
        """What is lost at each threshold, with a witness on each of its sides. Raises AnalysisFault
        where the model does not do there what the threshold says.
        """
        stages = self._stages(answer.settings)
        found = []
        left = _MOST_PLAYED if played else 0
        for one in answer.thresholds:
            for loss in one.losses:
                sides = None
                if left:
                    left -= 1
                    sides = stages[id(loss.chains)].both_sides(one, loss)
                place = cause_location(loss.chains.ruleset, loss.cause)
                behind = left_behind(one.phase, loss, answer.settings)
                found.append(Shown(one, loss, place, behind, sides))
        return tuple(found)

    def sides(self, answer: Answer, of: Threshold) -> BothSides | None:
        """The first witnesses of one threshold. Raises AnalysisFault."""
        stages = self._stages(answer.settings)
        played = (stages[id(loss.chains)].both_sides(of, loss) for loss in of.losses[:_FEW_PLAYED])
        return next((sides for sides in played if sides is not None), None)

    def keepalives(self, answer: Answer, each: Alternative) -> BothSides | None:
        """Witnesses that keepalives make a timeout safe where they come within less, and not where
        they come at it; None where the rules lose no FIN of the host. Raises AnalysisFault.
        """
        name = TIMEOUTS["established"]
        tried = replaced(answer.settings, (Override(name, each.value),))
        stages = self._stages(tried)
        idle = answer.threshold(IDLE)
        other = replace(idle, lifetime=each.lifetime)
        losses = [loss for loss in idle.losses if loss.packet.kind is Kind.FIN]
        played = (stages[id(one.chains)].keepalives(other, one) for one in losses[:_FEW_PLAYED])
        return next((sides for sides in played if sides is not None), None)

    def _stages(self, settings: Settings) -> dict[int, Stage]:
        return {
            id(chains): Stage(chains, Witnesses(chains, settings, self._saved_sets), settings)
            for chains in self._chains
        }

    def _losses(
        self, phase: Phase, roles: tuple[Role, ...], settings: Settings
    ) -> tuple[Loss, ...]:
        key = (phase, roles, *_deciding(settings))
        if key not in self._lost:
            surveyed = [one for role in roles for one in self._survey(role, settings)]
            self._lost[key] = tuple(losses_in(phase, surveyed))
        return self._lost[key]

    def _survey(self, role: Role, settings: Settings) -> list[Surveyed]:
        """What the rules do to connections in one role: of all settings tcp_loose alone counts."""
        key = (*_deciding(settings), role)
        if key not in self._surveyed:
            self._surveyed[key] = [
                Surveyed(chains, self._examine(chains, role, settings)) for chains in self._chains
            ]
        return self._surveyed[key]

    def _examine(self, chains: ChainStore, role: Role, settings: Settings) -> RoleReport:
        try:
            return examine(chains, role, settings)
        except DisagreementError as error:
            witnesses = Witnesses(chains, settings, self._saved_sets)
            raise Replays(witnesses, chains, settings).fault(error) from error


def _deciding(settings: Settings) -> tuple[str, bool]:
    """What of the settings decides which packets the rules lose."""
    return settings.kernel.name, settings.value(TCP_LOOSE) != 0


def _alternatives(
    settings: Settings, usage: Usage, interval: int, *, is_harmless: bool
) -> Iterator[Alternative]:
    """The timeout in force, and those that people set."""
    name = TIMEOUTS["established"]
    default = settings.kernel.sysctl_default(name)
    assert default is not None
    longer = longer_timeout(settings.value(KEEPALIVE_TIME))
    reasons = {settings.value(name): "in force"}
    for value, why in (
        (LEAST_TIMEOUT, "advised by hosting companies"),
        (longer, "twice tcp_keepalive_time, and more than RFC 5382 asks of a NAT"),
        (default, "the kernel's default"),
    ):
        reasons.setdefault(value, why)
    silent = silences_in(IDLE, settings, usage)
    for value, why in reasons.items():
        seconds = lifetime(IDLE, settings.replaced(name, value))
        share = share_from(silent, seconds) if silent else None
        if is_harmless and share is not None:
            share = Fraction(0)
        sure = in_time(seconds, settings.kernel)
        most = sure - interval
        yield Alternative(value, why, seconds, share, sure, most if most > 0 else None)
