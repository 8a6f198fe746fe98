# SPDX-License-Identifier: GPL-2.0-only
"""The words of the log, against the lines that six kernels wrote."""

from __future__ import annotations

import re

import pytest

from ctlint.model.conntrack.reason import Reason
from ctlint.model.kernel.profiles import profile
from tests.unit.model.conntrack.recorded import KERNELS, read_steps


@pytest.mark.parametrize("folder", KERNELS)
def test_every_recorded_line_has_its_reason(folder: str) -> None:
    kernel = profile(KERNELS[folder])
    patterns = [
        re.compile(re.sub(r"\\{\w+\\}", r"\\w+", re.escape(words)))
        for reason in Reason
        if (words := reason.words(kernel)) is not None
    ]
    lines = {line for step in read_steps(folder) for line in step.why}
    # The recorder wrote this one in its own words: the kernel's holds its clock's ticks.
    lines.discard("nf_ct_proto_6: lowered timeout to UNACK")
    assert len(lines) >= 15
    for line in lines:
        text = line.removeprefix("nf_ct_proto_6: ")
        assert [p for p in patterns if p.fullmatch(text)], line


def test_kernels_before_6_12_say_nothing_of_a_packet_that_may_not_open_an_entry() -> None:
    assert Reason.INVALID_NEW.words(profile("6.1")) is None
    assert Reason.INVALID_NEW.words(profile("6.12")) == "invalid new"


def test_a_reason_has_its_own_sentence() -> None:
    assert len({reason.sentence for reason in Reason}) == len(Reason)
    assert all(reason.sentence.endswith(".") for reason in Reason)
