# SPDX-License-Identifier: GPL-2.0-only
"""Findings, problems and what is undecided as diagnostics (Language Server Protocol 3.17,
"Diagnostic").
"""

from __future__ import annotations

import pytest
from lsprotocol.types import (
    DiagnosticSeverity,
    DiagnosticTag,
    Position,
    PositionEncodingKind,
    Range,
)

from ctlint.finding import Confidence, Finding, Location, Role, Severity, Undecided
from ctlint.ir.span import Span
from ctlint.lsp.checking import Answer
from ctlint.lsp.diagnostics import MOST, Reporter
from ctlint.lsp.positions import Places
from ctlint.parse.errors import Problem

TEXT = "*filter\n[1:2] -A OUTPUT é -j DROP\n"


def _reporter() -> Reporter:
    def places(name: str) -> Places | None:
        return Places(TEXT, PositionEncodingKind.Utf16) if name == "/f" else None

    return Reporter(places, lambda name: f"file://{name}")


def _finding(
    message: str = "lost",
    role: Role | None = None,
    rule: str = "CT101",
    severity: Severity = Severity.ERROR,
    related: tuple[Location, ...] = (),
) -> Finding:
    place = Location("/f", 2, 7, 26, table="filter", chain="OUTPUT", position=1)
    return Finding(
        rule, "n", severity, Confidence.CERTAIN, message, "", place, role=role, related=related
    )


def _answer(
    *findings: Finding,
    problems: tuple[Problem, ...] = (),
    undecided: tuple[Undecided, ...] = (),
) -> Answer:
    return Answer("/f", ("/f",), ("/f",), (), problems, findings, undecided)


@pytest.mark.parametrize(
    ("severity", "shown"),
    [
        (Severity.ERROR, DiagnosticSeverity.Error),
        (Severity.WARNING, DiagnosticSeverity.Warning),
        (Severity.NOTE, DiagnosticSeverity.Information),
    ],
)
def test_a_finding(severity: Severity, shown: DiagnosticSeverity) -> None:
    answer = _answer(_finding(severity=severity))
    ((found,),) = _reporter().diagnostics(answer, shows_undecided=False).values()
    assert found.range == Range(Position(1, 6), Position(1, 25))
    assert (found.severity, found.code, found.message) == (shown, "CT101", "lost")
    assert found.tags is None
    assert found.related_information is None


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (("a; x", "a; x"), "client, server: a; x"),
        (("a", "b"), "client: a\nserver: b"),
        (("a; x; y", "b; x; y"), "client: a\nserver: b\nin each case: x; y"),
        (("a\n\x1b[31m", "a\n\x1b[31m"), "client, server: a\\n\\x1b[31m"),
    ],
)
def test_roles_share_a_diagnostic(messages: tuple[str, str], said: str) -> None:
    findings = [_finding(messages[1], Role.SERVER), _finding(messages[0], Role.CLIENT)]
    answer = _answer(*findings)
    ((found,),) = _reporter().diagnostics(answer, shows_undecided=False).values()
    assert found.message == said


def test_related_places() -> None:
    related = (
        Location("/f", 1, message="here"),
        Location("/unread", 7),
        Location("/f", 1, message="here"),
    )
    answer = _answer(_finding(rule="CT409", related=related))
    ((found,),) = _reporter().diagnostics(answer, shows_undecided=False).values()
    assert found.tags == [DiagnosticTag.Unnecessary]
    assert found.related_information is not None
    assert [
        (each.location.uri, each.location.range, each.message) for each in found.related_information
    ] == [
        ("file:///f", Range(Position(0, 0), Position(0, 7)), "here"),
        ("file:///unread", Range(Position(0, 0), Position(0, 0)), "see also"),
    ]


def test_problems_stand_in_their_files() -> None:
    problems = (
        Problem(Span("/f", 2, 18, 19), "odd\x07", "use another"),
        Problem(Span("/g", 1), "no text"),
    )
    shown = _reporter().diagnostics(_answer(problems=problems), shows_undecided=False)
    (one,), (other,) = shown["/f"], shown["/g"]
    assert one.range == Range(Position(1, 17), Position(1, 18))
    assert one.message == "odd\\x07\nhint: use another"
    assert one.severity is other.severity is DiagnosticSeverity.Error
    assert other.message == "no text"


def test_what_is_undecided() -> None:
    undecided = (
        Undecided(Location("/f", 2, 7, 26), "limit", "depends on time"),
        Undecided(Location("/f", 1), "", "not all is said"),
    )
    answer = _answer(undecided=undecided)
    assert _reporter().diagnostics(answer, shows_undecided=False) == {"/f": []}
    (first, second) = _reporter().diagnostics(answer, shows_undecided=True)["/f"]
    assert first.message == "not decided: limit: depends on time"
    assert first.severity is DiagnosticSeverity.Hint
    assert second.message == "not decided: not all is said"


def test_a_file_shows_so_many_at_most() -> None:
    findings = [_finding(rule=f"CT{n:04}") for n in range(MOST + 5)]
    shown = _reporter().diagnostics(_answer(*findings), shows_undecided=False)["/f"]
    assert len(shown) == MOST + 1
    assert shown[-1].message == "5 more; ctlint lint shows all"
