# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint lint`` as one page of HTML that needs nothing else: no network, no script.

The page forbids whatever its own text is not: its Content-Security-Policy lets in one style, by the
hash of it. Text of an input is escaped all the same.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from ctlint.finding import InputSummary, LintResult, Severity
from ctlint.report.causes import Cause, causes, group_by_place
from ctlint.report.html_finding import article, severity_badge, shown
from ctlint.report.html_style import STYLE
from ctlint.report.places import (
    FULL_SHOWN,
    say_allowed,
    say_left_out,
    say_undecided,
)
from ctlint.report.rule_page_html import RulePage, rule_pages
from ctlint.report.sentence import (
    say_count,
    say_fact,
    say_found,
    say_gone,
    say_scope,
)

_INPUTS_OPEN = 10
"""So many inputs are listed unfolded."""


def render_html(result: LintResult, *, version: str, rules: Sequence[RulePage]) -> str:
    """The page with a final newline; ``version`` is that of ctlint, ``rules`` are those whose pages
    are taken in where they have spoken.

    The witnesses of the first places of each rule are drawn.
    """
    return "".join(f"{part}\n" for part in _parts(result, version, rules))


def _parts(result: LintResult, version: str, rules: Sequence[RulePage]) -> Iterator[str]:
    groups = group_by_place(causes(result))
    found = say_found(result, sum(map(len, groups)))
    spoken = {finding.rule for finding in result.findings}
    pages = [rule for rule in rules if rule.id in spoken]
    sections = {
        "skipped": [*_skipped(result)],
        "findings": [*_findings(groups, {rule.id for rule in pages})],
        "undecided": [*_undecided(result)],
        "gone": [*_gone(result)],
        "suppressed": [*_suppressed(result)],
        "inputs": [*_inputs(result)],
        "rules": [*_rules(pages)],
    }
    yield from _head(result, found, version)
    yield from _nav({name for name, parts in sections.items() if parts})
    yield "<main>"
    for parts in sections.values():
        yield from parts
    yield "</main>"
    yield (
        "<footer><p>Witnesses were played on ctlint's model of conntrack; "
        "<code>ctlint confirm</code> plays them on a live kernel.</p></footer>"
    )
    yield "</body></html>"


def _head(result: LintResult, found: str, version: str) -> Iterator[str]:
    style = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">"
    )
    yield (
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" '
        f'content="light dark"><title>ctlint: {shown(found)}</title><style>{STYLE}</style></head>'
    )
    yield '<body><a class="skip" href="#findings">To the findings</a>'
    yield (
        f'<header><p class="brand">ctlint {shown(version)}</p><h1>{shown(_capital(found))}</h1>'
        f'<p class="scope">in {shown(say_scope(result))}</p>{_filter(result)}</header>'
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _filter(result: LintResult) -> str:
    """Boxes to tick; the style hides the findings of those that are not."""
    boxes = [
        f'<label class="{each.value}"><input type="checkbox" id="show-{each.value}" checked>'
        f"{say_count(result.count(each), each.value)}</label>"
        for each in Severity
        if result.count(each)
    ]
    return f"<fieldset><legend>Show</legend>{''.join(boxes)}</fieldset>" if len(boxes) > 1 else ""


_TITLES = {
    "skipped": "Not looked at",
    "findings": "Findings",
    "undecided": "Not decided",
    "gone": "Gone from the baseline",
    "suppressed": "Suppressed",
    "inputs": "Inputs",
    "rules": "Rules",
}


def _nav(names: Collection[str]) -> Iterator[str]:
    links = "".join(
        f'<li><a href="#{name}">{title}</a></li>'
        for name, title in _TITLES.items()
        if name in names
    )
    yield f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def _section(name: str, parts: Iterator[str]) -> Iterator[str]:
    yield f'<section aria-labelledby="{name}"><h2 id="{name}">{_TITLES[name]}</h2>'
    yield from parts
    yield "</section>"


# Findings


def _findings(groups: Sequence[Sequence[Cause]], pages: Collection[str]) -> Iterator[str]:
    def parts() -> Iterator[str]:
        if not groups:
            yield '<p class="panel nothing">No findings.</p>'
            return
        if len(groups) > 1:
            yield from _overview(groups)
        seen: Counter[str] = Counter()
        for number, group in enumerate(groups, 1):
            rule = group[0].lead.rule
            seen[rule] += 1
            has_ladder = seen[rule] <= FULL_SHOWN
            yield from article(group, number, pages, has_ladder=has_ladder)
        if any(count > FULL_SHOWN for count in seen.values()):
            yield (
                f'<p class="dim">Witnesses are drawn for the first {FULL_SHOWN} places of each '
                "rule; the JSON has all.</p>"
            )

    return _section("findings", parts())


def _overview(groups: Sequence[Sequence[Cause]]) -> Iterator[str]:
    """How often each rule has spoken, and where it did so first."""
    kinds: dict[tuple[Severity, str, str], list[int]] = {}
    for number, group in enumerate(groups, 1):
        first = group[0].lead
        kinds.setdefault((first.severity, first.rule, first.name), []).append(number)
    yield (
        '<div class="panel"><table><thead><tr><th scope="col">Severity</th>'
        '<th scope="col">Rule</th><th scope="col" class="count">Places</th></tr></thead><tbody>'
    )
    for (severity, rule, name), numbers in kinds.items():
        yield (
            f'<tr class="finding {severity.value}"><td>{severity_badge(severity)}</td>'
            f'<td><a href="#f{numbers[0]}">{shown(rule)} {shown(name)}</a></td>'
            f'<td class="count" data-label="places">{len(numbers)}</td></tr>'
        )
    yield "</tbody></table></div>"


# What else is said


def _skipped(result: LintResult) -> Iterator[str]:
    if lines := say_left_out(result):
        lead = f'<div class="panel error"><p>{say_count(len(lines), "input")}:</p>'
        yield from _section("skipped", iter([lead, _listed(lines), "</div>"]))


def _undecided(result: LintResult) -> Iterator[str]:
    if lines := say_undecided(result.undecided):
        lead = '<div class="panel"><p>What could change what is said above:</p>'
        yield from _section("undecided", iter([lead, _listed(lines), "</div>"]))


def _gone(result: LintResult) -> Iterator[str]:
    if result.baseline is not None and (lines := say_gone(result.baseline)):
        lead = f'<div class="panel"><p>Write {shown(result.baseline.file)} again:</p>'
        yield from _section("gone", iter([lead, _listed(lines), "</div>"]))


def _suppressed(result: LintResult) -> Iterator[str]:
    lines = say_allowed(result.findings)
    if lines:
        yield from _section("suppressed", iter([_folded(say_count(len(lines), "finding"), lines)]))


def _folded(title: str, lines: Sequence[str]) -> str:
    return f'<details class="panel"><summary>{title}</summary>{_listed(lines)}</details>'


def _listed(lines: Sequence[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{shown(line)}</li>" for line in lines)}</ul>'


def _inputs(result: LintResult) -> Iterator[str]:
    if not result.inputs:
        return
    is_told = any(summary.facts for summary in result.inputs)
    told = '<th scope="col">Told</th>' if is_told else ""
    rows = "".join(_input(summary, is_told=is_told) for summary in result.inputs)
    table = (
        '<table><thead><tr><th scope="col">File</th><th scope="col">Family</th>'
        f'<th scope="col">Tables</th>{told}<th scope="col" class="count">Rules</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    config = f"<p>Configuration: <code>{shown(result.config)}</code></p>" if result.config else ""
    if len(result.inputs) > _INPUTS_OPEN:
        summary = f"<summary>{say_count(len(result.inputs), 'rule set')}</summary>"
        body = f'<details class="panel">{summary}{table}</details>'
    else:
        body = f'<div class="panel">{table}</div>'
    yield from _section("inputs", iter([body, config]))


def _input(summary: InputSummary, *, is_told: bool) -> str:
    told = ", ".join(f"{key}={say_fact(value)}" for key, value in summary.facts.items())
    cell = f'<td data-label="told">{shown(told or "nothing")}</td>' if is_told else ""
    return (
        f"<tr><td><code>{shown(summary.file)}</code></td><td>IPv{summary.family.value}</td>"
        f'<td data-label="tables">{shown(", ".join(summary.tables))}</td>'
        f'{cell}<td class="count" data-label="rules">{summary.rules:,}</td></tr>'
    )


def _rules(pages: Sequence[RulePage]) -> Iterator[str]:
    if pages:
        yield from _section("rules", rule_pages(pages))
