# SPDX-License-Identifier: GPL-2.0-only
"""The result of ``ctlint lint`` for a terminal.

Text of an input reaches rich only as :class:`rich.text.Text` made of :func:`visible` text, so
that neither markup nor control characters in it have an effect. rich is imported inside the
functions: the other report formats start without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ctlint.finding import Finding, LintResult, Location, Severity, Undecided
from ctlint.report.causes import Cause, causes, group_by_place
from ctlint.report.escape import is_unicode, visible
from ctlint.report.excerpt import cut_excerpt
from ctlint.report.places import (
    FULL_SHOWN,
    RELATED_SHOWN,
    hosts_of,
    known_of,
    losses_of,
    place_of,
    related_of,
    remedies_of,
    roles_of,
    say_rest,
    say_undecided,
    split_messages,
)
from ctlint.report.sentence import (
    say_facts,
    say_gone,
    say_place,
    say_rules,
    say_skipped,
    say_summary,
    say_suppressed,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import StyleType
    from rich.text import Text

GONE_SHOWN = 10
"""How many entries of a baseline that are gone are listed; the rest is counted."""

SUMMED_FROM = 10
"""With more findings than this, they are summed up by rule at the end."""

_LEAST_ROOM = 20
"""A line is never cut or wrapped below so many cells."""

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
_FRAME = "blue"
_HELP = "green"


def render_text(result: LintResult, *, console: Console, show_suppressed: bool = False) -> None:
    """Prints the findings that are not suppressed, what was not decided, and a summary.

    With ``show_suppressed`` those that are have a line each, with the reason.

    Findings of one rule at one place, which differ by role, share their excerpt and their help; so
    do those of one cause on several hosts. Of a rule that speaks at many places the first are shown
    in full, the others in a line each.

    ``console`` decides on width, colours and encoding; with an encoding other than UTF-8 the
    frame is ASCII and what the encoding cannot hold is escaped. Paths and their places are never
    wrapped, so that a terminal can open them.
    """
    page = _Page(console)
    shown: Counter[str] = Counter()
    rest: list[list[Cause]] = []
    known = causes(result)
    for group in group_by_place(known):
        rule = group[0].lead.rule
        shown[rule] += 1
        if shown[rule] <= FULL_SHOWN:
            page.print_findings(group)
        else:
            rest.append(group)
    page.print_rest(rest)
    if show_suppressed:
        page.print_suppressed(result.findings)
    page.print_undecided(result.undecided)
    if result.baseline is not None:
        page.print_gone(say_gone(result.baseline))
    if sum(map(result.count, Severity)) > SUMMED_FROM:
        page.print_rules(say_rules(result))
    if facts := say_facts(result):
        page.print_line(facts)
    if result.config:
        page.print_line(f"configuration: {result.config}")
    if skipped := say_skipped(result):
        page.print_line(skipped)
    count = sum(cause.lead.suppressed is None for cause in known)
    page.print_line(say_summary(result, count), style="bold")


class _Page:
    """Prints on a console whose width and encoding it has looked up once."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.lines: list[Text] = []
        self.encoding = console.encoding
        unicode = is_unicode(console.encoding)
        self.bar = "│" if unicode else "|"
        self.ellipsis = "…" if unicode else "..."

    def print_findings(self, causes: Sequence[Cause]) -> None:
        """Prints the findings of one rule at one place, and an empty line."""
        from rich.text import Text

        group = [cause.lead for cause in causes]
        first = group[0]
        self._add_header(group)
        digits = len(str(first.location.line))
        self._add_location(first.location, digits, _STYLES[first.severity])
        for item in hosts_of(causes):
            self._add_item(digits, *item)
        own, shared = split_messages([finding.message for finding in group])
        for finding, message in zip(group, own, strict=True):
            role = finding.role.value if finding.role else ""
            whose = f" ({role})" if len(group) > 1 and role else ""
            self._add_item(digits, f"what happens{whose}", message)
            for item in losses_of(finding):
                self._add_item(digits, *item)
        if shared:
            self._add_item(digits, "in each case", shared)
        self._add_related(group, digits)
        for item in remedies_of(group):
            self._add_item(digits, *item, style=_HELP)
        self._add_item(digits, "rule", f"ctlint rules {first.rule}")
        self.lines.append(Text())
        self._flush()

    def _add_related(self, group: Sequence[Finding], digits: int) -> None:
        """Adds the places that the findings name, what is said of several in a row said once."""
        places = related_of(group)
        said = None
        for place in places[:RELATED_SHOWN]:
            message = place.message or "see also"
            if message != said:
                self._add_item(digits, "note", message)
            said = message
            self._add_location(place, digits, _FRAME, underline=False)
        if rest := say_rest(places, RELATED_SHOWN, ""):
            self._add_item(digits, "note", f"{rest} places")

    def print_rest(self, groups: Sequence[Sequence[Cause]]) -> None:
        """Prints findings of rules that were shown often enough, a line each place."""
        if not groups:
            return
        from rich.text import Text

        self.lines.append(Text("more places of the same rules:", "bold"))
        for group in groups:
            first = group[0].lead
            where = first.location
            said = roles_of([cause.lead for cause in group])
            hosts = group[0].hosts
            if len(hosts) > 1:
                said.append(f"{len(hosts):,} hosts")
            roles = ", ".join(said)
            place = place_of(where)
            head = Text.assemble(
                "  ",
                (
                    f"{first.severity.value}[{visible(first.rule, self.encoding)}]",
                    _STYLES[first.severity],
                ),
                " ",
                visible(f"{place} ({roles})" if roles else place, self.encoding),
            )
            room = self.console.width - head.cell_len - 1
            if where.text and room >= _LEAST_ROOM:
                start = replace(where, column=1, end_column=1)
                excerpt = cut_excerpt(start, room, encoding=self.encoding, ellipsis=self.ellipsis)
                head.append(f" {excerpt.text}")
            self.lines.append(head)
        self.lines.append(Text())
        self._flush()

    def print_suppressed(self, findings: Sequence[Finding]) -> None:
        """Prints the findings that are suppressed, a line each with the reason and its place."""
        from rich.text import Text

        suppressed = [(each, why) for each in findings if (why := each.suppressed) is not None]
        if not suppressed:
            return
        self.lines.append(Text("suppressed:", "bold"))
        for finding, why in suppressed:
            where = finding.location
            role = f" ({finding.role.value})" if finding.role else ""
            said = f" {where.file}:{where.line}:{where.column}{role}: {say_suppressed(why)}"
            style = _STYLES[finding.severity]
            rule = visible(finding.rule, self.encoding)
            lead = Text(f"{finding.severity.value}[{rule}]", style)
            self._add_wrapped(visible(said, self.encoding), indents=("  ", "    "), lead=lead)
        self.lines.append(Text())
        self._flush()

    def print_gone(self, gone: Sequence[str]) -> None:
        """Prints what the baseline has and the run does not, and an empty line."""
        if not gone:
            return
        from rich.text import Text

        self.lines.append(Text("in the baseline, and gone (write it again):", "bold"))
        for said in gone[:GONE_SHOWN]:
            self._add_wrapped(visible(said, self.encoding), indents=("  ", "    "))
        if rest := say_rest(gone, GONE_SHOWN, ""):
            self.lines.append(Text(f"  {rest}"))
        self.lines.append(Text())
        self._flush()

    def print_rules(self, rules: Sequence[str]) -> None:
        """Prints how often each rule has spoken, and an empty line."""
        from rich.text import Text

        self.lines.append(Text("by rule:", "bold"))
        for said in rules:
            self._add_wrapped(visible(said, self.encoding), indents=("  ", "    "))
        self.lines.append(Text())
        self._flush()

    def print_undecided(self, undecided: Sequence[Undecided]) -> None:
        """Prints what was not decided, one item for each match and reason, and an empty line."""
        if not undecided:
            return
        from rich.text import Text

        self.lines.append(Text("not decided, could change what is said above:", "bold"))
        for said in say_undecided(undecided):
            self._add_wrapped(visible(said, self.encoding), indents=("  ", "    "))
        self.lines.append(Text())
        self._flush()

    def print_line(self, text: str, *, style: StyleType = "") -> None:
        """Prints a sentence about the whole run."""
        self._add_wrapped(visible(text, self.encoding), indents=("", ""), style=style)
        self._flush()

    def _add_wrapped(
        self,
        text: str,
        *,
        indents: tuple[Text | str, str],
        lead: Text | None = None,
        style: StyleType = "",
    ) -> None:
        """Adds safe text in lines of at most the console's width.

        ``indents`` stand in front of the first line and of all others; ``lead`` stands in front
        of the text and is wrapped with it.
        """
        from rich.text import Text

        first, others = indents
        body = Text.assemble(lead or "", (text, style))
        room = max(self.console.width - max(len(first), len(others)), _LEAST_ROOM)
        for number, line in enumerate(body.wrap(self.console, room, overflow="fold")):
            line.rstrip()
            self.lines.append(Text.assemble(others if number else first, line))

    def _add_header(self, group: Sequence[Finding]) -> None:
        from rich.text import Text

        finding = group[0]
        style = _STYLES[finding.severity]
        lead = Text(f"{finding.severity.value}[{visible(finding.rule, self.encoding)}]", style)
        name = f": {visible(finding.name, self.encoding)}"
        lead.append(name, "bold")
        self._add_wrapped(f" ({', '.join(known_of(group))})", indents=("", "  "), lead=lead)

    def _add_location(
        self, location: Location, digits: int, style: str, *, underline: bool = True
    ) -> None:
        from rich.text import Text

        margin = " " * digits
        place = visible(place_of(location), self.encoding)
        arrow = Text.assemble((f"{margin}--> ", _FRAME), place)
        if said := say_place(location):
            arrow.append(visible(f" ({said})", self.encoding))
        self.lines.append(arrow)
        if not location.text:
            return
        number = f"{location.line:>{digits}}"
        room = max(self.console.width - len(number) - 3, _LEAST_ROOM)
        excerpt = cut_excerpt(location, room, encoding=self.encoding, ellipsis=self.ellipsis)
        if underline:
            self.lines.append(Text(f"{margin} {self.bar}", _FRAME))
        self.lines.append(Text.assemble((f"{number} {self.bar} ", _FRAME), excerpt.text))
        if underline:
            carets = " " * excerpt.offset + "^" * excerpt.length
            self.lines.append(Text.assemble((f"{margin} {self.bar} ", _FRAME), (carets, style)))

    def _add_item(self, digits: int, label: str, text: str, *, style: str = "") -> None:
        from rich.text import Text

        margin = " " * (digits + 1)
        self._add_wrapped(
            visible(text, self.encoding),
            indents=(Text.assemble(margin, ("= ", _FRAME)), margin + "  "),
            lead=Text(f"{label}: ", f"bold {style}"),
        )

    def _flush(self) -> None:
        """Prints the lines as they are, without wrapping: one call is much faster than many."""
        from rich.text import Text

        text = Text("\n").join(self.lines)
        self.console.print(text, highlight=False, soft_wrap=True, overflow="ignore")
        self.lines.clear()
