# SPDX-License-Identifier: GPL-2.0-only
"""What lint proposes against the rules that a diagnosis names: its remedies were checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ctlint.analysis.diagnosis import Advice, Diagnosis, Trouble
from ctlint.finding import Finding
from ctlint.lint.rule_api import RuleInfo
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import KernelProfile

MOST: Final = 3
"""Remedies of one trouble."""


def with_remedies(
    diagnosis: Diagnosis, host: Host, kernel: KernelProfile, rules: Sequence[RuleInfo]
) -> Diagnosis:
    """The diagnosis with lint's remedies of the rules that eat packets in it.

    Raises BadSettingError, AnalysisFault.
    """
    if not any(trouble.lost for trouble in diagnosis.troubles):
        return diagnosis
    by_place: dict[tuple[str, int], list[Finding]] = {}
    for finding in lint([host], kernel, rules).findings:
        where = finding.location
        by_place.setdefault((where.file, where.line), []).append(finding)
    return replace(
        diagnosis, troubles=tuple(_with(trouble, by_place) for trouble in diagnosis.troubles)
    )


def _with(trouble: Trouble, by_place: dict[tuple[str, int], list[Finding]]) -> Trouble:
    found: dict[str, Advice] = {}
    for lost in trouble.lost:
        where = lost.location
        for finding in by_place.get((where.file, where.line), ()):
            if finding.remedy and finding.role is trouble.role is not None:
                found.setdefault(finding.rule, Advice(f"{finding.rule}: {finding.remedy}"))
    return replace(trouble, change=(*list(found.values())[:MOST], *trouble.change))
