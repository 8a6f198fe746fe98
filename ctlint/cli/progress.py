# SPDX-License-Identifier: GPL-2.0-only
"""A bar on standard error for what takes long."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

_T = TypeVar("_T")

PATIENCE: Final = 1.0
"""Seconds without a bar."""
_INTERVAL: Final = 0.1


def watched(items: Iterable[_T], total: int, output: TextIO) -> Iterator[_T]:
    """The items; while they come, a bar shows how many have, if that takes more than a second.

    There is none where standard error is no terminal, nor where `output` is one too, whose lines it
    would stand between.
    """
    if not sys.stderr.isatty() or output.isatty():
        yield from items
        return
    bar: Progress | None = None
    due = monotonic() + PATIENCE
    try:
        for count, item in enumerate(items):
            if monotonic() >= due:
                bar = bar or _bar(total)
                bar.update(bar.task_ids[0], completed=count, refresh=True)
                due = monotonic() + _INTERVAL
            yield item
    finally:
        if bar is not None:
            bar.stop()


def _bar(total: int) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
    )
    bar.add_task("packets", total=total)
    bar.start()
    return bar
