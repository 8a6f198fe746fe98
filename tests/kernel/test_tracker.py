# SPDX-License-Identifier: GPL-2.0-only
"""The model of conntrack against the live kernel: random conversations, packet by packet."""

from __future__ import annotations

import json
import platform
import sys
from typing import Final

import pytest

from ctlint.lab.lab import open_lab, why_unavailable
from ctlint.model.kernel.profiles import UnknownKernel, profile
from tests.conformance.campaign import first_fault, run, shrink_fault
from tests.conformance.command import fresh_seed
from tests.conformance.faults import Fault
from tests.conformance.random_scenarios import generate

pytestmark = pytest.mark.netns

PACKETS: Final = 20_000
TOLD: Final = 3
WRONG: Final = "3.10"


def test_model_agrees_with_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    reason = why_unavailable()
    if reason is not None:
        pytest.skip(reason)
    try:
        kernel = profile(platform.release())
    except UnknownKernel as error:
        pytest.skip(str(error))
    seed = fresh_seed()
    with capsys.disabled():
        sys.stderr.write(f"\nCTLINT_SEED={seed}\n")
    faults: list[Fault] = []
    with open_lab() as lab:
        figures = run(generate(seed, PACKETS), kernel, lab, faults.append)
    told = "\n".join(json.dumps(fault.report(kernel)) for fault in faults[:TOLD])
    assert not faults, f"CTLINT_SEED={seed}: {figures}\n{told}"
    assert figures.packets >= PACKETS


def test_campaign_finds_a_wrong_model() -> None:
    """The model of an old kernel differs from any that runs today, and soon."""
    reason = why_unavailable()
    if reason is not None:
        pytest.skip(reason)
    kernel = profile(WRONG)
    with open_lab() as lab:
        faults = (first_fault(scenario, kernel, lab) for scenario in generate(1, 2_000))
        fault = next(fault for fault in faults if fault is not None)
        small = shrink_fault(fault, kernel, lab)
    told = small.report(kernel)
    assert told["differences"]
    assert told["profile"] == WRONG
    assert len(told["scenario"]["packets"]) == len(told["kernel_answers"]) <= 5
    assert told["kernel_answers"][-1] != told["model_answer"]
    # Old kernels differ by themselves: no sysctl is needed for that.
    assert told["scenario"].get("sysctls", {}) == {}
    index = len(told["kernel_answers"]) - 1
    assert all(line.startswith(f"packet {index}: ") for line in told["differences"])
