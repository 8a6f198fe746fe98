# SPDX-License-Identifier: GPL-2.0-only
"""What was found, as diagnostics of the files in which it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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

from ctlint.finding import Finding, Role, Severity, Undecided
from ctlint.finding import Location as Place
from ctlint.lsp.checking import Answer
from ctlint.lsp.pages import page_uri
from ctlint.lsp.positions import Places
from ctlint.parse.errors import Problem
from ctlint.report.escape import visible

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

_ROLES: Final = tuple(Role)
_NOWHERE: Final = Range(Position(0, 0), Position(0, 0))

PlacesOf = Callable[[str], Places | None]
"""The places of a file by its name; None where its text is not known."""

UriOf = Callable[[str], str]


class Reporter:
    """Makes diagnostics. It is told how clients name files, and where lines stand in them."""

    def __init__(self, places: PlacesOf, uri: UriOf) -> None:
        self._places = places
        self._uri = uri

    def diagnostics(
        self, answer: Answer, *, shows_undecided: bool
    ) -> dict[str, Sequence[Diagnostic]]:
        """The diagnostics of each file that was looked at, by its name."""
        found: dict[str, list[Diagnostic]] = {file: [] for file in answer.files}
        for problem in answer.problems:
            found.setdefault(problem.span.file, []).append(self._of_problem(problem))
        for group in side_by_side(answer.findings):
            found.setdefault(group[0].location.file, []).append(self.of_findings(group))
        if shows_undecided:
            for what in answer.undecided:
                found.setdefault(what.location.file, []).append(self._of_undecided(what))
        return {file: list(_bounded(each)) for file, each in found.items()}

    def of_findings(self, group: Sequence[Finding]) -> Diagnostic:
        """The diagnostic of findings that differ by role alone."""
        first = group[0]
        related = dict.fromkeys(place for finding in group for place in finding.related)
        page = page_uri(first.rule)
        return Diagnostic(
            self._range(first.location),
            "\n".join(_messages(group)),
            _SEVERITIES[first.severity],
            first.rule,
            CodeDescription(page) if page else None,
            SOURCE,
            [DiagnosticTag.Unnecessary] if first.rule in _NEEDLESS else None,
            [self._related(place) for place in related] or None,
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


def side_by_side(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The findings that are not allowed; those of one rule at one place, which differ by role,
    together.
    """
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        if finding.suppressed is None:
            key = (finding.rule, finding.severity, finding.location, finding.family)
            groups.setdefault(key, []).append(finding)
    for group in groups.values():
        group.sort(key=lambda finding: _ROLES.index(finding.role) if finding.role else 0)
    return list(groups.values())


def _messages(group: Sequence[Finding]) -> Iterator[str]:
    """What is said, each thing once, with the roles of which it is said."""
    roles: dict[str, list[str]] = {}
    for finding in group:
        roles.setdefault(finding.message, []).extend([finding.role.value] if finding.role else [])
    for message, names in roles.items():
        yield visible(f"{', '.join(names)}: {message}" if len(group) > 1 else message)


def _bounded(found: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    yield from islice(found, MOST)
    if len(found) > MOST:
        message = f"{len(found) - MOST:,} more; ctlint lint shows all"
        yield Diagnostic(_NOWHERE, message, DiagnosticSeverity.Information, source=SOURCE)
