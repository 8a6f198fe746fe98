# SPDX-License-Identifier: GPL-2.0-only
"""What was found before: docs/baseline.md. A baseline hides as many findings of an identity as it
has, so that a rule set with old findings fails for new ones alone. What has become more severe is
new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from ctlint.finding import (
    AllowedBy,
    Compared,
    Finding,
    Identity,
    LintResult,
    Severity,
    Suppressed,
)


class Known(NamedTuple):
    """How often something was found, and how severe it was at most."""

    times: int
    severity: Severity


Baseline = Mapping[Identity, Known]

REASON: Final = "in the baseline"


def gathered(entries: Iterable[tuple[Identity, Known]]) -> Baseline:
    """A baseline from entries, those of one identity together."""
    found: dict[Identity, Known] = {}
    for identity, known in entries:
        before = found.get(identity)
        if before is not None:
            severity = max(before.severity, known.severity, key=lambda each: each.rank)
            known = Known(before.times + known.times, severity)
        found[identity] = known
    return found


def baseline_of(result: LintResult) -> Baseline:
    """The findings of a run that nobody allows, those that a baseline hides among them."""
    return gathered(
        (finding.identity, Known(1, finding.severity))
        for finding in result.findings
        if finding.suppressed is None or finding.suppressed.by is AllowedBy.BASELINE
    )


def compared(
    result: LintResult, baseline: Baseline, file: str, asked: Collection[str]
) -> LintResult:
    """The result with what the baseline hides marked so. ``asked`` are the ids of the rules that
    were asked: of others nothing can be gone.
    """
    mark = Suppressed(AllowedBy.BASELINE, REASON, file, 1)
    left = Counter({identity: known.times for identity, known in baseline.items()})
    findings: list[Finding] = []
    for finding in result.findings:
        identity = finding.identity
        known = baseline.get(identity)
        if (
            known is not None
            and finding.suppressed is None
            and left[identity] > 0
            and finding.severity.rank <= known.severity.rank
        ):
            left[identity] -= 1
            finding = replace(finding, suppressed=mark)
        findings.append(finding)
    # What is allowed by now, or more severe, is not gone.
    present = Counter(finding.identity for finding in result.findings)
    gone = {
        identity: baseline[identity].times - present[identity]
        for identity in sorted(baseline)
        if baseline[identity].times > present[identity] and identity.rule in asked
    }
    hidden = sum(finding.suppressed is mark for finding in findings)
    return replace(result, findings=tuple(findings), baseline=Compared(file, hidden, gone))
