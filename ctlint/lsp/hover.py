# SPDX-License-Identifier: GPL-2.0-only
"""What is said of a line: what was found there, else what ctlint reads in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ctlint.finding import Finding
from ctlint.lint.registry import shipped_rules
from ctlint.lsp.checking import Answer
from ctlint.lsp.diagnostics import side_by_side
from ctlint.lsp.documents import Kind
from ctlint.lsp.markdown import prose
from ctlint.lsp.positions import Places
from ctlint.lsp.reading import say_permissions, say_rule, say_setting
from ctlint.report.rule_page import page_markdown
from ctlint.report.sentence import say_chain, say_packet, say_packets, say_place, say_stranded

PACKETS_SHOWN: Final = 6
"""How many further groups of packets of one finding are named."""

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
    parts = ["\n".join(_finding_lines(group)) for group in side_by_side(found)]
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
    place = say_place(first.location)
    yield f"**{first.severity.value} {first.rule}** {first.name}" + (
        f" ({prose(place)})" if place else ""
    )
    for finding in group:
        role = f"{finding.role.value}, " if finding.role else ""
        yield ""
        yield f"{role}{finding.confidence.value}: {prose(finding.message)}"
        yield ""
        yield from _loss_lines(finding)
    for remedy, roles in _remedies(group).items():
        whose = f" ({', '.join(roles)})" if roles else ""
        yield ""
        yield f"**help**{whose}: {prose(remedy)}"


def _loss_lines(finding: Finding) -> Iterator[str]:
    """What is lost, and what that strands."""
    if finding.packet is not None:
        # What has no entry never comes to the table nat, where the cause may stand.
        is_seen = finding.packet.ctstate != "INVALID" or finding.location.table != "nat"
        chain = say_chain(finding.location) if is_seen else ""
        yield f"- packet: {prose(say_packet(finding.packet) + (f' in {chain}' if chain else ''))}"
    others = say_packets([kind for kind in finding.packets if kind != finding.packet])
    if others:
        more = len(others) - PACKETS_SHOWN
        said = "; ".join(others[:PACKETS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        yield f"- also lost: {prose(said)}"
    if stranded := say_stranded(finding):
        yield f"- stranded: {prose(stranded)}"
    if finding.ports:
        yield f"- ports: {', '.join(finding.ports)}"


def _remedies(group: Sequence[Finding]) -> dict[str, list[str]]:
    """The remedies, each once; where roles need different ones, with those for which it is."""
    found: dict[str, list[str]] = {}
    for finding in group:
        if finding.remedy:
            roles = found.setdefault(finding.remedy, [])
            roles += [finding.role.value] if finding.role else []
    return found if len(found) > 1 else {remedy: [] for remedy in found}
