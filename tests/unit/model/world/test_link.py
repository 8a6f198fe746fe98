# SPDX-License-Identifier: GPL-2.0-only
"""Links lose as many packets as they are told to."""

from __future__ import annotations

import pytest

from ctlint.model.world.link import PARTS, Link
from ctlint.model.world.lots import Lots


@pytest.mark.parametrize("share", [0, 1, 10, 50, 100])
def test_of_a_hundred_packets_so_many_are_lost(share: int) -> None:
    link = Link(Lots(7).draw, loss=share * PARTS // 100)
    lost = sum(link.loses() for _ in range(10_000))
    assert abs(lost - share * 100) <= 3 * 50  # three standard deviations of a half
    assert lost == share * 100 or 0 < share < 100
