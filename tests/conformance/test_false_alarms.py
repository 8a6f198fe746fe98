# SPDX-License-Identifier: GPL-2.0-only
"""docs/false-alarms.md: every kind of finding in real rule sets has a verdict, and none is above a
note on what programs load by themselves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.finding import Confidence, Finding, Location, Severity
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import lint
from ctlint.model.kernel.profiles import profile
from tests.corpus import find_corpus
from tools.false_alarms import (
    PAGE,
    Played,
    Recording,
    Reviewed,
    Verdict,
    complaints,
    page,
    recorded,
    verdicts,
)
from tools.real_rulesets import Kind, Scan, as_host, configurations, made_by

DEFAULTS = ("ufw", "firewalld", "docker", "libvirt", "kube-proxy")
"""Programs on whose untouched rules lint says nothing above a note."""


@pytest.fixture(scope="module")
def scan() -> Scan:
    """What lint says of all rule sets that are at hand."""
    corpus = find_corpus()
    assert corpus is not None
    return Scan(corpus)


@pytest.mark.corpus
@pytest.mark.slow
def test_every_kind_has_its_verdict(scan: Scan) -> None:
    assert list(complaints(scan.kinds, verdicts(), recorded())) == []


@pytest.mark.corpus
@pytest.mark.slow
def test_the_page_is_current(scan: Scan) -> None:
    assert PAGE.read_text("utf-8") == page(scan, verdicts(), recorded()), (
        "python -m tools.false_alarms"
    )


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize("tool", DEFAULTS)
def test_what_programs_load_gets_no_more_than_notes(tool: str, scan: Scan) -> None:
    assert any(tool in made for made in scan.tools)
    above = {
        (kind, one.location.line)
        for kind, findings in scan.kinds.items()
        for one in findings
        if tool in kind.tool and one.severity is not Severity.NOTE
    }
    assert above == set()


@pytest.mark.corpus
@pytest.mark.slow
def test_what_older_kernels_add_is_known(corpus: Path) -> None:
    above = set()
    for configuration in configurations(corpus):
        found = configuration.read()
        if found is None or not set(made_by(configuration.name, found.rulesets).split(" + ")) <= {
            *DEFAULTS
        }:
            continue
        result = lint([as_host(found)], profile("6.0"), shipped_rules())
        above |= {one.rule for one in result.findings if one.severity is not Severity.NOTE}
    assert above == {"CT301", "CT306"}


@pytest.mark.corpus
@pytest.mark.slow
def test_configurations_are_all_that_there_are(corpus: Path) -> None:
    found = list(configurations(corpus))
    assert sum(one.name.startswith("generated/") for one in found) == 48
    assert len(found) > 170
    # A folder's name tells its tool, whatever chains it has.
    assert made_by("generated/ufw-default-nft", ()) == "ufw"
    assert made_by("generated/nftex-ipv4-nat-nft", ()) == "nft's examples"


def note(rule: str, severity: Severity = Severity.NOTE) -> Finding:
    return Finding(rule, "a-rule", severity, Confidence.CERTAIN, "", "", Location("rules", 1))


def test_what_nobody_looked_at_is_told() -> None:
    one, two, three = (Kind("tool", f"CT{number}") for number in (101, 102, 103))
    kinds = {one: [note("CT101")], two: [note("CT102", Severity.WARNING)]}
    fine = {
        one: Reviewed(Severity.NOTE, Verdict.TRUE, ""),
        two: Reviewed(Severity.WARNING, Verdict.TRUE, ""),
    }
    played = Recording("6.18.44", {one: Played(shown=1), two: Played(shown=1)})
    assert list(complaints(kinds, fine, played)) == []

    def told(said: dict[Kind, Reviewed], played: Recording = played) -> list[str]:
        return list(complaints(kinds, said, played))

    assert told({one: fine[one]}) == ["tool, CT102 (warning): no verdict"]
    harmless = Reviewed(Severity.WARNING, Verdict.HARMLESS, "")
    assert told({**fine, two: harmless}) == ["tool, CT102: harmless, and a warning"]
    false = Reviewed(Severity.WARNING, Verdict.FALSE, "")
    assert told({**fine, two: false}) == ["tool, CT102: a false alarm"]
    less = Reviewed(Severity.NOTE, Verdict.TRUE, "")
    assert told({**fine, two: less}) == ["tool, CT102: warning, reviewed as note"]
    assert told({**fine, three: less}) == ["tool, CT103: reviewed or played, and not found"]
    assert told(fine, Recording("6.18.44", {one: Played(shown=1), two: Played(shown=2)})) == [
        "tool, CT102: not all was played, or other findings were"
    ]
