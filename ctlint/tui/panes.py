# SPDX-License-Identifier: GPL-2.0-only
"""What the panes of the view show, as text of a width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from rich.text import Text

from ctlint.analysis.phase import IDLE
from ctlint.analysis.silence import percent_words
from ctlint.analysis.threshold import Verdict
from ctlint.analysis.whatif import Answer, Question
from ctlint.finding import Finding
from ctlint.report.escape import visible
from ctlint.report.life_lines import ladder_lines, socket_lines
from ctlint.report.page import Piece
from ctlint.report.whatif_plot import plot_lines
from ctlint.report.whatif_text import STYLES
from ctlint.report.whatif_words import (
    loss_groups,
    say_alternative,
    say_setter,
    say_silence,
    say_table,
    say_threshold,
    say_verdict,
    say_where,
)
from ctlint.tui.desk import Desk, plotted

_BOLD = "bold"
_SEVERITY = {"error": "bold red", "warning": "bold yellow", "note": "cyan"}

Line = Sequence[Piece]


class Pane(Enum):
    """The panes; the value is the name."""

    ANSWER = "answer"
    LADDER = "ladder"
    SOCKETS = "sockets"
    FINDINGS = "findings"
    PLOT = "plot"


def pane_text(
    pane: Pane, desk: Desk, question: Question, knob: str | None, width: int, height: int
) -> Text:
    """The contents of a pane. Raises what the analysis raises."""
    answer = desk.answer(question)
    if pane is Pane.ANSWER:
        return _text(_answer_lines(desk, answer))
    if pane is Pane.LADDER or pane is Pane.SOCKETS:
        told = desk.life(answer)
        if told.life is None:
            return _text([[told.words]])
        lines = ladder_lines(told.life, width) if pane is Pane.LADDER else socket_lines(told.life)
        return _text([[(told.words, _BOLD)], *lines])
    if pane is Pane.FINDINGS:
        return _text(_finding_lines(desk, question))
    return _plot(desk, answer, plotted(knob), width, height)


def status_text(answer: Answer) -> Text:
    """The answer in one line."""
    idle = answer.threshold(IDLE)
    said = say_verdict(idle)
    text = Text(f"established {idle.lifetime} s: ", style=_BOLD)
    text.append(said, STYLES[idle.verdict])
    table = answer.occupancy
    if table is not None and table.total is not None:
        text.append(f"; {say_table(table)}")
    return text


def _text(lines: Iterable[Line]) -> Text:
    text = Text()
    for number, line in enumerate(lines):
        if number:
            text.append("\n")
        for piece in line:
            content, style = (piece, "") if isinstance(piece, str) else piece
            text.append(visible(content), style)
    return text


def _answer_lines(desk: Desk, answer: Answer) -> Iterator[Line]:
    idle = answer.threshold(IDLE)
    before = desk.answer(
        Question(
            desk.start.kernel, desk.start.overrides, answer.question.usage, answer.question.roles
        )
    )
    has_keepalive = answer.question.usage.keepalive is not None
    yield [(say_threshold(idle, has_keepalive), STYLES[idle.verdict])]
    if before.share is not None and answer.share is not None and before.share != answer.share:
        yield [f"the host as it is: {percent_words(before.share)} stranded"]
    yield [""]
    for old, one in zip(before.thresholds, answer.thresholds, strict=True):
        mark = ">" if (old.lifetime, old.verdict) != (one.lifetime, one.verdict) else " "
        yield [
            f"{mark} {say_setter(one, answer)} {one.lifetime} s, {one.phase.name} "
            f"({say_silence(one)}): ",
            (say_verdict(one), STYLES[one.verdict]),
        ]
    if answer.occupancy is not None:
        yield [""]
        yield [(f"table: {say_table(answer.occupancy)}", _BOLD)]
    yield [""]
    for each in answer.alternatives:
        yield [(f"{each.value} s ", _BOLD), f"({each.why}) {say_alternative(each)}"]
    yield from _loss_lines(desk, answer)


def _loss_lines(desk: Desk, answer: Answer) -> Iterator[Line]:
    if answer.threshold(IDLE).verdict is Verdict.HARMLESS:
        return
    yield [""]
    yield [("lost once the entry has gone, idle:", _BOLD)]
    for group in loss_groups(desk.shown(answer), IDLE):
        yield [f"  {say_where(group.place)}"]
        for role, (packets, left) in group.roles.items():
            yield [f"    {role.value}: {packets}{'; ' if left else ''}{left}"]


def _finding_lines(desk: Desk, question: Question) -> Iterator[Line]:
    found = desk.findings(question)
    for title, findings in (
        ("appear", found.appeared),
        ("vanish", found.vanished),
        ("stay", found.both),
    ):
        yield [(f"{title}: {len(findings)}", _BOLD)]
        yield from map(_finding, findings)


def _finding(finding: Finding) -> Line:
    role = "" if finding.role is None else f" ({finding.role.value})"
    where = f"{finding.location.file}:{finding.location.line}"
    return [
        "  ",
        (f"{finding.severity.value}[{finding.rule}]", _SEVERITY[finding.severity.value]),
        f" {finding.name}{role} {where}",
    ]


def _plot(desk: Desk, answer: Answer, name: str, width: int, height: int) -> Text:
    swept = desk.swept(answer.question, name)
    if swept is None:
        return Text(f"no curves are drawn over {name}")
    lines = plot_lines(swept, width, height, answer.settings.value(name))
    if not lines:
        has_some = any(point.share is not None for point in swept.points)
        why = "there is no room for the plot" if has_some else "tell how long connections are idle"
        return Text(why)
    return _text([[line] for line in lines])
