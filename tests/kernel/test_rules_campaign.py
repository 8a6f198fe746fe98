# SPDX-License-Identifier: GPL-2.0-only
"""The model of rule sets against the live kernel: random ones and real dumps, packet by packet."""

from __future__ import annotations

import json
import platform
import sys
from itertools import islice
from typing import Final

import pytest

from ctlint.lab.lab import Backend, Lab
from ctlint.model.kernel.profiles import UnknownKernel, profile
from tests.conformance.command import fresh_seed
from tests.conformance.faults import Fault
from tests.conformance.random_rule_scenarios import generate
from tests.conformance.rules_campaign import (
    Setup,
    corpus_scenarios,
    first_fault,
    run,
    shrink_fault,
)

pytestmark = pytest.mark.netns

PAIRS: Final = {Backend.LEGACY: 3_000, Backend.NFT: 600}
DUMPS: Final = 30
PACKETS_A_DUMP: Final = 40
TOLD: Final = 3


def setup_of(lab: Lab, backend: Backend) -> Setup:
    try:
        return Setup(profile(platform.release()), lab, backend)
    except UnknownKernel as error:
        pytest.skip(str(error))


def tell_seed(capsys: pytest.CaptureFixture[str]) -> int:
    seed = fresh_seed()
    with capsys.disabled():
        sys.stderr.write(f"\nCTLINT_SEED={seed}\n")
    return seed


def in_words(faults: list[Fault], setup: Setup) -> str:
    return "\n".join(json.dumps(fault.report(setup.kernel)) for fault in faults[:TOLD])


@pytest.mark.parametrize("backend", Backend)
def test_model_agrees_with_kernel(
    backend: Backend, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = setup_of(lab, backend)
    seed = tell_seed(capsys)
    faults: list[Fault] = []
    figures = run(generate(seed), setup, PAIRS[backend], faults.append)
    assert not faults, f"CTLINT_SEED={seed}: {figures}\n{in_words(faults, setup)}"
    assert figures.pairs >= PAIRS[backend]
    assert figures.decided > figures.pairs * 0.9, str(figures)


@pytest.mark.corpus
def test_model_agrees_with_kernel_about_real_dumps(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = setup_of(lab, Backend.LEGACY)
    seed = tell_seed(capsys)
    faults: list[Fault] = []
    scenarios = corpus_scenarios(seed, None, PACKETS_A_DUMP, most_dumps=DUMPS)
    figures = run(scenarios, setup, sys.maxsize, faults.append)
    assert not faults, f"CTLINT_SEED={seed}: {figures}\n{in_words(faults, setup)}"
    assert figures.pairs > DUMPS * PACKETS_A_DUMP // 2
    assert figures.decided > figures.pairs * 0.9, str(figures)


def test_campaign_finds_a_wrong_model(lab: Lab) -> None:
    """The model of an old kernel differs from any that runs today, and rules do not hide it."""
    setup = setup_of(lab, Backend.LEGACY)._replace(kernel=profile("3.10"))
    found = (first_fault(scenario, setup) for scenario in islice(generate(1), 2_000))
    fault = next(fault for fault in found if fault is not None)
    small = shrink_fault(fault, setup)
    assert small.kind == fault.kind
    assert len(small.scenario.steps) <= len(fault.scenario.steps)
    texts = [one.scenario.ruleset + one.scenario.ruleset6 for one in (small, fault)]
    assert len(texts[0]) < len(texts[1])
    told = small.report(setup.kernel)
    assert told["differences"]
    assert told["model_answer"] != told["kernel_answers"][-1]
