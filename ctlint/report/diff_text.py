# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint diff`` for a terminal, in the form of the findings of lint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.analysis.difference import Decision, Difference, DiffResult
from ctlint.finding import Severity
from ctlint.report.diff_words import (
    FAMILIES,
    place_of,
    say_decision,
    say_packets,
    say_scope,
    say_stranded,
    say_summary,
    undecided_groups,
)
from ctlint.report.excerpt import cut_excerpt
from ctlint.report.page import LEAST_ROOM, Page
from ctlint.report.places import say_kinds
from ctlint.report.sentence import say_place

if TYPE_CHECKING:
    from rich.console import Console

_STYLES: Final = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "bold yellow",
    Severity.NOTE: "bold cyan",
}
_FRAME: Final = "blue"


def render_diff(result: DiffResult, *, console: Console) -> None:
    """Prints the differences with the lines that decide, what was not decided, and a summary."""
    page = Page(console)
    for difference in result.differences:
        _add_difference(page, difference)
        page.flush()
    _add_undecided(page, result)
    page.add_wrapped((say_summary(result), "bold"))
    page.flush()


def _add_difference(page: Page, each: Difference) -> None:
    style = _STYLES[each.severity]
    known = f" ({each.confidence.value}, {each.role.value}, {FAMILIES[each.family]})"
    page.add_wrapped(
        (each.severity.value, style), (f": {each.kind.value}", "bold"), known, indent=2
    )
    places = [side.location for side in (each.old, each.new) if side.location is not None]
    digits = max((len(str(place.line)) for place in places), default=1)
    first, second = ("now", each.new), ("before", each.old)
    if place_of(each) is each.old.location:
        first, second = second, first
    for index, (name, decision) in enumerate((first, second)):
        _add_decision(page, name, decision, digits, style if index == 0 else _FRAME)
    margin = " " * (digits + 1)
    items = [("what changes", each.message), ("packets", say_packets(each.packets))]
    items += say_scope(each)
    if each.stranded:
        items.append(("stranded", say_stranded(each.stranded)))
    for label, said in items:
        lead = (margin, ("= ", _FRAME), (f"{label}: ", "bold"))
        page.add_wrapped(said, first=lead, indent=digits + 3)
    page.add()


def _add_decision(page: Page, name: str, decision: Decision, digits: int, style: str) -> None:
    place = decision.location
    margin = " " * digits
    said = f"{name}: {say_decision(decision)}"
    if place is None:
        page.add((f"{margin}--> ", _FRAME), said)
        return
    where = f"{place.file}:{place.line}:{place.column} ({say_place(place)})"
    page.add((f"{margin}--> ", _FRAME), where)
    bar = "│" if page.is_unicode else "|"
    number = f"{place.line:>{digits}}"
    room = max(page.width - digits - 3, LEAST_ROOM)
    ellipsis = "…" if page.is_unicode else "..."
    excerpt = cut_excerpt(place, room, encoding=page.encoding, ellipsis=ellipsis)
    page.add((f"{number} {bar} ", _FRAME), excerpt.text)
    carets = " " * excerpt.offset + "^" * excerpt.length
    page.add((f"{margin} {bar} ", _FRAME), (f"{carets} {said}", style))


def _add_undecided(page: Page, result: DiffResult) -> None:
    groups = undecided_groups(result)
    if not groups:
        return
    page.add(("not decided, could change what is said above:", "bold"))
    for said in say_kinds(groups):
        page.add_wrapped(said, first=("  ",), indent=4)
    page.add()
