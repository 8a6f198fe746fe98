# SPDX-License-Identifier: GPL-2.0-only
"""Findings as workflow commands of GitHub Actions, which show them beside the changed lines.

Source: GitHub Docs, "Workflow commands for GitHub Actions"; actions/toolkit,
packages/core/src/command.ts, escapeData and escapeProperty; actions/runner,
src/Runner.Common/ActionCommand.cs.
"""

from __future__ import annotations

from ctlint.finding import Finding, LintResult, Severity
from ctlint.report.escape import visible
from ctlint.report.sentence import say_stranded

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_github(result: LintResult) -> str:
    """One command a line for each finding that is not suppressed.

    A line of ours begins with its command and ends with the only line break in it, so nothing in
    an input can start another command.
    """
    return "".join(
        f"{_command(finding)}\n" for finding in result.findings if finding.suppressed is None
    )


def _command(finding: Finding) -> str:
    where = finding.location
    properties = {"file": where.file, "line": str(where.line), "col": str(where.column)}
    if where.end_column > where.column:
        properties["endColumn"] = str(where.end_column)
    properties["title"] = f"{finding.rule} {finding.name}"
    help_line = f"help: {finding.remedy}" if finding.remedy else ""
    said = [finding.message, say_stranded(finding), help_line]
    data = "\n".join(visible(line) for line in said if line)
    listed = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items())
    return f"::{_COMMANDS[finding.severity]} {listed}::{_escape_data(data)}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(visible(text)).replace(":", "%3A").replace(",", "%2C")
