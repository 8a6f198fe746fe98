# SPDX-License-Identifier: GPL-2.0-only
"""Tests of a firewall for a terminal: a line each, and what came instead of what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctlint.report.check_result import Status, Tally, TestResult
from ctlint.report.page import Page
from ctlint.scenario.check import Unmet

if TYPE_CHECKING:
    from rich.console import Console

_DIM: Final = "dim"
_HEADING: Final = "bold"
_BAD: Final = "bold red"
_GOOD: Final = "green"
_OPEN: Final = "bold yellow"
_NAME_SHOWN: Final = 200
_WORDS: Final = {
    Status.PASSED: ("pass", _GOOD),
    Status.FAILED: ("FAIL", _BAD),
    Status.WITHOUT: ("none", _OPEN),
}
_INDENT: Final = " " * 6
_INNER: Final = " " * 8
_LABEL: Final = 10


def render_check(result: TestResult, *, console: Console) -> None:
    """Prints one test."""
    page = Page(console)
    name = result.name
    if len(name) > _NAME_SHOWN:
        name = name[:_NAME_SHOWN] + "…"
    word, style = _WORDS[result.status]
    more = ": it expects nothing" if result.status is Status.WITHOUT else ""
    page.add_wrapped(
        (f"{result.file}:{result.line}", _DIM),
        "  ",
        (name, _HEADING if result.status is Status.FAILED else ""),
        more,
        first=((word, style), "  "),
    )
    if result.missing_sysctls:
        missing = ", ".join(result.missing_sysctls)
        page.add_wrapped(f"this kernel has no {missing}", first=(_INDENT, ("ignored: ", _OPEN)))
    for unmet in result.checked.unmet:
        _add_unmet(page, result, unmet)
    page.flush()


def _add_unmet(page: Page, result: TestResult, unmet: Unmet) -> None:
    where = f"packet {unmet.expectation.packet}"
    line = result.line_of(unmet)
    if line is not None:
        where = f"line {line}"
    one = result.one_of_several(unmet)
    if one is not None:
        where += f", its {one}"
    page.add_wrapped(f"{where}: ", (result.statement(unmet), _HEADING), first=(_INDENT,))
    for miss in unmet.misses:
        page.add_wrapped(miss.expected, first=(_INNER, (f"{'expected':<{_LABEL}}", _GOOD)))
        style = _OPEN if miss.is_open else _BAD
        page.add_wrapped(miss.got, first=(_INNER, (f"{'got':<{_LABEL}}", style)))
    if unmet.rule is not None:
        said = unmet.rule + (f": {unmet.rule_text}" if unmet.rule_text else "")
        page.add_wrapped(said, first=(_INNER, (f"{'decided':<{_LABEL}}", _DIM)))


def render_tally(tally: Tally, *, console: Console) -> None:
    """Prints the sums."""
    page = Page(console)
    tests = f"{tally.tests} test{'s' * (tally.tests != 1)}"
    if tally.tests:
        page.add()
    said = [tests, f"{tally.passed} passed", f"{tally.failed} failed"]
    if tally.without:
        said.append(f"{tally.without} without expectations")
    if tally.unreadable:
        said.append(f"{tally.unreadable} file{'s' * (tally.unreadable != 1)} not readable")
    style = _BAD if tally.failed or tally.unreadable else _GOOD
    page.add((", ".join(said), style))
    page.flush()
