# SPDX-License-Identifier: GPL-2.0-only
"""Socket scripts as tests: which hold, and what came instead of what was expected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

from ctlint.ir.span import Span
from ctlint.report.check_result import Status
from ctlint.report.outcome import say_ending
from ctlint.report.page import Page
from ctlint.scenario.socket_check import SocketUnmet
from ctlint.scenario.socket_story import Story

if TYPE_CHECKING:
    from rich.console import Console

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_WORDS: Final = {
    Status.PASSED: ("pass", "green"),
    Status.FAILED: ("FAIL", "bold red"),
    Status.WITHOUT: ("none", "bold yellow"),
}
_INDENT: Final = " " * 6
_INNER: Final = " " * 8
_LABEL: Final = 10


@dataclass(frozen=True, slots=True)
class SocketResult:
    """One test that was played; `lines` are those of its script."""

    file: str
    title: str
    story: Story
    unmet: Sequence[SocketUnmet]
    lines: Sequence[str]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.story.plan.name or self.title

    @property
    def status(self) -> Status:
        """How it ended."""
        if not self.story.plan.expected:
            return Status.WITHOUT
        return Status.FAILED if self.unmet else Status.PASSED

    def text(self, span: Span) -> str:
        """What stands at a place of the script."""
        return self.lines[span.line - 1][span.column - 1 : span.end_column - 1].strip()


def render_socket_check(result: SocketResult, *, console: Console) -> None:
    """Prints one test."""
    page = Page(console)
    word, style = _WORDS[result.status]
    more = ": it expects nothing" if result.status is Status.WITHOUT else ""
    page.add_wrapped(
        (f"{result.file}:{result.story.plan.span.line}", "dim"),
        "  ",
        (result.name, "bold" if result.status is Status.FAILED else ""),
        more,
        first=((word, style), "  "),
    )
    if result.story.missing_sysctls:
        missing = ", ".join(result.story.missing_sysctls)
        page.add_wrapped(
            f"this kernel has no {missing}", first=(_INDENT, ("ignored: ", "bold yellow"))
        )
    for unmet in result.unmet:
        span = unmet.step.span
        words = result.text(span).split("=>")[0].strip()
        page.add_wrapped(f"line {span.line}: ", (words, "bold"), first=(_INDENT,))
        for miss in unmet.misses:
            expected = result.text(miss.claim.span)
            page.add_wrapped(expected, first=(_INNER, (f"{'expected':<{_LABEL}}", "green")))
            style = "bold yellow" if miss.is_open else "bold red"
            page.add_wrapped(miss.got, first=(_INNER, (f"{'got':<{_LABEL}}", style)))
    if result.unmet and not result.story.ending.is_whole:
        page.add_wrapped(say_ending(result.story), first=(_INDENT,))
    page.flush()


def write_socket_check_json(result: SocketResult, stream: TextIO) -> None:
    """Writes one test as one line of ASCII, and hands it on."""
    written = {
        "file": result.file,
        "line": result.story.plan.span.line,
        "name": result.name,
        "status": result.status.value,
        "expected": result.story.plan.expected,
        "unmet": [
            {
                "line": unmet.step.span.line,
                "statement": result.text(unmet.step.span),
                "misses": [
                    {
                        "expected": result.text(miss.claim.span),
                        "got": miss.got,
                        "undecided": miss.is_open,
                    }
                    for miss in unmet.misses
                ],
            }
            for unmet in result.unmet
        ],
        "ended": say_ending(result.story),
    }
    if result.story.missing_sysctls:
        written["missing_sysctls"] = [*result.story.missing_sysctls]
    stream.write(_ENCODER.encode(written) + "\n")
    stream.flush()
