# SPDX-License-Identifier: GPL-2.0-only
"""CT306 on each kernel whose answers are recorded: it speaks where, and only where, that kernel
called the RST that answers a challenge ACK INVALID.
"""

from __future__ import annotations

import pytest

from tests.conformance.answers import RecordedAnswer, read_answers, recordings
from tests.rules.asking import OPEN, found

LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal = 1\n"
DROP = OPEN.replace("COMMIT", "-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT")
BEHIND = "CT306 forward ISN=old-1073741824 expired"
"""The name of the recorded case that the rule's own witness is."""

CASES = [
    answer
    for recording in recordings()
    if recording.name == "cases"
    for answer in read_answers(recording)
    if str(answer.source.get("name")).startswith(BEHIND)
]


@pytest.mark.parametrize(
    "answer", CASES, ids=lambda one: f"{one.recording.release}-{one.source['name'][len(BEHIND) :]}"
)
def test_the_rule_speaks_where_the_kernel_refused(answer: RecordedAnswer) -> None:
    (reset,) = (
        one["ctstate"]
        for packet, one in zip(answer.source["packets"], answer.packets, strict=True)
        if packet.get("flags") == "R"
    )
    sysctl = LIBERAL if "be_liberal" in answer.source["name"] else ""
    findings = found("CT306", sysctl, rules=DROP, kernel=answer.recording.kernel.name)
    assert bool(findings) is (reset == "INVALID")


def test_kernels_with_and_without_the_fault_have_answered() -> None:
    assert {answer.recording.release for answer in CASES} >= {"5.10.262", "6.0.0-1016-ubuntu"}
