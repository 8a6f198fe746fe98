# SPDX-License-Identifier: GPL-2.0-only
"""The live kernel passes the tests of a firewall that the model passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ctlint.lab.lab import Lab
from ctlint.scenario.answer import OpAnswer, PacketAnswer
from ctlint.scenario.check import check
from ctlint.scenario.rule_index import RuleIndex
from ctlint.source.scenario_files import ScenarioFile
from tests.corpus import REPOSITORY

pytestmark = pytest.mark.netns

FOLDER = REPOSITORY / "examples" / "firewall-tests"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ct")), ids=lambda path: path.stem)
def test_the_examples_pass(path: Path, kernel: Lab) -> None:
    for told in ScenarioFile(str(path)):
        index = told.rule_index()
        answers = [with_cause(each, index) for each in kernel.play(told.scenario).packets]
        checked = check(told.scenario, answers, index)
        assert checked.expected
        assert checked.unmet == (), told.scenario.name


def with_cause(answer: PacketAnswer | OpAnswer, index: RuleIndex) -> PacketAnswer | OpAnswer:
    """The kernel says which rules matched: a lost packet's last one stopped it, or that which sent
    an answer, whose own rules stand behind it.
    """
    if isinstance(answer, OpAnswer) or answer.delivered is not False or not answer.rules:
        return answer
    rejecting = (name for name in answer.rules if index.is_rejecting(name))
    return replace(answer, cause=next(rejecting, answer.rules[-1]))
