# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint diff`` in lines: for grep and editors, and for a review in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.difference import Decision, Difference, DiffResult
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
from ctlint.report.escape import visible
from ctlint.report.markdown_text import MOST_CHARACTERS, code_span, markdown_text
from ctlint.report.places import say_kinds

_REST: Final = "And {:,} more differences."


def render_diff_concise(result: DiffResult) -> str:
    """``FILE:LINE:COL: SEVERITY KIND MESSAGE [ROLE]``, a line for each difference."""
    return "".join(f"{visible(_line(each))}\n" for each in result.differences)


def _line(each: Difference) -> str:
    place = place_of(each)
    where = f"{place.file}:{place.line}:{place.column}: " if place else ""
    return f"{where}{each.severity.value} {each.kind.value} {each.message} [{each.role.value}]"


def render_diff_markdown(result: DiffResult) -> str:
    """A list of the differences, as for a description of a change; what has no room is counted."""
    head = [f"**{markdown_text(say_summary(result))}**", ""]
    tail = []
    if kinds := say_kinds(undecided_groups(result)):
        tail = ["Not decided, could change what is said above:", ""]
        tail += [*(f"- {markdown_text(said)}" for said in kinds), ""]
    room = MOST_CHARACTERS - sum(len(line) + 1 for line in (*head, *tail, _REST))
    lines = []
    for number, each in enumerate(result.differences):
        block = [*_difference(each), ""]
        room -= sum(len(line) + 1 for line in block)
        if room < 0:
            lines += [_REST.format(len(result.differences) - number), ""]
            break
        lines += block
    return "\n".join([*head, *lines, *tail])


def _difference(each: Difference) -> Iterator[str]:
    known = f"{each.role.value}, {FAMILIES[each.family]}, {each.confidence.value}"
    said = markdown_text(each.message)
    yield f"- **{each.severity.value}: {each.kind.value}** ({known}): {said}"
    yield f"  - packets: {markdown_text(say_packets(each.packets))}"
    for name, said in say_scope(each):
        yield f"  - {name}: {markdown_text(said)}"
    if each.stranded:
        yield f"  - stranded: {markdown_text(say_stranded(each.stranded))}"
    for name, decision in (("before", each.old), ("now", each.new)):
        said = markdown_text(say_decision(decision))
        yield f"  - {name}: {said}{_code(decision)}"


def _code(decision: Decision) -> str:
    """The line of a rule as code."""
    if decision.location is None or not decision.location.text:
        return ""
    return f" {code_span(decision.location.text)}"
