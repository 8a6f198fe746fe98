# SPDX-License-Identifier: GPL-2.0-only
"""Findings as JUnit XML, for build servers that show test results.

There is no standard of this format. A suite stands for each file, a test case for each finding,
with the elements and attributes that the schema of Jenkins knows (xunit-plugin, junit-10.xsd; so no
``file`` and ``line`` of a case). GitLab ("Unit test reports") and Azure Pipelines read the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from ctlint.finding import Finding, LintResult, Severity, Skipped
from ctlint.report.escape import visible
from ctlint.report.sentence import say_place, say_stranded


def render_junit(result: LintResult) -> str:
    """The result as one XML document in ASCII.

    Errors and warnings fail, notes pass with their text as output, suppressed findings are
    skipped. A file without findings has one case that passes; an input that was not looked at has
    one with an error.
    """
    suites: dict[str, list[Finding]] = {summary.file: [] for summary in result.inputs}
    for finding in result.findings:
        suites.setdefault(finding.location.file, []).append(finding)
    errors = len(result.skipped)
    cases = sum(max(len(findings), 1) for findings in suites.values()) + errors
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{_attributes(name='ctlint')}{_counts(cases, result.findings, errors)}>",
    ]
    for file, findings in suites.items():
        skipped = sum(finding.suppressed is not None for finding in findings)
        counts = _counts(max(len(findings), 1), findings)
        lines.append(
            f'<testsuite{_attributes(name=file)}{counts} skipped="{skipped}"'
            f"{_attributes(file=file)}>"
        )
        seen: Counter[str] = Counter()
        for finding in findings:
            name = _name(finding)
            seen[name] += 1
            # Of cases with one name GitLab takes the first alone.
            lines += _case(finding, name if seen[name] == 1 else f"{name} ({seen[name]})")
        if not findings:
            lines.append(f"<testcase{_attributes(name='no findings', classname=file)}/>")
        lines.append("</testsuite>")
    for left_out in result.skipped:
        lines += _suite_left_out(left_out)
    lines.append("</testsuites>")
    text = "\n".join(lines) + "\n"
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _suite_left_out(left_out: Skipped) -> Iterator[str]:
    """The suite of an input that was not looked at."""
    name = left_out.host
    said = "\n".join(escape(visible(str(trouble))) for trouble in left_out.troubles)
    kind = _attributes(type=left_out.reason.value, message=str(left_out.troubles[0]))
    yield (
        f'<testsuite{_attributes(name=name)}{_counts(1, (), 1)} skipped="0"'
        f"{_attributes(file=name)}>"
    )
    yield f"<testcase{_attributes(name='not looked at', classname=name)}>"
    yield f"<error{kind}>{said}</error>"
    yield "</testcase>"
    yield "</testsuite>"


def _counts(cases: int, findings: Sequence[Finding], errors: int = 0) -> str:
    return f' tests="{cases}" failures="{sum(map(_fails, findings))}" errors="{errors}"'


def _fails(finding: Finding) -> bool:
    return finding.suppressed is None and finding.severity is not Severity.NOTE


def _name(finding: Finding) -> str:
    """What a case is called: it stays the same when lines move, where that can be."""
    role = f" [{finding.role.value}]" if finding.role else ""
    place = say_place(finding.location) or f"line {finding.location.line}"
    return f"{finding.rule} {finding.name}: {place}{role}"


def _case(finding: Finding, name: str) -> list[str]:
    where = finding.location
    said = [
        f"{where.file}:{where.line}:{where.column}: {finding.message}",
        where.text,
        say_stranded(finding),
        f"help: {finding.remedy}" if finding.remedy else "",
    ]
    text = "\n".join(escape(visible(line)) for line in said if line)
    if finding.suppressed is not None:
        # Jenkins reads the attribute, GitLab the content.
        reason = finding.suppressed.reason
        inner = f"<skipped{_attributes(message=reason)}>{escape(visible(reason))}</skipped>"
    elif _fails(finding):
        kind = _attributes(type=finding.severity.value, message=finding.message)
        inner = f"<failure{kind}>{text}</failure>"
    else:
        inner = f"<system-out>{text}</system-out>"
    attributes = _attributes(name=name, classname=where.file)
    return [f"<testcase{attributes}>", inner, "</testcase>"]


def _attributes(**values: str) -> str:
    return "".join(f' {name}="{escape(visible(value))}"' for name, value in values.items())
