# SPDX-License-Identifier: GPL-2.0-only
"""What lint says of real dumps, as a person has reviewed it: ``tests/golden/NAME.txt``.

A file names its dump (``# dump:``, below the corpus), tells in comments what a person found who
read the dump's rules, and lists the findings, one a line, without any text of the dump. With
``--update-golden`` the lists are written anew and the comments stay: to be reviewed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from ctlint.finding import Finding, LintResult, Location, PacketKind, Undecided
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.transit import Facts
from ctlint.source.inputs import read_inputs
from tests.corpus import REPOSITORY

GOLDEN: Final = REPOSITORY / "tests" / "golden"
EXAMPLE: Final = REPOSITORY / "examples" / "fin-wait-1"
MANY: Final = 8
"""So many ranges of ports are written, of more their number."""


def result_of(path: Path) -> LintResult:
    """What lint says of a dump or a host's folder, for everyone and the newest kernel."""
    inputs = read_inputs([str(path)])
    hosts = [Host(one.rulesets, one.sysctls, Facts(sets=one.sets)) for one in inputs]
    return lint(hosts, NEWEST, shipped_rules())


def lines_of(result: LintResult) -> Iterator[str]:
    """The findings and what is undecided, one a line, in the order of the report."""
    yield from map(finding_line, result.findings)
    counts = Counter(map(undecided_words, result.undecided))
    yield from (f"undecided {count}: {words}" for words, count in counts.items())


def finding_line(finding: Finding) -> str:
    """A finding, without the text of its rule."""
    words = [finding.severity.value, finding.rule, finding.confidence.value]
    if finding.role is not None:
        words.append(finding.role.value)
    text = f"{' '.join(words)}, line {finding.location.line}"
    if finding.location.chain is not None:
        text += f", {place(finding.location)}"
    related = ", ".join(place(where) for where in finding.related if where.chain is not None)
    if related:
        text += f" ({related})"
    if finding.packet is None:
        return text
    others = [packet(kind) for kind in finding.packets if kind != finding.packet]
    text += f": {packet(finding.packet)}{' + ' if others else ''}{', '.join(others)}"
    ports = finding.ports
    shown = ",".join(ports) if len(ports) <= MANY else f"{len(ports)} ranges"
    return f"{text}; ports {shown or 'all'}"


def place(where: Location) -> str:
    """A rule or policy."""
    end = " policy" if where.position is None else f"#{where.position}"
    return f"{where.table}/{where.chain}{end}"


def packet(kind: PacketKind) -> str:
    """A packet, as the finding says it."""
    return f"{kind.dir} {kind.flags} {kind.ctstate}"


def undecided_words(undecided: Undecided) -> str:
    """What is undecided, without its place."""
    return f"{undecided.match + ': ' if undecided.match else ''}{undecided.why}"


def head_and_list(text: str) -> tuple[list[str], list[str]]:
    """The comments of a file, and its list."""
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("#") or not line]
    return head, [line for line in lines if line not in head]


@pytest.mark.corpus
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_findings_are_those_that_were_reviewed(
    path: Path, corpus: Path, request: pytest.FixtureRequest
) -> None:
    head, expected = head_and_list(path.read_text("utf-8"))
    named = head[0].removeprefix("# dump: ")
    found = list(lines_of(result_of(corpus / named)))
    if request.config.getoption("update_golden"):
        path.write_text("\n".join([*head, *found]) + "\n", "utf-8")
        return
    assert found == expected
    assert len(head) > 1, "it was reviewed"


def worst(findings: Iterable[Finding]) -> set[str]:
    return {finding.severity.value for finding in findings}


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["ufw-default", "docker"])
def test_default_hosts_get_no_more_than_notes(name: str, corpus: Path) -> None:
    head, _ = head_and_list((GOLDEN / f"{name}.txt").read_text("utf-8"))
    result = result_of(corpus / head[0].removeprefix("# dump: "))
    assert worst(result.findings) <= {"note"}


def test_the_incident_is_an_error_in_each_role_that_it_concerns() -> None:
    found = result_of(EXAMPLE).findings
    errors = {(each.rule, each.role and each.role.value) for each in found if is_error(each)}
    # As client its own FIN is lost, and as server on every port that rules accept.
    assert {("CT101", "client"), ("CT101", "server")} <= errors


def is_error(finding: Finding) -> bool:
    return finding.severity.value == "error"
