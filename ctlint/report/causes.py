# SPDX-License-Identifier: GPL-2.0-only
"""Findings that are one cause on several hosts, put together: one rule set that is rolled out to a
hundred hosts has one thing to mend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from ctlint.finding import Finding, LintResult, Role, bare_text

_ROLES = tuple(Role)


@dataclass(frozen=True, slots=True)
class Cause:
    """What is the same on several hosts. ``findings`` has one of each host, in the order of the
    result; ``lead`` is the first, which stands for all.
    """

    findings: tuple[Finding, ...]

    @property
    def lead(self) -> Finding:
        """The finding that is shown."""
        return self.findings[0]

    @property
    def files(self) -> tuple[str, ...]:
        """Where the cause stands: the file of each finding, each once."""
        return tuple(dict.fromkeys(finding.location.file for finding in self.findings))

    @property
    def is_uniform(self) -> bool:
        """Whether all that is shown of the lead holds for the others, but places."""
        return len({_shown_of(finding) for finding in self.findings}) == 1

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that have it, by the names under which they are read."""
        return tuple(_host(finding) for finding in self.findings)


def causes(result: LintResult) -> tuple[Cause, ...]:
    """The causes of all findings, also of those that are suppressed, by the first finding of each.

    Two findings are one cause where hosts, files and lines alone may differ: rule, severity,
    confidence, role, family, table, chain, the text of the line without counters, the message and
    what suppresses it are equal. What stands twice on one host is two causes: the first of one host
    goes with the first of another.
    """
    times: Counter[Hashable] = Counter()
    groups: dict[Hashable, list[Finding]] = {}
    for finding in result.findings:
        key = _key(finding)
        at_host = (key, _host(finding))
        groups.setdefault((key, times[at_host]), []).append(finding)
        times[at_host] += 1
    return tuple(Cause(tuple(findings)) for findings in groups.values())


def group_by_place(known: Iterable[Cause]) -> list[list[Cause]]:
    """Causes that are not suppressed, those of one rule at one place and on the same hosts side by
    side by role.
    """
    groups: dict[Hashable, list[Cause]] = {}
    for cause in known:
        lead = cause.lead
        if lead.suppressed is None:
            key = (lead.rule, lead.severity, lead.location, lead.family, cause.hosts)
            groups.setdefault(key, []).append(cause)
    for group in groups.values():
        group.sort(key=lambda cause: _ROLES.index(cause.lead.role) if cause.lead.role else 0)
    return list(groups.values())


def findings_by_place(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The same of the findings of one host, where each is a cause."""
    groups = group_by_place(Cause((finding,)) for finding in findings)
    return [[cause.lead for cause in group] for group in groups]


def _shown_of(finding: Finding) -> Hashable:
    return (
        finding.packet,
        finding.packets,
        finding.stranded,
        finding.ports,
        finding.remedy,
        tuple((place.text, place.message) for place in finding.related),
    )


def _host(finding: Finding) -> str:
    return finding.host or finding.location.file


def _key(finding: Finding) -> Hashable:
    where = finding.location
    why = finding.suppressed
    return (
        finding.rule,
        finding.severity,
        finding.confidence,
        finding.role,
        finding.family,
        where.table,
        where.chain,
        bare_text(where.text),
        finding.message,
        why and (why.by, why.reason),
    )
