# SPDX-License-Identifier: GPL-2.0-only
"""An event loop whose time passes only where everybody waits, and then at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from selectors import SelectorKey, SelectSelector
from typing import Any


class _Selector(SelectSelector):
    """Takes the time for which it would wait as passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        assert timeout is not None, "nobody goes on"
        self.now += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(test: Coroutine[Any, Any, None]) -> None:
    """Runs a test in a time of its own."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(test)
