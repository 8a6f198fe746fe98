# SPDX-License-Identifier: GPL-2.0-only
"""Sets of packets: exact unions, intersections and complements over the parts of a header."""

from __future__ import annotations

from typing import NamedTuple

from ctlint.headerspace.boxes import BoxSpace
from ctlint.headerspace.space import Layout, Space


class Work(NamedTuple):
    """How much may be done in a space: nodes of diagrams, or pairs of boxes."""

    nodes: int
    pairs: int


def space_over(layout: Layout, most: Work | None = None, *, is_shared: bool = False) -> Space:
    """The space of diagrams, or of boxes where oxidd is not installed. By default some seconds of
    work may be done in it. ``is_shared``: several questions may be asked in it one after the other.
    """
    try:
        from ctlint.headerspace.bdd import MAX_NODES, SHARED_NODES, BddSpace
    except ImportError:
        return BoxSpace(layout) if most is None else BoxSpace(layout, most.pairs)
    nodes = SHARED_NODES if is_shared else MAX_NODES
    return BddSpace(layout, nodes) if most is None else BddSpace(layout, nodes, most.nodes)
