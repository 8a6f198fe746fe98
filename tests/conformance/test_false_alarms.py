# SPDX-License-Identifier: GPL-2.0-only
"""docs/false-alarms.md: every kind of finding in real rule sets has a verdict, and none is above a
note on what programs load by themselves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.finding import Severity
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import lint
from ctlint.model.kernel.profiles import profile
from tests.corpus import find_corpus
from tools.false_alarms import PAGE, complaints, page, recorded, verdicts
from tools.real_rulesets import Scan, as_host, configurations, made_by

DEFAULTS = ("ufw", "firewalld", "docker", "libvirt", "kube-proxy")
"""Programs on whose untouched rules lint says nothing above a note."""

pytestmark = [pytest.mark.corpus, pytest.mark.slow]


@pytest.fixture(scope="module")
def scan() -> Scan:
    """What lint says of all rule sets that are at hand."""
    corpus = find_corpus()
    assert corpus is not None
    return Scan(corpus)


def test_every_kind_has_its_verdict(scan: Scan) -> None:
    assert list(complaints(scan, verdicts(), recorded())) == []


def test_the_page_is_current(scan: Scan) -> None:
    assert PAGE.read_text("utf-8") == page(scan, verdicts(), recorded()), (
        "python -m tools.false_alarms"
    )


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


def test_configurations_are_all_that_there_are(corpus: Path) -> None:
    found = list(configurations(corpus))
    assert sum(one.name.startswith("generated/") for one in found) == 48
    assert len(found) > 170
    # A folder's name tells its tool, whatever chains it has.
    assert made_by("generated/ufw-default-nft", ()) == "ufw"
    assert made_by("generated/nftex-ipv4-nat-nft", ()) == "nft's examples"
