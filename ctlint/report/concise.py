# SPDX-License-Identifier: GPL-2.0-only
"""One line a finding, for grep and for editors."""

from __future__ import annotations

from ctlint.finding import Finding, LintResult
from ctlint.report.escape import visible
from ctlint.report.sentence import say_suppressed


def render_concise(result: LintResult, *, show_suppressed: bool = False) -> str:
    """``FILE:LINE:COL: SEVERITY ID MESSAGE [ROLE]``, a line for each finding not suppressed; with
    ``show_suppressed`` also for the others, with the reason.
    """
    return "".join(
        f"{_line(finding)}\n"
        for finding in result.findings
        if show_suppressed or finding.suppressed is None
    )


def _line(finding: Finding) -> str:
    where = finding.location
    role = f" [{finding.role.value}]" if finding.role else ""
    why = f" (suppressed: {say_suppressed(finding.suppressed)})" if finding.suppressed else ""
    return visible(
        f"{where.file}:{where.line}:{where.column}: "
        f"{finding.severity.value} {finding.rule} {finding.message}{role}{why}"
    )
