# SPDX-License-Identifier: GPL-2.0-only
"""A bar on standard error for what takes long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final, TextIO, TypeVar

from ctlint.report.escape import visible

if TYPE_CHECKING:
    from rich.progress import Progress

_T = TypeVar("_T")

PATIENCE: Final = 1.0
"""Seconds without a bar."""
_INTERVAL: Final = 0.1
_LABEL: Final = 32
"""Characters of a label that are shown, its last ones."""


def watched(
    items: Iterable[_T],
    total: int,
    output: TextIO | None = None,
    label: Callable[[_T], str] | None = None,
    taken: Callable[[], int] | None = None,
) -> Iterator[_T]:
    """The items; while they come, a bar shows how many have, if that takes more than a second, and
    the `label` of the last one. With `taken`, which says how many bytes of `total` have been read,
    it shows those.

    There is none where standard error is no terminal, nor where `output` is one too, whose lines it
    would stand between; without one nothing is written meanwhile.
    """
    if not sys.stderr.isatty() or (output is not None and output.isatty()):
        yield from items
        return
    bar: Progress | None = None
    due = monotonic() + PATIENCE
    try:
        for count, item in enumerate(items):
            if monotonic() >= due:
                bar = bar or _bar(total, has_label=label is not None, in_bytes=taken is not None)
                shown = _cut(visible(label(item))) if label is not None else ""
                done = count if taken is None else taken()
                bar.update(bar.task_ids[0], completed=done, description=shown, refresh=True)
                due = monotonic() + _INTERVAL
            yield item
    finally:
        if bar is not None:
            bar.stop()


def _bar(total: int, *, has_label: bool, in_bytes: bool) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        BarColumn(),
        DownloadColumn(binary_units=True) if in_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
        *([TextColumn("{task.description}", markup=False)] if has_label else []),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
    )
    bar.add_task("", total=total)
    bar.start()
    return bar


def _cut(text: str) -> str:
    return text if len(text) <= _LABEL else f"…{text[1 - _LABEL :]}"
