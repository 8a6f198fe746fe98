# SPDX-License-Identifier: GPL-2.0-only
"""The findings at one place as an article of the HTML report."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from html import escape
from typing import Final

from ctlint.finding import Finding, Location, Severity
from ctlint.report.causes import Cause
from ctlint.report.escape import visible
from ctlint.report.excerpt import cut_excerpt
from ctlint.report.fix_lines import fix_lines
from ctlint.report.ladder import Row, RowKind
from ctlint.report.ladder_svg import FONT, STEP, Frame, draw_rows, text_at
from ctlint.report.places import (
    Item,
    hosts_of,
    known_of,
    losses_of,
    place_of,
    related_of,
    remedies_of,
    say_rest,
    split_code,
    split_messages,
)
from ctlint.report.sentence import say_place
from ctlint.report.witness_ladder import WitnessLadder, say_stage, witness_ladder

LINE_SHOWN: Final = 2_000
"""Cells of a line of an input: it is cut around the place that it is about."""

_RELATED_SHOWN: Final = 10
_HOSTS_SHOWN: Final = 200
_FRAME: Final = Frame(500, 20, 480, None, 104)
_TOP: Final = 54
_LINE: Final = 16
_BESIDE: Final = 60
"""So many characters of both addresses stand side by side."""

_DIFF: Final = {"+": "added", "-": "removed", "@": "hunk"}


def shown(text: str) -> str:
    """Text of an input or of ours inside of an element or an attribute."""
    return escape(visible(text))


def article(
    causes: Sequence[Cause], number: int, pages: Collection[str], *, has_ladder: bool
) -> Iterator[str]:
    """The article of the findings at one place; ``pages`` are the rules whose pages stand in the
    report. With ``has_ladder`` their witnesses are drawn.
    """
    group = [cause.lead for cause in causes]
    first = group[0]
    rule = shown(first.rule)
    link = f'<a href="#{rule}">{rule}</a>' if first.rule in pages else rule
    yield (
        f'<article class="finding {first.severity.value}" id="f{number}" '
        f'aria-labelledby="h{number}"><h3 id="h{number}">{severity_badge(first.severity)} '
        f"<span>{link} {shown(first.name)}</span></h3>"
        f'<p class="known">{shown(" · ".join(known_of(group)))}</p>'
    )
    yield _excerpt(first.location)
    yield from _hosts(causes)
    own, shared = split_messages([finding.message for finding in group])
    for index, (finding, message) in enumerate(zip(group, own, strict=True)):
        role = finding.role.value if finding.role and len(group) > 1 else ""
        yield from _case(finding, message, role, is_open=index == 0, has_ladder=has_ladder)
    if shared:
        yield f"<p>In each case: {sentence(shared)}</p>"
    yield from _related(related_of(group))
    yield from _help(group)
    yield "</article>"


def severity_badge(severity: Severity) -> str:
    """The word of a severity in its colour."""
    return f'<span class="severity {severity.value}">{severity.value}</span>'


def sentence(text: str) -> str:
    """A sentence; the rules in it stand as code."""
    return "".join(
        f"<code>{shown(part)}</code>" if is_code else shown(part)
        for part, is_code in split_code(text)
    )


def _excerpt(location: Location) -> str:
    """The line with the place underlined."""
    said = say_place(location)
    caption = f"<code>{shown(place_of(location))}</code>" + (f" {shown(said)}" if said else "")
    if not location.text:
        return f'<p class="dim">{caption}</p>'
    cut = cut_excerpt(location, LINE_SHOWN)
    number = str(location.line)
    carets = " " * cut.offset + "^" * cut.length
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<pre tabindex="0"><code><span class="number">{number} │ </span>{escape(cut.text)}\n'
        f'<span class="number">{" " * len(number)} │ </span>'
        f'<span class="caret" aria-hidden="true">{carets}</span></code></pre></figure>'
    )


def _hosts(causes: Sequence[Cause]) -> Iterator[str]:
    """The hosts that share the causes, with the place on each."""
    items = hosts_of(causes)
    if not items:
        return
    places = [place_of(finding.location) for finding in causes[0].findings]
    listed = "".join(f"<li><code>{shown(place)}</code></li>" for place in places[:_HOSTS_SHOWN])
    if rest := say_rest(places, _HOSTS_SHOWN, ""):
        listed += f"<li>{rest}</li>"
    yield (
        f"<details><summary>{shown(items[0].label)}: {shown(items[0].text)}</summary>"
        f'<ul class="plain">{listed}</ul></details>'
    )
    for item in items[1:]:
        yield f"<p>{shown(item.label)} {shown(item.text)}</p>"


def _case(
    finding: Finding, message: str, role: str, *, is_open: bool, has_ladder: bool
) -> Iterator[str]:
    """What happens for one role."""
    yield '<div class="case">'
    if role:
        yield f"<h4>{shown(role)}</h4>"
    yield f'<p class="says">{sentence(message)}</p>'
    if items := losses_of(finding):
        yield f"<dl>{''.join(map(_item, items))}</dl>"
    ladder = witness_ladder(finding.witness) if finding.witness and has_ladder else None
    if ladder is not None:
        opened = " open" if is_open else ""
        yield (
            f"<details{opened}><summary>Witness: {shown(say_stage(ladder))}</summary>"
            f'<div class="scroll" tabindex="0">{draw_witness(ladder)}</div></details>'
        )
    yield "</div>"


def _item(item: Item) -> str:
    kind = ' class="stranded"' if item.label == "stranded" else ""
    return f"<dt>{shown(item.label)}</dt><dd{kind}>{shown(item.text)}</dd>"


def _related(places: Sequence[Location]) -> Iterator[str]:
    if not places:
        return
    yield '<ul class="plain">'
    for place in places[:_RELATED_SHOWN]:
        text = f": <code>{escape(cut_excerpt(place, LINE_SHOWN).text)}</code>" if place.text else ""
        where = f"<code>{shown(place_of(place))}</code>"
        yield f"<li>{shown(place.message or 'see also')}, {where}{text}</li>"
    if rest := say_rest(places, _RELATED_SHOWN, ""):
        yield f"<li>{rest} places</li>"
    yield "</ul>"


def _help(group: Sequence[Finding]) -> Iterator[str]:
    """The remedies, and the fixes as patches, each once."""
    remedies = remedies_of(group)
    fixes = {finding.fix.edits: finding for finding in group if finding.fix is not None}
    if not remedies and not fixes:
        return
    yield '<div class="help">'
    for item in remedies:
        yield f"<p><strong>{shown(item.label)}:</strong> {sentence(item.text)}</p>"
    for finding in fixes.values():
        assert finding.fix is not None
        weigh = "" if finding.fix.is_safe else " (weigh it)"
        lines = "\n".join(map(_diff_line, fix_lines(finding)))
        yield (
            f"<details><summary>Fix as a patch{weigh}</summary>"
            f"<p>{sentence(finding.fix.description)}</p>"
            f'<pre tabindex="0"><code>{lines}</code></pre></details>'
        )
    yield "</div>"


def _diff_line(line: str) -> str:
    kind = "" if line.startswith(("--- ", "+++ ")) else _DIFF.get(line[:1], "")
    return f'<span class="{kind}">{shown(line)}</span>' if kind else shown(line)


# The picture


def draw_witness(ladder: WitnessLadder) -> str:
    """The ladder of a witness as a picture."""
    below = 0 if len(ladder.client) + len(ladder.server) <= _BESIDE else _LINE
    height = _TOP + below + STEP * len(ladder.rows) + 14
    said = "; ".join(map(_say_row, ladder.rows))
    left, right = _FRAME.left - 12, _FRAME.right + 12
    return (
        f'<svg class="ladder" viewBox="0 0 {_FRAME.width} {height}" role="img" '
        f'aria-label="{shown(said)}" font-size="13" font-family="{FONT}">'
        f"{text_at(left, 16, 'client', 'head')}{text_at(left, 34, ladder.client, 'dim')}"
        f"{text_at(right, 16, 'server', 'head', 'end')}"
        f"{text_at(right, 34 + below, ladder.server, 'dim', 'end')}"
        f"{draw_rows(ladder.rows, _FRAME, _TOP + below)}</svg>"
    )


def _say_row(row: Row) -> str:
    """A row for those who hear it."""
    if row.kind is not RowKind.PACKET:
        return row.words
    sender = "the box" if row.is_boxs else "the client" if row.to_server else "the server"
    end = row.end if row.is_lost else "arrives"
    return ", ".join(filter(None, (f"{row.words} from {sender}", row.ctstate, end)))
