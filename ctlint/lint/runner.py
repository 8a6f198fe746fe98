# SPDX-License-Identifier: GPL-2.0-only
"""Runs lint rules over rule sets and collects what they find and what stays undecided."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ctlint.analysis.circumstances import UNTOLD, Circumstances
from ctlint.analysis.location import cause_location
from ctlint.analysis.losses import RoleReport
from ctlint.analysis.settings import Settings
from ctlint.finding import (
    Finding,
    InputSummary,
    LintResult,
    Location,
    Undecided,
)
from ctlint.ir.rule import UnknownMatch, UnknownTarget
from ctlint.ir.ruleset import BUILTIN_CHAINS, Chain, Ruleset
from ctlint.ir.sysctl import SysctlSet
from ctlint.lint.context import Context, Subject
from ctlint.lint.ranking import rank
from ctlint.lint.rule_api import Persona, RuleInfo
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import RuleRef
from ctlint.model.netfilter.targets import Action, action
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import EndlessWalkError
from ctlint.parse.ipset_text import NO_SETS, SavedSets


class Host:
    """The rule sets of one host, the settings they run under, and what is told of it; `saved_sets`
    are the texts of its ipsets, for witnesses. ``texts`` are the files that rules and settings were
    read from, by name: without these, findings come without fixes.
    """

    def __init__(
        self,
        rulesets: Sequence[Ruleset],
        sysctls: SysctlSet,
        facts: Facts | None = None,
        circumstances: Circumstances = UNTOLD,
        saved_sets: SavedSets = NO_SETS,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        self.rulesets = tuple(rulesets)
        self.sysctls = sysctls
        self.facts = facts or Facts()
        self.circumstances = circumstances
        self.saved_sets = saved_sets
        self.texts = texts or {}


def lint(
    hosts: Iterable[Host],
    kernel: KernelProfile,
    rules: Sequence[RuleInfo],
    *,
    persona: Persona = Persona.REGULAR,
) -> LintResult:
    """Run the rules over the hosts. The witness of each finding is played on the model.

    Raises BadSettingError for a sysctl that is no number, and AnalysisFault where a witness does
    not show what its finding says.
    """
    inputs: list[InputSummary] = []
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    wanted = [r for r in rules if persona is Persona.PEDANTIC or r.persona is Persona.REGULAR]
    # Rules about settings speak once for each rule set that runs under them.
    seen: set[tuple[object, ...]] = set()
    for host in hosts:
        settings = Settings(host.sysctls, kernel)
        subjects = [
            Subject(
                ruleset,
                settings,
                host.facts,
                host.circumstances,
                saved_sets=host.saved_sets,
                texts=host.texts,
            )
            for ruleset in host.rulesets
        ]
        for subject in subjects:
            ruleset = subject.ruleset
            inputs.append(_summary(ruleset, host.circumstances))
            subject.siblings = tuple(other for other in subjects if other is not subject)
            endless: EndlessWalkError | None = None
            for info in wanted:
                try:
                    for finding in info.check(Context(subject, info)):
                        key = (finding.rule, finding.location, finding.role, finding.family)
                        if key not in seen:
                            seen.add(key)
                            if subject.replays.require(finding):
                                findings.append(finding)
                except EndlessWalkError as error:
                    endless = error
            try:
                undecided += _undecided(subject)
            except EndlessWalkError as error:
                endless = error
            if endless is not None:
                why = f"{endless}: not all is said of these rules"
                undecided.append(Undecided(Location(ruleset.file, 1), "", why))
    findings.sort(key=rank)
    return LintResult(kernel.name, tuple(inputs), tuple(_suppressed(findings)), tuple(undecided))


def _summary(ruleset: Ruleset, circumstances: Circumstances) -> InputSummary:
    return InputSummary(
        ruleset.file,
        ruleset.family,
        ruleset.rule_count,
        tuple(ruleset.tables),
        circumstances.told(),
    )


# Undecided

NOT_FOLLOWED: Final = "connections that this rule translates are not followed"


def _undecided(subject: Subject) -> Iterator[Undecided]:
    """Everything that could change an answer, each place once."""
    ruleset = subject.ruleset
    seen: set[tuple[object, ...]] = set()

    def note(ref: RuleRef, match: str, why: str) -> Iterator[Undecided]:
        location = cause_location(ruleset, ref)
        key = (location.line, location.chain, location.position, match, why)
        if key not in seen:
            seen.add(key)
            yield Undecided(location, match, why)

    for place in ruleset.replaced:
        yield Undecided(
            Location(place.file, place.line),
            "",
            "a table stands twice: as iptables-restore does, only the last one is looked at",
        )
    for table, chain in _chains_without_hook(ruleset):
        span = chain.span
        yield Undecided(
            Location(ruleset.file, span.line if span else 1, table=table, chain=chain.name),
            "",
            f"the table {table} has no hook {chain.name}: the kernel refuses these rules",
        )
    for table, chain, position, rule in ruleset.rules():
        for match in rule.matches:
            if isinstance(match, UnknownMatch):
                ref = RuleRef(table, chain.name, position, rule)
                yield from note(ref, match.name, f"ctlint does not know the match {match.name!r}")
        if table != "nat" and action(rule.target) is Action.TRANSLATE:
            ref = RuleRef(table, chain.name, position, rule)
            name = getattr(rule.target, "name", "")
            yield from note(ref, name, "the kernel loads this target only in the nat table")
        if isinstance(rule.target, UnknownTarget):
            ref = RuleRef(table, chain.name, position, rule)
            yield from note(
                ref,
                rule.target.name,
                f"{rule.target.name!r} is no chain of the table and no target that ctlint knows",
            )
    for name, shadows in subject.shadows.items():
        if shadows.why_open:
            place = ruleset.tables[name].span
            where = Location(place.file, place.line, table=name)
            yield Undecided(where, "", f"the table {name} is {shadows.why_open}")
    for report in subject.reports:
        for item in report.open:
            target = item.ref.rule.target
            if isinstance(item.match, UnknownMatch) or (
                item.match is None and isinstance(target, UnknownTarget)
            ):
                continue
            name = item.match.name if item.match is not None else getattr(target, "name", "")
            yield from note(item.ref, name, item.why)
        for ref in report.translating:
            name = getattr(ref.rule.target, "name", "")
            yield from note(ref, name, NOT_FOLLOWED)
        for cause, kind in report.always.items():
            location = cause_location(ruleset, cause)
            key = (location.line, location.chain, location.position, kind)
            if key not in seen:
                seen.add(key)
                why = f"loses the {kind.name} of open connections, with or without an entry"
                yield Undecided(location, "", f"{why}: no matter of expiry")
        yield from _limits(report, ruleset)


def _chains_without_hook(ruleset: Ruleset) -> Iterator[tuple[str, Chain]]:
    """Chains with the name of a hook that their table is not called from."""
    hooks = {name for names in BUILTIN_CHAINS.values() for name in names}
    for table in ruleset.tables.values():
        for chain in table.chains.values():
            if chain.name in hooks and not chain.is_base:
                yield table.name, chain


def _limits(report: RoleReport, ruleset: Ruleset) -> Iterator[Undecided]:
    place = Location(ruleset.file, 1)
    role = report.role.value
    if report.was_sampled:
        yield Undecided(
            place,
            "",
            f"role {role}: all connections together are too many sets, samples were tried",
        )
    if report.left_out:
        yield Undecided(
            place,
            "",
            f"role {role}: {report.left_out:,} kinds of connections that rules "
            "tell apart were not tried",
        )
    if report.was_cut:
        yield Undecided(
            place, "", f"role {role}: not all rules were searched for connections to try"
        )
    if report.ran_out:
        yield Undecided(
            place, "", f"role {role}: the search was ended after {len(report.cases):,} connections"
        )


# Suppression

_ALLOW = re.compile(r"ctlint: allow ((?:CT\d{3}[, ]*)+?) because (\S.*)")


def _suppressed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings, with the reason where the rule's comment allows them."""
    for finding in findings:
        found = _ALLOW.search(finding.location.text)
        if found and finding.rule in re.findall(r"CT\d{3}", found[1]):
            reason = found[2].partition('"')[0].strip()
            yield replace(finding, suppressed=reason)
        else:
            yield finding
