# SPDX-License-Identifier: GPL-2.0-only
"""Findings as workflow commands of GitHub Actions, which show them beside the changed lines.

Source: GitHub Docs, "Workflow commands for GitHub Actions"; actions/toolkit,
packages/core/src/command.ts, escapeData and escapeProperty; actions/runner,
src/Runner.Common/ActionCommand.cs.
"""

from __future__ import annotations

from collections.abc import Mapping

from ctlint.finding import Finding, LintResult, Severity, Skipped
from ctlint.report.escape import visible
from ctlint.report.sentence import say_stranded

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}

_TROUBLES = 10
"""Of an input that was not looked at."""


def render_github(result: LintResult) -> str:
    """One command a line for each input that was not looked at, and for each finding that is not
    suppressed.

    A line of ours begins with its command and ends with the only line break in it, so nothing in
    an input can start another command.
    """
    commands = [*map(_command_left_out, result.skipped)]
    commands += [_command(each) for each in result.findings if each.suppressed is None]
    return "".join(f"{command}\n" for command in commands)


def _command_left_out(left_out: Skipped) -> str:
    first = left_out.troubles[0]
    properties = {"file": first.file or left_out.host}
    if first.line:
        properties |= {"line": str(first.line), "col": str(first.column)}
    properties["title"] = "not looked at"
    data = "\n".join(visible(str(trouble)) for trouble in left_out.troubles[:_TROUBLES])
    return f"::error {_listed(properties)}::{_escape_data(data)}"


def _command(finding: Finding) -> str:
    where = finding.location
    properties = {"file": where.file, "line": str(where.line), "col": str(where.column)}
    if where.end_column > where.column:
        properties["endColumn"] = str(where.end_column)
    properties["title"] = f"{finding.rule} {finding.name}"
    help_line = f"help: {finding.remedy}" if finding.remedy else ""
    said = [finding.message, say_stranded(finding), help_line]
    data = "\n".join(visible(line) for line in said if line)
    return f"::{_COMMANDS[finding.severity]} {_listed(properties)}::{_escape_data(data)}"


def _listed(properties: Mapping[str, str]) -> str:
    return ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items())


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(visible(text)).replace(":", "%3A").replace(",", "%2C")
