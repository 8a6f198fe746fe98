# SPDX-License-Identifier: GPL-2.0-only
"""The ladder of a socket script on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ctlint.report.ladder import Row, RowKind, ladder
from ctlint.report.outcome import say_ending, say_line, say_tally
from ctlint.report.page import Page, Piece
from ctlint.scenario.socket_story import Story
from ctlint.wire.moments import SECOND, Micros

if TYPE_CHECKING:
    from rich.console import Console

_DIM: Final = "dim"
_BAD: Final = "bold red"
_GOOD: Final = "green"
_HEADING: Final = "bold"
_STATE: Final = "cyan"
_CTSTATE: Final = {"INVALID": "bold red", "NEW": "yellow"}
_TIME: Final = 12
_SIDE: Final = 11
_LEAST: Final = 30
_MOST: Final = 76
_LEAST_END: Final = 12


class _Signs(NamedTuple):
    """What arrows are made of."""

    bar: str
    line: str
    right: str
    left: str
    cross: str
    fold: str
    dots: str


_UNICODE: Final = _Signs("│", "─", "▶", "◀", "✗", "⋮", "…")
_ASCII: Final = _Signs("|", "-", ">", "<", "x", ":", "~")


def render_story(story: Story, lines: Sequence[str], *, console: Console, is_first: bool) -> None:
    """Prints a story: the ladder, and what became of each connection."""
    page = Page(console)
    if not is_first:
        page.add()
    _add_head(page, story)
    signs = _UNICODE if page.is_unicode else _ASCII
    room = min(max(page.width - _TIME - 2 * _SIDE - 4, _LEAST), _MOST)
    names = (f"{'':<{_TIME}}", f"{'client':>{_SIDE}}", " " * (room + 4), "server")
    page.add((names[0] + names[1] + names[2] + names[3], _HEADING))
    for row in ladder(story, lines):
        page.add(*_row(row, signs, room))
    page.add()
    for label, line in story.lines.items():
        name = f"{label}: " if len(story.lines) > 1 else ""
        page.add_wrapped(say_line(story, line), first=((name, _HEADING),))
    for tally in story.tallies.values():
        page.add_wrapped(say_tally(tally))
    page.add_wrapped((say_ending(story), _DIM))
    if story.left_out:
        page.add_wrapped((f"{story.left_out} more packets and changes are not kept", _DIM))
    page.flush()


def _add_head(page: Page, story: Story) -> None:
    name = story.plan.name or "sockets"
    kernels = {f"{host} {kernel.name}" for host, kernel in story.kernels.items()}
    names = {kernel.name for kernel in story.kernels.values()} | {story.box_kernel.name}
    said = f"kernel {names.pop()}" if len(names) == 1 else f"kernels: {', '.join(sorted(kernels))}"
    page.add_wrapped((name, _HEADING), (f"  ({said})", _DIM))
    if story.missing_sysctls:
        page.add_wrapped((f"this kernel has no {', '.join(story.missing_sysctls)}", _DIM))


def say_moment(at: Micros) -> str:
    """A moment in seconds, to the millisecond."""
    return f"{at // SECOND}.{at % SECOND // 1000:03d}"


def _row(row: Row, signs: _Signs, room: int) -> list[Piece]:
    moment: Piece = (f"{say_moment(row.at):>{_TIME - 1}} ", _DIM)
    if row.kind is RowKind.SILENCE or row.kind is RowKind.LEFT_OUT:
        words = f"{signs.fold} {row.words}"
        return [" " * _TIME, f"{signs.bar:>{_SIDE}}", (f"{words:^{room + 4}}", _DIM), signs.bar]
    left: Piece = _state(row.states[0], signs, f">{_SIDE}")
    right: Piece = _state(row.states[1], signs, "")
    if row.kind is RowKind.PACKET:
        arrow = _arrow(row, signs, room)
        # What ends on the way may be said at length: nothing stands behind it then.
        behind = [] if row.is_lost and _length(arrow) > room else ["  ", right]
        return [moment, left, "  ", *arrow, *behind]
    label = f"[{row.line}] " if row.line else ""
    style = _BAD if row.is_lost else _HEADING
    words = f"{label}{row.words}" + (f": {row.end}" if row.end and row.kind is RowKind.DEED else "")
    return [moment, left, "  ", (f"{words[:room]:^{room}}", style), "  ", right]


def plain_ladder(rows: Sequence[Row], room: int = _MOST) -> list[str]:
    """The rows without times and states, as lines of plain text between the lanes of both ends."""
    lines = []
    for row in rows:
        if row.kind is RowKind.PACKET:
            pieces = _arrow(row, _UNICODE, room, over=0)
            words = "".join(piece if isinstance(piece, str) else piece[0] for piece in pieces)
        else:
            words = f"{row.words:^{room}}"
        sign = _UNICODE.fold if row.kind is RowKind.SILENCE else _UNICODE.bar
        lines.append(f"{sign} {words} {sign}")
    return lines


def _length(pieces: Sequence[Piece]) -> int:
    return sum(len(piece if isinstance(piece, str) else piece[0]) for piece in pieces)


def _state(state: str | None, signs: _Signs, layout: str) -> Piece:
    if state is None:
        return (format(signs.bar, layout), _DIM)
    return (format(state or "-", layout), _STATE)


def _arrow(row: Row, signs: _Signs, room: int, over: int = _SIDE + 2) -> list[Piece]:
    """A packet as an arrow: its flags where it starts, what the box called it, and its point. What
    ends on the way may take so many cells behind the room too.
    """
    label = f"[{row.line}] " if row.line else ""
    words = f"{label}{'box: ' if row.is_boxs else ''}{row.words}"
    style = _CTSTATE.get(row.ctstate, "")
    ctstate = f" {row.ctstate} " if row.ctstate else ""
    taken = len(words) + len(ctstate) + 2
    if row.is_lost:
        # It may take the place of the other end's state, and is cut where that is not enough.
        spare = room + over - taken - 3
        lead = signs.line * (3 if len(row.end) + 3 <= spare else 1)
        most = max(spare - len(lead) + 1, _LEAST_END)
        end = row.end if len(row.end) <= most else row.end[: most - 1] + signs.dots
        line = signs.line * max(room - taken - len(end) - len(lead) - 1, 1)
        pieces: list[Piece] = [
            words,
            " ",
            (lead, _DIM),
            (ctstate, style),
            (line, _DIM),
            (signs.cross, _BAD),
            (f" {end}", _BAD),
        ]
        if not row.to_server:
            pieces.reverse()
            pieces[0] = (f"{end} ", _BAD)
    else:
        line = signs.line * max(room - taken - 3, 1)
        pieces = [words, " ", (signs.line * 3, _DIM), (ctstate, style), (line, _DIM)]
        pieces.append((signs.right, _GOOD) if row.to_server else (signs.left, _GOOD))
        if not row.to_server:
            pieces.reverse()
    used = _length(pieces)
    if used < room:
        pieces.insert(len(pieces) if row.to_server else 0, " " * (room - used))
    return pieces
