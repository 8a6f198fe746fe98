# SPDX-License-Identifier: GPL-2.0-only
"""Findings as JUnit XML, for build servers that show test results.

There is no standard of this format; the elements and attributes are those that Jenkins, GitLab
and Azure Pipelines read: a suite for each file, a test case for each finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ctlint.finding import Finding, LintResult, Severity
from ctlint.report.escape import visible
from ctlint.report.sentence import say_place, say_stranded


def render_junit(result: LintResult) -> str:
    """The result as one XML document in ASCII.

    Errors and warnings fail, notes pass with their text as output, suppressed findings are
    skipped. A file without findings has one case that passes.
    """
    suites: dict[str, list[Finding]] = {summary.file: [] for summary in result.inputs}
    for finding in result.findings:
        suites.setdefault(finding.location.file, []).append(finding)
    cases = sum(max(len(findings), 1) for findings in suites.values())
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        _open_tag("testsuites", "ctlint", cases, result.findings),
    ]
    for file, findings in suites.items():
        lines.append(_open_tag("testsuite", file, max(len(findings), 1), findings))
        for finding in findings:
            lines += _case(finding)
        if not findings:
            lines.append(f"<testcase{_attributes(name='no findings', classname=file)}/>")
        lines.append("</testsuite>")
    lines.append("</testsuites>")
    text = "\n".join(lines) + "\n"
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _open_tag(tag: str, name: str, cases: int, findings: Sequence[Finding]) -> str:
    skipped = sum(finding.suppressed is not None for finding in findings)
    failures = sum(_fails(finding) for finding in findings)
    return (
        f"<{tag}{_attributes(name=name)}"
        f' tests="{cases}" failures="{failures}" errors="0" skipped="{skipped}">'
    )


def _fails(finding: Finding) -> bool:
    return finding.suppressed is None and finding.severity is not Severity.NOTE


def _case(finding: Finding) -> list[str]:
    where = finding.location
    role = f" [{finding.role.value}]" if finding.role else ""
    place = say_place(where) or f"line {where.line}"
    name = f"{finding.rule} {finding.name}: {place}{role}"
    said = [
        f"{where.file}:{where.line}:{where.column}: {finding.message}",
        where.text,
        say_stranded(finding),
        f"help: {finding.remedy}" if finding.remedy else "",
    ]
    text = "\n".join(escape(visible(line)) for line in said if line)
    if finding.suppressed is not None:
        inner = f"<skipped{_attributes(message=finding.suppressed.reason)}/>"
    elif _fails(finding):
        kind = _attributes(type=finding.severity.value, message=finding.message)
        inner = f"<failure{kind}>{text}</failure>"
    else:
        inner = f"<system-out>{text}</system-out>"
    attributes = _attributes(name=name, classname=where.file, file=where.file, line=str(where.line))
    return [f"<testcase{attributes}>", inner, "</testcase>"]


def _attributes(**values: str) -> str:
    return "".join(f' {name}="{escape(visible(value))}"' for name, value in values.items())
