# SPDX-License-Identifier: GPL-2.0-only
"""What a baseline hides, and what is gone of it. docs/baseline.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ctlint.finding import (
    AllowedBy,
    Compared,
    Confidence,
    Finding,
    Identity,
    LintResult,
    Location,
    Role,
    Severity,
    Suppressed,
    bare_text,
)
from ctlint.lint.baseline import Known, baseline_of, compared, gathered
from ctlint.wire.addresses import Family

RULE = "-A INPUT -m conntrack --ctstate INVALID -j DROP"
ONE = Finding(
    rule="CT102",
    name="input-invalid-drop",
    severity=Severity.WARNING,
    confidence=Confidence.CERTAIN,
    message="m",
    remedy="r",
    location=Location("rules.v4", 7, 1, 48, "filter", "INPUT", 3, RULE),
    family=Family.IPV4,
    role=Role.SERVER,
)
KEY = Identity("CT102", "server", "IPV4", "filter", "INPUT", RULE)
ALLOWED = Suppressed(AllowedBy.COMMENT, "x", "rules.v4", 6)


def result(*findings: Finding) -> LintResult:
    return LintResult("6.18", (), findings)


def elsewhere(text: str = RULE, file: str = "other", line: int = 99) -> Finding:
    place = replace(ONE.location, file=file, line=line, position=40, text=text)
    return replace(ONE, location=place)


def hides(old: LintResult, new: LintResult) -> tuple[list[bool], dict[Identity, int]]:
    """Which findings are hidden, and what is gone."""
    found = compared(new, baseline_of(old), "b", {"CT102"})
    assert isinstance(found.baseline, Compared)
    hidden = [
        each.suppressed is not None and each.suppressed.by is AllowedBy.BASELINE
        for each in found.findings
    ]
    assert found.baseline.hidden == sum(hidden)
    return hidden, dict(found.baseline.gone)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (f"[12:3456] {RULE}", RULE),
        (f"  [0:0]  {RULE} \t", RULE),
        (RULE.replace("INPUT", "INPUT -c 10 200"), RULE),
        (RULE.replace("INPUT", "INPUT --set-counters 10 200"), RULE),
        (":INPUT DROP [12:3456]", ":INPUT DROP"),
        (":INPUT DROP", ":INPUT DROP"),
        ('-A INPUT -m comment --comment "[1:2] -A" -j DROP', None),
        ("-A INPUT -c 1 2x", None),
    ],
)
def test_a_text_without_counters(text: str, bare: str | None) -> None:
    assert bare_text(text) == (text if bare is None else bare)


def test_identity_and_fingerprint_go_together() -> None:
    assert ONE.identity == KEY
    assert elsewhere(f"[7:8] {RULE}").identity == KEY
    assert elsewhere(f"[7:8] {RULE}").fingerprint == ONE.fingerprint
    others = [
        replace(ONE, rule="CT103"),
        replace(ONE, role=Role.CLIENT),
        replace(ONE, family=Family.IPV6),
        replace(ONE, location=replace(ONE.location, table="raw")),
        replace(ONE, location=replace(ONE.location, chain="OUTPUT")),
        elsewhere(":INPUT DROP"),
    ]
    assert len({each.identity for each in (ONE, *others)}) == 7
    assert len({each.fingerprint for each in (ONE, *others)}) == 7


def test_moved_lines_and_counters_are_no_change() -> None:
    assert hides(result(ONE), result(elsewhere(f"[1:2] {RULE}"))) == ([True], {})


def test_as_many_are_hidden_as_there_were() -> None:
    assert hides(result(ONE), result(ONE, elsewhere())) == ([True, False], {})
    assert hides(result(ONE, ONE, ONE), result(ONE)) == ([True], {KEY: 2})


def test_what_is_more_severe_is_new_and_not_gone() -> None:
    worse = replace(ONE, severity=Severity.ERROR)
    assert hides(result(ONE), result(worse)) == ([False], {})
    assert hides(result(worse), result(ONE)) == ([True], {})
    assert hides(result(ONE, worse), result(worse, worse)) == ([True, True], {})


def test_what_is_allowed_is_neither_written_nor_gone() -> None:
    allowed = replace(ONE, suppressed=ALLOWED)
    assert baseline_of(result(allowed)) == {}
    assert hides(result(ONE), result(allowed)) == ([False], {})
    assert hides(result(ONE), result(allowed, ONE)) == ([False, True], {})


def test_of_rules_that_were_not_asked_nothing_is_gone() -> None:
    other = replace(ONE, rule="CT101")
    assert hides(result(ONE, other), result()) == ([], {KEY: 1})


def test_what_is_hidden_is_written_again() -> None:
    hidden = compared(result(ONE, elsewhere()), baseline_of(result(ONE)), "b", ())
    assert baseline_of(hidden) == {KEY: Known(2, Severity.WARNING)}
    assert (hidden.allowed, hidden.count(Severity.WARNING)) == (0, 1)


def test_entries_of_one_identity_are_added() -> None:
    entries = [(KEY, Known(1, Severity.ERROR)), (KEY, Known(2, Severity.NOTE))]
    assert gathered(entries) == {KEY: Known(3, Severity.ERROR)}
