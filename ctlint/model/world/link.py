# SPDX-License-Identifier: GPL-2.0-only
"""A link between a host and the box, or between two hosts: delay and loss, alike both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ctlint.wire.moments import Micros

PARTS: Final = 1_000_000
"""Loss is counted in parts of a million."""

USUAL_DELAY: Final[Micros] = 50
"""Of a link of which nothing is said: what two hosts in one rack take, one way."""


class Link:
    """``delay`` is that of one way. Of a million packets ``loss`` are lost on it, by lot."""

    __slots__ = ("delay", "draw", "loss")

    def __init__(
        self, draw: Callable[[int, int], int], delay: Micros = USUAL_DELAY, loss: int = 0
    ) -> None:
        self.draw = draw
        self.delay = delay
        self.loss = loss

    def loses(self) -> bool:
        """Whether the packet that is sent now is lost."""
        return self.loss > 0 and self.draw(1, PARTS) <= self.loss
