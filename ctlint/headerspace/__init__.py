# SPDX-License-Identifier: GPL-2.0-only
"""Sets of packets: exact unions, intersections and complements over the parts of a header."""

from __future__ import annotations

from ctlint.headerspace.boxes import BoxSpace
from ctlint.headerspace.space import Layout, Space


def space_over(layout: Layout) -> Space:
    """The space of diagrams, or of boxes where oxidd is not installed."""
    try:
        from ctlint.headerspace.bdd import BddSpace
    except ImportError:
        return BoxSpace(layout)
    return BddSpace(layout)
