# SPDX-License-Identifier: GPL-2.0-only
"""Sets of packets: exact unions, intersections and complements over the parts of a header."""

from __future__ import annotations

from ctlint.headerspace.boxes import BoxSpace
from ctlint.headerspace.space import Layout, Space


def space_over(layout: Layout, max_work: int | None = None) -> Space:
    """The space of diagrams, or of boxes where oxidd is not installed. ``max_work`` bounds what is
    done in it, as nodes of diagrams or pairs of boxes; by default some seconds.
    """
    try:
        from ctlint.headerspace.bdd import BddSpace
    except ImportError:
        return BoxSpace(layout) if max_work is None else BoxSpace(layout, max_work)
    return BddSpace(layout) if max_work is None else BddSpace(layout, max_work=max_work)
