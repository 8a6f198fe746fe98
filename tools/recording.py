# SPDX-License-Identifier: GPL-2.0-only
"""Draws docs/whatif.svg: a session with the interactive view of ``ctlint whatif``, one screen below
the other, each with the keys that led to it.

Run it with the Python of an environment that has ctlint with its extra tui.
"""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.terminal_theme import MONOKAI

from ctlint.analysis.whatif import Question
from ctlint.finding import Role
from ctlint.model.kernel.profiles import NEWEST
from ctlint.source.inputs import read_inputs
from ctlint.tui.app import WhatIfApp
from ctlint.tui.desk import Desk

REPOSITORY = Path(__file__).resolve().parent.parent
TARGET = REPOSITORY / "docs" / "whatif.svg"
HOST: Final = "examples/fin-wait-1"
SIZE: Final = (80, 24)

COURSE: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("ctlint whatif --rules examples/fin-wait-1", ()),
    ("idle to 15 minutes: down, down, right …", ("down",) * 2 + ("right",) * 6),
    ("2: the ladder of packets", ("2",)),
    ("3: the states of both sockets", ("3",)),
    ("keepalive to a minute: down, down, right, right", ("down",) * 2 + ("right",) * 2),
    ("5: the plot, with keepalives off again", ("left", "left", "5")),
)
"""What is said above each screen, and the keys before it."""

_VIEW_BOX = re.compile(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"')


async def record() -> list[str]:
    """The screens as SVG."""
    (host,) = read_inputs((str(REPOSITORY / HOST),))
    question = Question(NEWEST, roles=tuple(Role))
    view = WhatIfApp(Desk(host, question), question, [HOST])
    drawn = []
    async with view.run_test(size=SIZE) as pilot:
        for number, (words, keys) in enumerate(COURSE):
            await pilot.press(*keys)
            while view.is_busy:
                await pilot.pause(0.05)
            await pilot.pause()
            drawn.append(draw(view, words, f"whatif{number}"))
    return drawn


def draw(view: WhatIfApp, words: str, name: str) -> str:
    """One screen, without the fonts that rich would load from the network."""
    console = Console(
        record=True,
        width=SIZE[0],
        height=SIZE[1],
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    update: Any = view.screen._compositor.render_update(full=True)
    console.print(update)
    svg = console.export_svg(title=words, theme=MONOKAI, unique_id=name)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines())


def stacked(screens: list[str]) -> str:
    """One picture of all, from top to bottom."""
    top = 0.0
    widest = 0.0
    parts = []
    for svg in screens:
        found = _VIEW_BOX.search(svg)
        assert found is not None
        width, height = map(float, found.groups())
        place = f'x="0" y="{top:g}" width="{width:g}" height="{height:g}"'
        parts.append(svg.replace("<svg ", f"<svg {place} ", 1))
        top += height
        widest = max(widest, width)
    head = f'<svg viewBox="0 0 {widest:g} {top:g}" xmlns="http://www.w3.org/2000/svg">'
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def main() -> None:
    """Plays the course and writes the file."""
    TARGET.write_text(stacked(asyncio.run(record())), encoding="utf-8")


if __name__ == "__main__":
    main()
