# SPDX-License-Identifier: GPL-2.0-only
"""The live kernel passes the tests of a firewall that the model passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.lab.lab import Lab
from ctlint.scenario.check import check
from ctlint.source.scenario_files import ScenarioFile
from tests.corpus import REPOSITORY

pytestmark = pytest.mark.netns

FOLDER = REPOSITORY / "examples" / "firewall-tests"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ct")), ids=lambda path: path.stem)
def test_the_examples_pass(path: Path, kernel: Lab) -> None:
    for told in ScenarioFile(str(path)):
        answers = kernel.play(told.scenario).packets
        checked = check(told.scenario, answers, told.rule_index())
        assert checked.expected
        assert checked.unmet == (), told.scenario.name
