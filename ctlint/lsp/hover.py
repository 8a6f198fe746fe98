# SPDX-License-Identifier: GPL-2.0-only
"""What is said of a line: what was found there, else what ctlint reads in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ctlint.finding import Finding
from ctlint.lint.registry import shipped_rules
from ctlint.lsp.checking import Answer
from ctlint.lsp.documents import Kind
from ctlint.lsp.markdown import prose
from ctlint.lsp.positions import Places
from ctlint.lsp.reading import say_permissions, say_rule, say_setting
from ctlint.report.causes import findings_by_place
from ctlint.report.places import (
    known_of,
    losses_of,
    remedies_of,
    split_messages,
)
from ctlint.report.rule_page import page_markdown
from ctlint.report.sentence import say_place

_RULER: Final = "\n\n---\n\n"


def hover(name: str, kind: Kind, places: Places, line: int, answer: Answer | None) -> str:
    """Markdown about a line of a document; empty where there is nothing to say. ``answer`` is None
    where what was found is not of this text.
    """
    found: list[Finding] = []
    undecided: list[str] = []
    kernel = ""
    if answer is not None:
        kernel = answer.kernel
        found = [each for each in answer.findings if _is_at(each, name, line)]
        undecided = [
            f"{what.match}: {what.why}" if what.match else what.why
            for what in answer.undecided
            if (what.location.file, what.location.line) == (name, line)
        ]
    parts = ["\n".join(_finding_lines(group)) for group in findings_by_place(found)]
    text = places.line_text(line)
    findings = () if answer is None else answer.findings
    if permissions := say_permissions(name, kind, places, line, findings):
        parts.append(permissions)
    if kind is Kind.SETTINGS and (setting := say_setting(text, kernel)):
        parts.append(setting)
    if kind is Kind.RULES and not parts and (rule := say_rule(places, line)):
        parts.append(rule)
    parts += [f"not decided: {prose(what)}" for what in dict.fromkeys(undecided)]
    shown = dict.fromkeys(finding.rule for finding in found if finding.suppressed is None)
    parts += [page_markdown(info) for info in shipped_rules() if info.id in shown]
    return _RULER.join(parts)


def _is_at(finding: Finding, name: str, line: int) -> bool:
    return (finding.location.file, finding.location.line) == (name, line)


def _finding_lines(group: Sequence[Finding]) -> Iterator[str]:
    """Findings that differ by role alone."""
    first = group[0]
    place = f" ({prose(say_place(first.location))})" if first.location.chain else ""
    yield f"**{first.severity.value} {first.rule}** {first.name}{place}"
    own, shared = split_messages([finding.message for finding in group])
    for finding, message in zip(group, own, strict=True):
        yield ""
        yield f"{', '.join(known_of([finding]))}: {prose(message)}"
        yield ""
        yield from (f"- {item.label}: {prose(item.text)}" for item in losses_of(finding))
    if shared:
        yield ""
        yield f"In each case: {prose(shared)}"
    for item in remedies_of(group):
        yield ""
        yield f"**{item.label}**: {prose(item.text)}"
