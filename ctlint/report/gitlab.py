# SPDX-License-Identifier: GPL-2.0-only
"""Findings as a GitLab Code Quality report.

Source: GitLab Docs, "Code Quality", section "Code Quality report format".
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter

from ctlint.finding import LintResult, Severity, Skipped
from ctlint.report.escape import visible

LEFT_OUT = "not looked at"
_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.NOTE: "info"}


def render_gitlab(result: LintResult) -> str:
    """The inputs that were not looked at and the findings that are not suppressed, as one JSON list
    in ASCII with a final newline.

    GitLab shows only one entry for each fingerprint, so this one also holds the path and, where a
    file has the same rule more than once, a number.
    """
    entries = [*map(_left_out, result.skipped)]
    seen: Counter[tuple[str, str]] = Counter()
    for finding in result.findings:
        if finding.suppressed is not None:
            continue
        path = visible(finding.location.file.removeprefix("./"))
        key = (path, finding.fingerprint)
        seen[key] += 1
        text = "\x1f".join((*key, str(seen[key])))
        role = f" [{finding.role.value}]" if finding.role else ""
        entries.append(
            {
                "description": visible(f"{finding.message}{role}"),
                "check_name": finding.rule,
                "fingerprint": hashlib.sha256(text.encode()).hexdigest()[:32],
                "severity": _SEVERITIES[finding.severity],
                "location": {"path": path, "lines": {"begin": finding.location.line}},
            }
        )
    return json.dumps(entries, indent=2, ensure_ascii=True) + "\n"


def _left_out(left_out: Skipped) -> dict[str, object]:
    """The entry of an input that was not looked at."""
    first = left_out.troubles[0]
    path = visible((first.file or left_out.host).removeprefix("./"))
    text = "\x1f".join((path, LEFT_OUT, left_out.host))
    return {
        "description": visible(f"{LEFT_OUT}: {first}"),
        "check_name": left_out.reason.value,
        "fingerprint": hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        "severity": "blocker",
        "location": {"path": path, "lines": {"begin": max(first.line, 1)}},
    }
