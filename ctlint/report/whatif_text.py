# SPDX-License-Identifier: GPL-2.0-only
"""What ``ctlint whatif`` answers, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from ctlint.analysis.both_sides import BothSides
from ctlint.analysis.phase import IDLE
from ctlint.analysis.silence import percent_words
from ctlint.analysis.threshold import Threshold, Verdict
from ctlint.analysis.timeout_sweep import Change, Step
from ctlint.analysis.whatif import Answer
from ctlint.report.page import Page, Piece
from ctlint.report.whatif_plot import plot_lines
from ctlint.report.whatif_result import WhatIfResult
from ctlint.report.whatif_words import (
    LossGroup,
    loss_groups,
    number,
    say_alternative,
    say_moves,
    say_override,
    say_setter,
    say_silence,
    say_table,
    say_threshold,
    say_usage,
    say_verdict,
    say_where,
)

if TYPE_CHECKING:
    from rich.console import Console

STYLES: Final = {
    Verdict.SAFE: "green",
    Verdict.STRANDS: "bold red",
    Verdict.DEPENDS: "yellow",
    Verdict.UNTOLD: "yellow",
    Verdict.HARMLESS: "green",
}
PLACES_SHOWN: Final = 10
"""How many places that lose packets of one phase are listed; the rest is counted."""

_COLUMNS: Final = (16, 16, 12, 19)
_WIDE: Final = 80
_PLOT_ROWS: Final = 15


class Line(NamedTuple):
    """What stands in front of a text, and the text."""

    lead: str
    words: str


def render_whatif(result: WhatIfResult, *, console: Console) -> None:
    """Prints the threshold, the table of phases, what is lost, other timeouts, the table's size."""
    page = Page(console)
    answer = result.answer
    _add_question(page, result)
    if result.swept is None:
        _add_threshold(page, result)
        _add_phases(page, answer)
        _add_losses(page, result)
        _add_alternatives(page, answer)
    else:
        _add_sweep(page, result)
    if answer.occupancy is not None and result.swept is None:
        page.add_wrapped(("table: ", "bold"), say_table(answer.occupancy), indent=2)
    _add_notes(page, result)
    page.flush()


def _add_question(page: Page, result: WhatIfResult) -> None:
    told = say_usage(result.answer.question.usage)
    files = ", ".join(result.files)
    said = f"{files}, kernel {result.answer.question.kernel.name}"
    page.add_wrapped((said, "bold"), f"; told: {', '.join(told)}" if told else "", indent=2)
    for one in result.answer.question.overrides:
        page.add_wrapped(("set: ", "bold"), say_override(one), indent=2)
    page.add("")


def _add_threshold(page: Page, result: WhatIfResult) -> None:
    answer = result.answer
    idle = answer.threshold(IDLE)
    lead = f"nf_conntrack_tcp_timeout_{say_setter(idle, answer)} = {idle.lifetime}: "
    keepalive = answer.question.usage.keepalive is not None
    said = say_threshold(idle, keepalive)
    page.add_wrapped((lead, "bold"), (said, STYLES[idle.verdict]), indent=2)
    before = result.baseline
    if before is not None and before.share is not None and answer.share is not None:
        one, other = percent_words(before.share), percent_words(answer.share)
        old = before.threshold(IDLE).lifetime
        page.add_wrapped(("before: ", "bold"), f"{old} s, {one} stranded; now {other}", indent=2)
    page.add("")


def _add_phases(page: Page, answer: Answer) -> None:
    if page.width >= _WIDE:
        head = ("timeout", "phase", "entry lives", "silence")
        page.add((_row(head) + "answer", "bold"))
    for one in answer.thresholds:
        cells = (
            say_setter(one, answer),
            one.phase.name,
            f"{one.lifetime} s",
            say_silence(one),
        )
        said = (say_verdict(one), STYLES[one.verdict])
        if page.width >= _WIDE:
            page.add_wrapped(said, first=(_row(cells),))
        else:
            lead = f"{cells[0]} {cells[2]}, {cells[1]}, silence {cells[3]}: "
            page.add_wrapped(lead, said, indent=2)
    page.add("")


def _row(cells: Sequence[str]) -> str:
    padded = (
        f"{cell:<{width}}" if len(cell) < width else f"{cell} "
        for cell, width in zip(cells, _COLUMNS, strict=True)
    )
    return "".join(padded)


def _add_losses(page: Page, result: WhatIfResult) -> None:
    alike: dict[tuple[Line, ...], list[str]] = {}
    for one in result.answer.thresholds:
        if _tells_losses(one):
            lines = tuple(_loss_lines(loss_groups(result.shown, one.phase)))
            alike.setdefault(lines, []).append(one.phase.name)
    for lines, names in alike.items():
        said = f"lost once the entry has gone, {', '.join(names)}:"
        page.add_wrapped((said, "bold"), indent=2)
        for lead, words in lines:
            page.add_wrapped(words, first=(lead,), indent=6)
    page.add("")


def _loss_lines(groups: Sequence[LossGroup]) -> Iterator[Line]:
    for group in groups[:PLACES_SHOWN]:
        yield Line("  ", say_where(group.place))
        for role, (packets, left) in group.roles.items():
            yield Line(f"    {role.value}: ", f"{packets}; {left}" if left else packets)
    if len(groups) > PLACES_SHOWN:
        yield Line("  ", f"and {len(groups) - PLACES_SHOWN} more places")


def _tells_losses(one: Threshold) -> bool:
    return bool(one.losses) and (one.phase is IDLE or one.verdict is Verdict.STRANDS)


def _add_alternatives(page: Page, answer: Answer) -> None:
    page.add(("timeouts of established connections:", "bold"))
    for each in answer.alternatives:
        page.add_wrapped(f"({each.why}) {say_alternative(each)}", first=(f"  {each.value:>6} s  ",))
    page.add_wrapped(say_moves(answer), first=("  ",))
    page.add("")


# Sweep


def _add_sweep(page: Page, result: WhatIfResult) -> None:
    swept = result.swept
    assert swept is not None
    name = swept.sweep.name
    page.add((f"{name} from {swept.sweep.low} to {swept.sweep.high}:", "bold"))
    for step in swept.steps:
        span = str(step.low) if step.low == step.high else f"{step.low} to {step.high}"
        page.add_wrapped(*_say_step(step), first=(f"  {span:<17} ",))
    page.add("")
    filled = list(_say_filled(swept.steps))
    if result.changes or filled:
        page.add(("the answer changes", "bold"))
    for said in _say_changes(result.changes):
        page.add_wrapped(said, first=("  ",), indent=4)
    for said in filled:
        page.add_wrapped(said, first=("  ",), indent=4)
    if not result.changes and not filled:
        page.add_wrapped("the answer is the same at all these values", first=("  ",))
        if name.endswith("be_liberal"):
            page.add_wrapped("be_liberal concerns packets that have an entry", first=("  ",))
    page.add("")
    if page.is_unicode:
        settings = result.answer.settings
        is_known = settings.is_replaced(name) or settings.setting(name) is not None
        has_default = settings.kernel.sysctl_default(name) is not None
        mark = settings.value(name) if is_known or has_default else None
        lines = plot_lines(swept, page.width, _PLOT_ROWS, mark)
        for line in lines:
            page.add(line)
        if lines:
            page.add("")


def _say_step(step: Step) -> list[Piece]:
    alike: dict[tuple[str, Verdict], list[str]] = {}
    for one in step.at_low.thresholds:
        if one.verdict in (Verdict.STRANDS, Verdict.DEPENDS) or one.phase is IDLE:
            words = say_verdict(one).partition(";")[0]
            if one.phase is IDLE and one.verdict is Verdict.UNTOLD:
                words = "safe below the value"
            alike.setdefault((words, one.verdict), []).append(one.phase.name)
    said: list[Piece] = []
    for (words, verdict), names in alike.items():
        said += [f"{', '.join(names)}: ", (words, STYLES[verdict]), "; "]
    table = step.at_low.occupancy
    if table is not None and table.total is not None:
        totals = [number(table.total)]
        after = step.at_high.occupancy
        if after is not None and after.total is not None and after.total != table.total:
            totals.append(number(after.total))
        full = " (too many)" if table.is_full else ""
        said.append(f"{' to '.join(totals)} entries{full}")
    elif said:
        said.pop()
    return said


def _say_filled(steps: Sequence[Step]) -> Iterator[str]:
    """Where the table begins or ceases to be large enough."""
    for before, after in pairwise(steps):
        old, new = before.at_high.occupancy, after.at_low.occupancy
        if old is not None and new is not None and old.is_full != new.is_full:
            words = "the table is too small" if new.is_full else "the table holds all entries"
            yield f"at {after.low}: {words} from there on"


def _say_changes(changes: Sequence[tuple[Change, BothSides | None]]) -> Iterator[str]:
    """Phases that change alike at one value together."""
    alike: dict[tuple[int, str, bool], list[str]] = {}
    for change, sides in changes:
        before, after = (
            say_verdict(one).partition(";")[0] for one in (change.before, change.after)
        )
        words = f"{before} below, {after} from there on"
        if before == after:
            words = "other packets are lost from there on"
        alike.setdefault((change.at, words, sides is not None), []).append(change.after.phase.name)
    for (at, words, is_played), names in alike.items():
        witness = "; played on both sides" if is_played else ""
        yield f"at {at}: {', '.join(names)}: {words}{witness}"


# Notes


def _add_notes(page: Page, result: WhatIfResult) -> None:
    if result.played:
        said = f"{result.played} thresholds were played on both sides"
        page.add_wrapped(f"checked: {said}", indent=2)
    if result.answer.undecided:
        page.add_wrapped(
            "the rules leave something open: `ctlint lint` names what is undecided", indent=2
        )
