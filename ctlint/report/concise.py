# SPDX-License-Identifier: GPL-2.0-only
"""One line a finding, for grep and for editors."""

from __future__ import annotations

from ctlint.finding import Finding, LintResult
from ctlint.report.escape import visible


def render_concise(result: LintResult) -> str:
    """``FILE:LINE:COL: SEVERITY ID MESSAGE [ROLE]``, a line for each finding not suppressed."""
    return "".join(
        f"{_line(finding)}\n" for finding in result.findings if finding.suppressed is None
    )


def _line(finding: Finding) -> str:
    where = finding.location
    role = f" [{finding.role.value}]" if finding.role else ""
    return visible(
        f"{where.file}:{where.line}:{where.column}: "
        f"{finding.severity.value} {finding.rule} {finding.message}{role}"
    )
