# SPDX-License-Identifier: GPL-2.0-only
"""What the view shows, as lines of text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from textual.pilot import Pilot

from ctlint.source.inputs import read_inputs
from ctlint.tui.app import WhatIfApp
from ctlint.tui.desk import Desk
from tests.corpus import REPOSITORY
from tests.unit.analysis.whatif_hosts import asked

HOST = "examples/fin-wait-1"


def app(path: str = str(REPOSITORY / HOST)) -> WhatIfApp:
    (host,) = read_inputs([path])
    question = asked()
    return WhatIfApp(Desk(host, question), question, [HOST])


def lines(view: WhatIfApp) -> list[str]:
    """The screen, top to bottom."""
    strips = view.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


async def settled(view: WhatIfApp, pilot: Pilot[None]) -> None:
    """Waits until all that was asked is shown."""
    await pilot.pause()
    while view.is_busy and view.is_running:
        await pilot.pause(0.02)
    await pilot.pause()


async def press(view: WhatIfApp, pilot: Pilot[None], *keys: str) -> str:
    """Presses keys and returns the screen."""
    await pilot.press(*keys)
    await settled(view, pilot)
    return "\n".join(lines(view))


def run(
    view: WhatIfApp,
    course: Callable[[WhatIfApp, Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
) -> None:
    """Runs a course of keys on the view."""

    async def go() -> None:
        async with view.run_test(size=size) as pilot:
            await settled(view, pilot)
            await course(view, pilot)

    asyncio.run(go())
