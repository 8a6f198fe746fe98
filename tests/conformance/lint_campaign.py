# SPDX-License-Identifier: GPL-2.0-only
"""Asks the kernel of this machine whether lint misses anything, and whether what it says is so.

``python -m tests.conformance.lint_campaign --seed 1 --rulesets 2000 [--backend legacy|nft]``

Under each random rule set, connections are drawn by lot, opened and closed on the live kernel
(closes.py). What it loses for expiry's sake must be covered by a finding of lint
(coverage_of_losses.py), or be something that lint says it does not decide. And the witness of each
certain finding must show on the kernel what the finding says. With ``--corpus`` the rule sets are
the real dumps that a real restore loads, and only their witnesses are played.

What is missed or refuted is made as small as it goes and printed as one JSON object.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from ctlint.analysis.fault import AnalysisFault
from ctlint.finding import Confidence, Finding, LintResult, Undecided
from ctlint.lab.errors import CannotLoadError, LabError
from ctlint.lab.lab import Backend, Lab
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.parse.errors import ParseError
from ctlint.scenario.scenario import DIR_NAMES, Scenario, ScenarioError, Send
from ctlint.scenario.writer import scenario_to_json
from ctlint.wire.addresses import Family
from tests.conformance.closes import CLOSING, Loss, Tried, role_of, try_connection
from tests.conformance.command import Campaign, Parser, Told, positive, run_command
from tests.conformance.coverage_of_losses import (
    admitted,
    claim_of,
    covering,
    kinds,
    lint_of,
    refutation,
    ruleset_of,
    translators,
)
from tests.conformance.lint_corpus import CorpusFigures, dumps_of, judge
from tests.conformance.random_connections import Connections
from tests.conformance.random_weights import choose
from tests.conformance.shrinking import shrink
from tests.conformance.stranding_rulesets import generate

CONNECTIONS: Final = 10
"""Tried under each rule set."""

_MOST_SHRUNK: Final = 12
"""Faults that are made small; more of them most likely have the same causes."""
_TRIES: Final = 160
"""How often a smaller one is tried."""

_LOOSE: Final = "net.netfilter.nf_conntrack_tcp_loose"
_SETTINGS: Final = {"": 8.0, _LOOSE: 1.0}


class Setup(NamedTuple):
    """Who is compared: lint with a kernel's profile, and a kernel that loads rules by a backend."""

    kernel: KernelProfile
    lab: Lab
    backend: Backend | None = None


@dataclass(slots=True)
class Figures:
    """What a campaign came to. `admitted` counts losses by what lint says it does not decide."""

    rulesets: int = 0
    refused: int = 0
    connections: int = 0
    opened: int = 0
    translated: int = 0
    losses: int = 0
    covered: int = 0
    unsure: int = 0
    undecided: int = 0
    missed: int = 0
    findings: int = 0
    certain: int = 0
    confirmed: int = 0
    refuted: int = 0
    broken: int = 0
    unsteady: int = 0
    seconds: float = 0.0
    admitted: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)

    @property
    def faults(self) -> int:
        """Whatever was not as it must be."""
        return self.missed + self.refuted + self.broken

    def __str__(self) -> str:
        rate = self.rulesets / self.seconds if self.seconds else 0.0
        share = self.undecided / self.losses if self.losses else 0.0
        lines = [
            f"{self.rulesets:,} rule sets, {rate:.1f}/s, {self.refused:,} refused; "
            f"{self.connections:,} connections tried, {self.opened:,} opened "
            f"({self.translated:,} translated); {self.losses:,} losses, {self.covered:,} covered "
            f"({self.unsure:,} by findings that are not certain), "
            f"{self.undecided:,} undecided ({share:.1%}), {self.missed:,} MISSED; "
            f"{self.findings:,} findings, {self.certain:,} certain, {self.confirmed:,} confirmed, "
            f"{self.refuted:,} REFUTED, {self.unsteady:,} once and not again; "
            f"{self.broken:,} rule sets of which lint disagrees with itself"
        ]
        lines += [f"  undecided {count:5,}: {what}" for what, count in self.admitted.most_common()]
        lines += [f"  stopped {count:3,}: {what}" for what, count in self.stopped.most_common(20)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class LintFault:
    """Something that lint said and is not so, or did not say. `scenario` is the connection and its
    one closing packet, where there is one; `result` is all that lint said of the rule set.
    """

    what: str
    scenario: Scenario
    why: str
    result: LintResult | None = None
    about: str = ""
    """Faults of one rule set that have this in common most likely have the same cause."""

    def lines(self) -> Iterator[str]:
        """It for the eye."""
        yield f"{self.scenario.name}: {self.what}: {self.why}"

    def report(self, kernel: KernelProfile) -> dict[str, Any]:
        """It as a bug report, as JSON knows it."""
        result = self.result
        return {
            "kernel": platform.release(),
            "profile": kernel.name,
            "what": self.what,
            "why": self.why,
            "scenario": {"ipsets": self.scenario.ipsets, **scenario_to_json(self.scenario)},
            "findings": [] if result is None else [_in_words(each) for each in result.findings],
            "undecided": [] if result is None else [_said(each) for each in result.undecided],
        }


def _in_words(finding: Finding) -> str:
    where = finding.location
    role = "" if finding.role is None else f" {finding.role.value}"
    ports = ",".join(finding.ports) or "all"
    return (
        f"{finding.rule} {finding.confidence.value}{role} {where.table}/{where.chain}#"
        f"{where.position} {kinds(finding.packets)} ports {ports}"
    )


def _said(undecided: Undecided) -> str:
    where = undecided.location
    at = f"{where.table}/{where.chain}#{where.position}"
    return f"{at} {undecided.match}: {undecided.why}"


# One rule set


def look(scenario: Scenario, kernel: KernelProfile) -> LintResult | LintFault:
    """What lint says of a scenario's rule set."""
    try:
        return lint_of(scenario, ruleset_of(scenario), kernel)
    except (AnalysisFault, ScenarioError) as error:
        return LintFault("broken", scenario, str(error))


def missed(
    scenario: Scenario, tried: Tried, result: LintResult, figures: Figures
) -> Iterator[LintFault]:
    """The losses of a connection of which lint says nothing."""
    role, port = role_of(scenario), scenario.flow.dport
    ruleset = ruleset_of(scenario)
    for loss in tried.losses:
        figures.losses += 1
        found = [*translators(ruleset, loss.matched)]
        is_translated = tried.is_translated or bool(found)
        covered = covering(result, role, port, loss, found)
        if covered is not None:
            figures.covered += 1
            figures.unsure += covered.confidence is not Confidence.CERTAIN
            continue
        said = admitted(result, role, loss, is_translated=is_translated)
        if said is not None:
            figures.undecided += 1
            figures.admitted[f"{said.match}: {said.why}"] += 1
            continue
        if loss.place is None and not is_translated:
            figures.losses -= 1
            figures.stopped["lost without a verdict"] += 1
            continue
        figures.missed += 1
        yield LintFault(
            "missed",
            replace(scenario, steps=(loss.packet,)),
            f"{role.value}, port {port}: {_packet(loss)} is lost by {loss.place}",
            result,
            f"{role.value} {loss.place}",
        )


def _packet(loss: Loss) -> str:
    packet = loss.packet
    return f"{packet.flags.letters} of {DIR_NAMES[packet.sender]} ({loss.ctstate})"


def refuted(
    result: LintResult, scenario: Scenario, setup: Setup, figures: Figures
) -> Iterator[LintFault]:
    """The certain findings that the kernel refutes. Raises LabError."""
    figures.findings += len(result.findings)
    for finding in result.findings:
        claim = claim_of(finding)
        if claim is None:
            continue
        figures.certain += 1
        try:
            why = refutation(claim, scenario, setup.lab, setup.backend)
            if why is not None:
                # When an address goes, the kernel forgets what was masqueraded as it a little later
                # (nf_nat_masquerade.c, iterate_cleanup_work()): a connection of the next scenario.
                why = refutation(claim, scenario, setup.lab, setup.backend)
                figures.unsteady += why is None
        except ScenarioError as error:
            why = f"the witness cannot be played: {error}"
        if why is None:
            figures.confirmed += 1
            continue
        figures.refuted += 1
        about = f"{finding.rule} {finding.role}"
        yield LintFault("refuted", scenario, f"{_in_words(finding)}: {why}", result, about)


# Made small


def shrink_fault(fault: LintFault, setup: Setup) -> LintFault:
    """The same fault with as few rules as can be found."""

    def still_fails(candidate: Scenario) -> bool:
        return _again(candidate, fault, setup) is not None

    small = shrink(fault.scenario, still_fails, setup.kernel.sysctl_default, _TRIES)
    return _again(small, fault, setup) or fault


def _again(candidate: Scenario, fault: LintFault, setup: Setup) -> LintFault | None:
    """The fault of the same kind in a smaller scenario."""
    if not candidate.ruleset and not candidate.ruleset6:
        return None
    with suppress(ParseError, ScenarioError, LabError):
        result = look(candidate, setup.kernel)
        if isinstance(result, LintFault):
            return result if fault.what == "broken" else None
        if fault.what == "missed":
            ruleset = ruleset_of(candidate)
            closing = tuple(step for step in candidate.steps if isinstance(step, Send))
            tried = try_connection(setup.lab, candidate, ruleset, setup.backend, closing)
            return next(missed(candidate, tried, result, Figures()), None)
        if fault.what == "refuted":
            for found in refuted(result, candidate, setup, Figures()):
                if found.about == fault.about:
                    return found
    return None


# The campaign


def run(
    seed: int,
    family: Family | None,
    setup: Setup,
    rulesets: int,
    tell: Callable[[Told], None],
    *,
    has_nat: bool,
) -> Figures:
    """Compares under so many rule sets; each fault, made small, is told."""
    figures = Figures()
    began = time.monotonic()
    for name, pool, drawn in generate(seed, family, has_nat=has_nat):
        if figures.rulesets + figures.refused >= rulesets:
            break
        chance = random.Random(name)
        ipsets = drawn.ipsets
        connections = Connections(chance, drawn.text, ipsets, pool.family, CLOSING[0])
        setting = choose(chance, _SETTINGS)
        sysctls = {setting: 0} if setting else {}
        scenarios = [
            replace(connections.draw(f"{name}.{number}"), sysctls=sysctls)
            for number in range(CONNECTIONS)
        ]
        told: set[str] = set()
        try:
            for fault in _faults(scenarios, setup, figures):
                small = fault
                if fault.about in told:
                    continue
                told.add(fault.about)
                if figures.faults <= _MOST_SHRUNK:
                    small = shrink_fault(fault, setup)
                tell(small)
        except CannotLoadError:
            figures.refused += 1
            continue
        figures.rulesets += 1
    figures.seconds = time.monotonic() - began
    return figures


def _faults(scenarios: list[Scenario], setup: Setup, figures: Figures) -> Iterator[LintFault]:
    """What is wrong with what lint says of the one rule set of these connections."""
    first = scenarios[0]
    result = look(first, setup.kernel)
    if isinstance(result, LintFault):
        figures.broken += 1
        yield result
        return
    try:
        yield from refuted(result, first, setup, figures)
    except CannotLoadError:
        raise
    except LabError as error:
        figures.stopped[str(error)] += 1
    ruleset = ruleset_of(first)
    for scenario in scenarios:
        figures.connections += 1
        try:
            tried = try_connection(setup.lab, scenario, ruleset, setup.backend)
        except CannotLoadError:
            raise
        except (LabError, ScenarioError) as error:
            figures.stopped[str(error)] += 1
            continue
        figures.opened += tried.is_opened
        figures.translated += tried.is_translated
        yield from missed(scenario, tried, result, figures)


def _play(arguments: argparse.Namespace, campaign: Campaign) -> Figures | CorpusFigures:
    seed, family, kernel, lab, tell = campaign
    backend = None if arguments.backend is None else Backend(arguments.backend)
    if arguments.corpus:
        return judge(dumps_of(family), kernel.name, lab, backend)
    setup = Setup(kernel, lab, backend)
    return run(seed, family, setup, arguments.rulesets, tell, has_nat=not arguments.no_nat)


def main(words: list[str]) -> int:
    """The command."""
    parser = Parser("tests.conformance.lint_campaign")
    parser.add_argument("--rulesets", type=positive, default=500)
    parser.add_argument("--no-nat", action="store_true", help="no rule translates connections")
    parser.add_argument("--corpus", action="store_true", help="real dumps, their witnesses only")
    parser.add_argument("--backend", choices=[backend.value for backend in Backend])
    return run_command(parser, words, _play)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
