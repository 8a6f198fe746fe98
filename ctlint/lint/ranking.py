# SPDX-License-Identifier: GPL-2.0-only
"""The order of findings: what a person should look at first (docs/analysis.md, Order)."""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.finding import Confidence, Finding

ALL_PORTS: Final = 65_535
_SURE_FIRST: Final = (Confidence.CERTAIN, Confidence.LIKELY, Confidence.POSSIBLE)


class Breadth(NamedTuple):
    """How much a finding concerns: service ports, then kinds of packets."""

    ports: int
    packets: int


def breadth(finding: Finding) -> Breadth:
    """How much is lost. A finding about a setting concerns all ports and no packet of its own."""
    ports = sum(_size(ports) for ports in finding.ports) or ALL_PORTS
    return Breadth(ports, len(finding.packets))


def _size(ports: str) -> int:
    first, _, last = ports.partition(":")
    return int(last or first) - int(first) + 1


def rank(finding: Finding) -> tuple[object, ...]:
    """Sorts findings: the severe, the sure and the broad first, then by place, rule and role."""
    where = finding.location
    ports, packets = breadth(finding)
    return (
        -finding.severity.rank,
        _SURE_FIRST.index(finding.confidence),
        -ports,
        -packets,
        where.file,
        where.line,
        where.column,
        finding.rule,
        finding.role.value if finding.role else "",
    )
