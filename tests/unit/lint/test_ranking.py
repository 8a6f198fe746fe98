# SPDX-License-Identifier: GPL-2.0-only
"""The order of findings, as docs/analysis.md states it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations

import pytest

from ctlint.finding import Confidence, Finding, Location, PacketKind, Role, Severity
from ctlint.lint.ranking import breadth, rank

FIN = PacketKind("FA", "orig", "none", "INVALID")
RST = PacketKind("RA", "orig", "none", "INVALID")
ONE = Finding(
    rule="CT101",
    name="output-invalid-drop",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    message="m",
    remedy="r",
    location=Location("b", 5),
    role=Role.CLIENT,
    packet=FIN,
    packets=(FIN,),
    ports=("80",),
)
IN_ORDER = [
    replace(
        ONE, severity=Severity.ERROR, confidence=Confidence.POSSIBLE, location=Location("z", 1)
    ),
    replace(ONE, confidence=Confidence.CERTAIN, location=Location("z", 9)),
    replace(ONE, ports=(), location=Location("z", 9)),
    replace(ONE, ports=("1:65534",), location=Location("z", 9)),
    replace(ONE, ports=("80", "443"), location=Location("z", 9)),
    replace(ONE, packets=(FIN, RST), location=Location("z", 9)),
    replace(ONE, location=Location("a", 9)),
    replace(ONE, location=Location("b", 4)),
    ONE,
    replace(ONE, role=Role.SERVER),
    replace(ONE, rule="CT102"),
    replace(ONE, location=Location("b", 5, 8)),
    replace(ONE, location=Location("b", 10)),
    replace(ONE, confidence=Confidence.POSSIBLE, ports=(), location=Location("a", 1)),
    replace(ONE, severity=Severity.NOTE, confidence=Confidence.CERTAIN, location=Location("a", 1)),
]


def test_the_severe_the_sure_and_the_broad_come_first() -> None:
    for first, second in pairwise(IN_ORDER):
        for pair in permutations((first, second)):
            assert sorted(pair, key=rank) == [first, second]
    mixed = IN_ORDER[7:] + IN_ORDER[:7]
    assert sorted(mixed, key=rank) == IN_ORDER


@pytest.mark.parametrize(
    ("ports", "number"),
    [((), 65535), (("1:65535",), 65535), (("8088",), 1), (("22", "80:89", "443"), 12)],
)
def test_breadth_in_service_ports(ports: tuple[str, ...], number: int) -> None:
    assert breadth(replace(ONE, ports=ports)) == (number, 1)
