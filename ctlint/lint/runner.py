# SPDX-License-Identifier: GPL-2.0-only
"""Runs lint rules over rule sets and collects what they find and what stays undecided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    Severity,
    Undecided,
)
from ctlint.ir.rule import AnyTarget, Target, UnknownMatch, UnknownTarget
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import BUILTIN_CHAINS, Chain, Ruleset
from ctlint.ir.sysctl import SysctlSet
from ctlint.lint.allowing import Allow, Allowing, Uses
from ctlint.lint.both_backends import as_sure, undecided_of_both
from ctlint.lint.context import Context
from ctlint.lint.ranking import rank
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona, RuleInfo
from ctlint.lint.subject import Subject
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.targets import TRANSLATING
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import EndlessWalkError
from ctlint.parse.ipset_text import NO_SETS, SavedSets


@dataclass(frozen=True, slots=True)
class Terms:
    """How a host is judged: by which rules, with which severities (by id) in place of the rules'
    own, and what its owner allows.
    """

    rules: tuple[RuleInfo, ...]
    severities: Mapping[str, Severity] = field(default_factory=dict)
    allows: tuple[Allow, ...] = ()


class Host:
    """The rule sets of one host, the settings they run under, and what is told of it; `saved_sets`
    are the texts of its ipsets, for witnesses. ``texts`` are the files that rules and settings were
    read from, by name: without these, findings come without fixes, and comment lines allow nothing.
    ``terms`` is None where it is judged as all others are. ``name`` is the input that it was read
    from. ``unread`` says what is in force beside these rules and was not read.
    """

    def __init__(
        self,
        rulesets: Sequence[Ruleset],
        sysctls: SysctlSet,
        facts: Facts | None = None,
        circumstances: Circumstances = UNTOLD,
        saved_sets: SavedSets = NO_SETS,
        texts: Mapping[str, str] | None = None,
        terms: Terms | None = None,
        name: str = "",
        unread: Sequence[str] = (),
    ) -> None:
        self.rulesets = tuple(rulesets)
        self.sysctls = sysctls
        self.facts = facts or Facts()
        self.circumstances = circumstances
        self.saved_sets = saved_sets
        self.texts = texts or {}
        self.terms = terms
        self.name = name
        self.unread = tuple(unread)

    def with_files(
        self,
        rulesets: Sequence[Ruleset],
        sysctls: SysctlSet,
        texts: Mapping[str, str],
        name: str,
    ) -> Host:
        """The same host as read from other files, under a name; all else that is known holds."""
        return Host(
            rulesets,
            sysctls,
            self.facts,
            self.circumstances,
            self.saved_sets,
            texts,
            self.terms,
            name,
            self.unread,
        )


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
    return gathered((checked(host, kernel, rules, persona=persona) for host in hosts), kernel)


@dataclass(frozen=True, slots=True)
class HostResult:
    """What the rules say of one host by itself. ``uses`` are the permissions that stand in its
    files or concern it. ``asked`` are the ids of its rules, ``run_rules`` of those that look at the
    permissions of all hosts, ``severities`` those in place of the latter's own.
    """

    inputs: tuple[InputSummary, ...]
    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]
    uses: Uses
    asked: tuple[str, ...]
    run_rules: tuple[str, ...]
    severities: Mapping[str, Severity]


def checked(
    host: Host,
    kernel: KernelProfile,
    rules: Sequence[RuleInfo],
    *,
    persona: Persona = Persona.REGULAR,
) -> HostResult:
    """Run the rules over one host. Raises what `lint` raises."""
    run = _HostRun(host, kernel, host.terms or Terms(tuple(rules)), persona)
    run.every_subject()
    return run.result()


def gathered(results: Iterable[HostResult], kernel: KernelProfile) -> LintResult:
    """What is said of hosts, put together. Of what they share (a file of settings that is given
    for all) the first speaks; a finding that is allowed at some hosts alone is told in both ways.
    """
    inputs: list[InputSummary] = []
    findings: list[Finding] = []
    undecided: list[Undecided] = []
    allowing = Allowing(shipped_rules())
    run_rules: dict[str, None] = {}
    severities: dict[str, Severity] = {}
    told: set[tuple[object, ...]] = set()
    for one in results:
        inputs += one.inputs
        undecided += one.undecided
        for finding in one.findings:
            key = (*_place(finding), finding.suppressed is None)
            if key not in told:
                told.add(key)
                findings.append(finding)
        allowing.take(one.uses)
        run_rules.update(dict.fromkeys(one.run_rules))
        severities.update(one.severities)
    for info in shipped_rules():
        if info.run_check is not None and info.id in run_rules:
            for finding in info.run_check(allowing.view(info)):
                findings.append(_with_severity(finding, severities))
    findings.sort(key=rank)
    return LintResult(kernel.name, tuple(inputs), tuple(findings), tuple(undecided))


def _place(finding: Finding) -> tuple[object, ...]:
    """What a finding is known by in one run: rules about settings speak once for each rule set that
    runs under them.
    """
    return finding.rule, finding.location, finding.role, finding.family


class _HostRun:
    """What was found so far of one host."""

    def __init__(self, host: Host, kernel: KernelProfile, terms: Terms, persona: Persona) -> None:
        self.host = host
        self.terms = terms
        pedantic = persona is Persona.PEDANTIC
        self.wanted = [r for r in terms.rules if pedantic or r.persona is Persona.REGULAR]
        self.permissions = Allowing(shipped_rules())
        self.allowing = self.permissions.of_host(
            host.rulesets,
            host.sysctls,
            host.texts,
            terms.allows,
            [info.id for info in self.wanted],
        )
        settings = Settings(host.sysctls, kernel)
        self.subjects = [
            Subject(
                ruleset,
                settings,
                host.facts,
                host.circumstances,
                saved_sets=host.saved_sets,
                texts=host.texts,
                allowing=self.allowing,
            )
            for ruleset in host.rulesets
        ]
        self.findings: list[Finding] = []
        self.undecided: list[Undecided] = []
        # Whether the witness of a finding shows it.
        self.is_shown: dict[tuple[object, ...], bool] = {}

    def every_subject(self) -> None:
        for subject in self.subjects:
            subject.siblings = tuple(other for other in self.subjects if other is not subject)
            self.subject(subject)
        for subject in self.subjects[:1]:
            place = Location(subject.ruleset.file, 1)
            self.undecided += [
                Undecided(place, "", f"not read: {what}") for what in self.host.unread
            ]

    def subject(self, subject: Subject) -> None:
        endless: EndlessWalkError | None = None
        for info in self.wanted:
            if info.check is None:
                continue
            try:
                for finding in info.check(Context(subject, info)):
                    self.add(finding, subject)
            except EndlessWalkError as error:
                endless = error
        try:
            self.undecided += _undecided(subject)
        except EndlessWalkError as error:
            endless = error
        if endless is not None:
            why = f"{endless}: not all is said of these rules"
            self.undecided.append(Undecided(Location(subject.ruleset.file, 1), "", why))

    def add(self, finding: Finding, subject: Subject) -> None:
        key = _place(finding)
        is_first = key not in self.is_shown
        if is_first:
            self.is_shown[key] = subject.replays.require(finding)
        if not self.is_shown[key]:
            return
        sure = as_sure(finding, subject)
        judged = self.allowing.judged(_with_severity(sure, self.terms.severities))
        if is_first:
            self.findings.append(replace(judged, host=self.host.name))

    def result(self) -> HostResult:
        host = self.host
        run_rules = tuple(info.id for info in self.wanted if info.run_check is not None)
        return HostResult(
            tuple(_summary(ruleset, host) for ruleset in host.rulesets),
            tuple(self.findings),
            tuple(self.undecided),
            self.permissions.uses,
            tuple(info.id for info in self.terms.rules),
            run_rules,
            self.terms.severities if run_rules else {},
        )


def _with_severity(finding: Finding, severities: Mapping[str, Severity]) -> Finding:
    wanted = severities.get(finding.rule)
    return finding if wanted is None else replace(finding, severity=wanted)


def _summary(ruleset: Ruleset, host: Host) -> InputSummary:
    return InputSummary(
        ruleset.file,
        ruleset.family,
        ruleset.rule_count,
        tuple(ruleset.tables),
        host.circumstances.told(),
        host.name,
    )


# Undecided

NOT_FOLLOWED: Final = "connections that this rule translates are not followed"


def _undecided(subject: Subject) -> Iterator[Undecided]:
    """Everything that could change an answer, each place once."""
    ruleset = subject.ruleset
    seen: set[tuple[object, ...]] = set()
    of_both = undecided_of_both(subject)
    if of_both is not None:
        yield of_both

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
    for ref in _odd_rules(ruleset):
        target = ref.rule.target
        for match in ref.rule.matches:
            if isinstance(match, UnknownMatch):
                yield from note(ref, match.name, f"ctlint does not know the match {match.name!r}")
        if isinstance(target, UnknownTarget):
            why = f"{target.name!r} is no chain of the table and no target that ctlint knows"
            yield from note(ref, target.name, why)
        elif _is_out_of_nat(ref.table, target):
            name = getattr(target, "name", "")
            yield from note(ref, name, "the kernel loads this target only in the nat table")
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


def _odd_rules(ruleset: Ruleset) -> Iterator[RuleRef]:
    """The rules with a part that is not known, or that the kernel does not load where it stands."""
    for name, table in ruleset.tables.items():
        parts = table.parts
        is_odd = parts.has_unknown or (name != "nat" and parts.targets & TRANSLATING)
        for chain in table.chains.values() if is_odd else ():
            for position, rule in enumerate(chain.rules, 1):
                if (
                    UnknownMatch in map(type, rule.matches)
                    or isinstance(rule.target, UnknownTarget)
                    or _is_out_of_nat(name, rule.target)
                ):
                    yield RuleRef(name, chain.name, position, rule)


def _is_out_of_nat(table: str, target: AnyTarget | None) -> bool:
    return table != "nat" and isinstance(target, Target) and target.name in TRANSLATING


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
