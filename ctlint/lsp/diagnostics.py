# SPDX-License-Identifier: GPL-2.0-only
"""What was found, as diagnostics of the files in which it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Final

from lsprotocol.types import (
    CodeDescription,
    Diagnostic,
    DiagnosticRelatedInformation,
    DiagnosticSeverity,
    DiagnosticTag,
    Location,
    Position,
    Range,
)

from ctlint.finding import Finding, Severity, Undecided
from ctlint.finding import Location as Place
from ctlint.lsp.checking import Answer
from ctlint.lsp.pages import page_uri
from ctlint.lsp.positions import Places
from ctlint.parse.errors import Problem
from ctlint.report.causes import findings_by_place
from ctlint.report.escape import visible
from ctlint.report.places import related_of, roles_of, split_messages

SOURCE: Final = "ctlint"

MOST: Final = 1_000
"""Diagnostics of one file; the most severe come first."""

_SEVERITIES: Final = {
    Severity.ERROR: DiagnosticSeverity.Error,
    Severity.WARNING: DiagnosticSeverity.Warning,
    Severity.NOTE: DiagnosticSeverity.Information,
}
_NEEDLESS: Final = frozenset(("CT409", "CT414"))
"""Rules about rules to which no packet comes: editors fade these."""

_NOWHERE: Final = Range(Position(0, 0), Position(0, 0))

PlacesOf = Callable[[str], Places | None]
"""The places of a file by its name; None where its text is not known."""

UriOf = Callable[[str], str]


class Reporter:
    """Makes diagnostics of one answer. It is told how the client names files, and where lines stand
    in them.
    """

    def __init__(self, places: PlacesOf, uri: UriOf) -> None:
        self._places = cache(places)
        self._uri = uri

    def diagnostics(
        self, answer: Answer, *, shows_undecided: bool
    ) -> dict[str, Sequence[Diagnostic]]:
        """The diagnostics of each file that was looked at, by its name."""
        found: dict[str, list[Diagnostic]] = {file: [] for file in answer.files}
        for problem in answer.problems:
            found.setdefault(problem.span.file, []).append(self._of_problem(problem))
        for group in findings_by_place(answer.findings):
            found.setdefault(group[0].location.file, []).append(self.of_findings(group))
        if shows_undecided:
            for what in answer.undecided:
                found.setdefault(what.location.file, []).append(self._of_undecided(what))
        return {file: list(_bounded(each)) for file, each in found.items()}

    def of_findings(self, group: Sequence[Finding]) -> Diagnostic:
        """The diagnostic of findings that differ by role alone."""
        first = group[0]
        page = page_uri(first.rule)
        return Diagnostic(
            self._range(first.location),
            "\n".join(_messages(group)),
            _SEVERITIES[first.severity],
            first.rule,
            CodeDescription(page) if page else None,
            SOURCE,
            [DiagnosticTag.Unnecessary] if first.rule in _NEEDLESS else None,
            [self._related(place) for place in related_of(group)] or None,
        )

    def _of_problem(self, problem: Problem) -> Diagnostic:
        hint = "" if problem.hint is None else f"\nhint: {visible(problem.hint)}"
        place = Place(problem.span.file, *problem.span[1:])
        message = f"{visible(problem.message)}{hint}"
        return Diagnostic(self._range(place), message, DiagnosticSeverity.Error, source=SOURCE)

    def _of_undecided(self, what: Undecided) -> Diagnostic:
        said = f"{what.match}: {what.why}" if what.match else what.why
        message = f"not decided: {visible(said)}"
        place = self._range(what.location)
        return Diagnostic(place, message, DiagnosticSeverity.Hint, source=SOURCE)

    def _related(self, place: Place) -> DiagnosticRelatedInformation:
        where = Location(self._uri(place.file), self._range(place))
        return DiagnosticRelatedInformation(where, visible(place.message or "see also"))

    def _range(self, place: Place) -> Range:
        places = self._places(place.file)
        if places is None:
            return _NOWHERE
        return places.range(place.line, place.column, place.end_column)


def _messages(group: Sequence[Finding]) -> Iterator[str]:
    """What is said, each thing once, with the roles of which it is said."""
    own, shared = split_messages([finding.message for finding in group])
    roles: dict[str, list[str]] = {}
    for finding, message in zip(group, own, strict=True):
        roles.setdefault(message, []).extend(roles_of([finding]))
    if len(roles) == 1 and shared:
        own, shared = [f"{own[0]}; {shared}"], ""
        roles = {own[0]: roles_of(group)}
    for message, names in roles.items():
        yield visible(f"{', '.join(names)}: {message}" if names and len(group) > 1 else message)
    if shared:
        yield visible(f"in each case: {shared}")


def _bounded(found: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    yield from islice(found, MOST)
    if len(found) > MOST:
        message = f"{len(found) - MOST:,} more; ctlint lint shows all"
        yield Diagnostic(_NOWHERE, message, DiagnosticSeverity.Information, source=SOURCE)
