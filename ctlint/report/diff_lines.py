# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint diff`` in lines: for grep and editors, and for a review in Markdown."""

from __future__ import annotations

import re
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

_PLACES: Final = 3
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@])")


def render_diff_concise(result: DiffResult) -> str:
    """``FILE:LINE:COL: SEVERITY KIND MESSAGE [ROLE]``, a line for each difference."""
    return "".join(f"{visible(_line(each))}\n" for each in result.differences)


def _line(each: Difference) -> str:
    place = place_of(each)
    where = f"{place.file}:{place.line}:{place.column}: " if place else ""
    return f"{where}{each.severity.value} {each.kind.value} {each.message} [{each.role.value}]"


def render_diff_markdown(result: DiffResult) -> str:
    """A list of the differences, as for the description of a change."""
    lines = [f"**{_plain(say_summary(result))}**", ""]
    for each in result.differences:
        lines += [*_difference(each), ""]
    groups = undecided_groups(result)
    if groups:
        lines += ["Not decided, could change what is said above:", ""]
        for said, places in groups:
            named = ", ".join(f"{one.file}:{one.line}" for one in places[:_PLACES])
            more = len(places) - _PLACES
            rest = f" and {more} more" if more > 0 else ""
            lines.append(f"- {_plain(f'{said} ({named}{rest})')}")
        lines.append("")
    return "\n".join(lines)


def _difference(each: Difference) -> Iterator[str]:
    known = f"{each.role.value}, {FAMILIES[each.family]}, {each.confidence.value}"
    yield f"- **{each.severity.value}: {each.kind.value}** ({known}): {_plain(each.message)}"
    yield f"  - packets: {_plain(say_packets(each.packets))}"
    for name, said in say_scope(each):
        yield f"  - {name}: {_plain(said)}"
    if each.stranded:
        yield f"  - stranded: {_plain(say_stranded(each.stranded))}"
    for name, decision in (("before", each.old), ("now", each.new)):
        yield f"  - {name}: {_plain(say_decision(decision))}{_code(decision)}"


def _plain(text: str) -> str:
    """Text without a meaning in Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", visible(text))


def _code(decision: Decision) -> str:
    """The line of a rule as code, fenced by more backticks than it has in a row."""
    if decision.location is None or not decision.location.text:
        return ""
    text = visible(decision.location.text)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f" {fence} {text} {fence}"
