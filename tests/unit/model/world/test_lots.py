# SPDX-License-Identifier: GPL-2.0-only
"""Lots: the published generator, and numbers within their bounds."""

from __future__ import annotations

from ctlint.model.world.lots import Lots


def test_the_lots_are_those_of_splitmix64() -> None:
    # The first three numbers for the seed 1234567, as Rosetta Code lists them for every language.
    lots = Lots(1234567)
    assert [lots.draw(0, 2**64 - 1) for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_both_bounds_are_drawn_and_nothing_beyond() -> None:
    lots = Lots(1)
    assert {lots.draw(5, 7) for _ in range(200)} == {5, 6, 7}
