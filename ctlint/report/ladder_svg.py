# SPDX-License-Identifier: GPL-2.0-only
"""The ladder of a socket script as a picture: SVG that needs nothing else, and looks right in light
and dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from ctlint.report.escape import visible
from ctlint.report.ladder import Row, RowKind, ladder
from ctlint.report.ladder_text import say_moment
from ctlint.report.outcome import say_ending, say_line, say_tally
from ctlint.scenario.socket_story import Story


class Frame(NamedTuple):
    """How wide a picture is, where the lanes of both ends stand, where the moments of rows end
    (None: they have none), and how far a packet comes that is lost: no less than its words.
    """

    width: int
    left: int
    right: int
    moments: int | None
    broken: int


WIDTH: Final = 960
STEP: Final = 26
"""From row to row."""

_FRAME: Final = Frame(WIDTH, 240, 720, 96, 170)
_TOP: Final = 62
_CHARACTER: Final = 8
"""Width of a character at most."""
_WORDS_A_LINE: Final = 118

# Class, then its colour in light and in dark. Plain rules: not every viewer knows variables.
_COLOURS: Final = (
    ("text", "fill", "#1b1f24", "#e6edf3"),
    (".paper", "fill", "#ffffff", "#0d1117"),
    (".way", "stroke", "#1b1f24", "#e6edf3"),
    (".lane", "stroke", "#6a737d", "#8b949e"),
    (".gap", "stroke", "#ffffff", "#0d1117"),
    (".broken", "stroke", "#c9252d", "#ff7b72"),
    ("text.dim", "fill", "#6a737d", "#8b949e"),
    ("text.bad", "fill", "#c9252d", "#ff7b72"),
    ("text.state", "fill", "#0550ae", "#79c0ff"),
    ("text.new", "fill", "#9a6700", "#e3b341"),
)
_DARK: Final = "".join(f".ladder {name}{{{what}:{dark}}}" for name, what, _, dark in _COLOURS)
STYLE: Final = (
    "".join(f".ladder {name}{{{what}:{light}}}" for name, what, light, _ in _COLOURS)
    + ".ladder .state,.ladder .head{font-weight:bold}.ladder path{fill:none}"
    + f"@media (prefers-color-scheme:dark){{{_DARK}}}"
)
FONT: Final = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"


def render_svg(stories: Sequence[tuple[Story, Sequence[str]]]) -> str:
    """Pictures of stories, one below the other. Each comes with the lines of its script."""
    parts = []
    height = 0
    for story, lines in stories:
        drawn, size = draw_story(story, lines)
        parts.append(f'<g transform="translate(0 {height})">{drawn}</g>')
        height += size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="{FONT}" font-size="13">'
        f"<style>{STYLE}</style>"
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>{"".join(parts)}</svg>\n'
    )


def draw_story(story: Story, lines: Sequence[str]) -> tuple[str, int]:
    """One ladder as the inside of a picture, and its height."""
    rows = ladder(story, lines)
    bottom = _TOP + STEP * len(rows) + 8
    parts = [
        text_at(16, 24, story.plan.name or "sockets", "head"),
        text_at(_FRAME.left, 48, "client", "head", "middle"),
        text_at(_FRAME.right, 48, "server", "head", "middle"),
        draw_rows(rows, _FRAME, _TOP),
    ]
    y = bottom + 22
    for words in outcome_lines(story):
        for piece in _wrapped(words):
            parts.append(text_at(16, y, piece))
            y += 18
    return "".join(parts), y + 8


def draw_rows(rows: Sequence[Row], frame: Frame, top: int) -> str:
    """Rows between their lanes, STEP pixels each."""
    bottom = top + STEP * len(rows) + 8
    parts = [f'<path class="lane" d="M{x} {top - 8}V{bottom}"/>' for x in (frame.left, frame.right)]
    for number, row in enumerate(rows):
        parts += _draw_row(row, frame, top + STEP * number + 16)
    return "".join(parts)


def outcome_lines(story: Story) -> Iterator[str]:
    """What became of each connection, and why the run ended."""
    for label, line in story.lines.items():
        yield (f"{label}: " if len(story.lines) > 1 else "") + say_line(story, line)
    yield from map(say_tally, story.tallies.values())
    yield say_ending(story)


def _draw_row(row: Row, frame: Frame, y: int) -> Iterator[str]:
    middle = (frame.left + frame.right) // 2
    if row.kind in (RowKind.SILENCE, RowKind.LEFT_OUT):
        for x in (frame.left, frame.right):
            yield (
                f'<path class="gap" d="M{x} {y - 14}V{y + 8}" '
                'stroke-width="2" stroke-dasharray="3 4"/>'
            )
        yield text_at(middle, y, _cut(row.words, frame.width // _CHARACTER), "dim", "middle")
        return
    if frame.moments is not None:
        yield text_at(frame.moments, y, say_moment(row.at), "dim", "end")
    for state, x, anchor in zip(
        row.states, (frame.left - 10, frame.right + 10), ("end", "start"), strict=True
    ):
        if state is not None:
            yield text_at(x, y, state or "gone", "state" if state else "dim", anchor)
    label = f"[{row.line}] " if row.line else ""
    if row.kind is not RowKind.PACKET:
        end = f": {row.end}" if row.end and row.kind is RowKind.DEED else ""
        style = "bad" if row.is_lost else "head" if row.kind is RowKind.DEED else ""
        said = _cut(f"{label}{row.words}{end}", frame.width // _CHARACTER)
        yield text_at(middle, y, said, style, "middle")
        return
    yield from _draw_packet(row, frame, y, f"{label}{'box: ' if row.is_boxs else ''}{row.words}")


def _draw_packet(row: Row, frame: Frame, y: int, words: str) -> Iterator[str]:
    begin, end = (frame.left, frame.right) if row.to_server else (frame.right, frame.left)
    way = 1 if row.to_server else -1
    anchor = "start" if row.to_server else "end"
    yield text_at(begin + 8 * way, y - 5, words, "", anchor)
    style = {"INVALID": "bad", "NEW": "new"}.get(row.ctstate, "dim")
    if row.is_lost:
        stop = begin + max(frame.broken, _CHARACTER * len(words) + 16) * way
        yield f'<path class="broken" d="M{begin} {y}H{stop}"/>'
        yield (
            f'<path class="broken" d="M{stop - 5} {y - 5}l10 10m0 -10l-10 10" stroke-width="2"/>'
        )
        room = (frame.width - stop if row.to_server else stop) // _CHARACTER - 3
        said = _cut(f"{row.ctstate} {row.end}".strip(), room)
        yield text_at(stop + 12 * way, y + 4, said, "bad", anchor)
        return
    yield f'<path class="way" d="M{begin} {y}H{end}m{-8 * way} -4l{8 * way} 4l{-8 * way} 4"/>'
    if row.ctstate:
        other = "end" if row.to_server else "start"
        yield text_at(end - 14 * way, y - 5, row.ctstate, style, other)


def text_at(x: int, y: int, words: str, style: str = "", anchor: str = "start") -> str:
    """A text of an input or of ours, and where it begins, or ends, or has its middle."""
    kind = f' class="{style}"' if style else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}"{kind}{place}>{escape(visible(words))}</text>'


def _cut(words: str, room: int) -> str:
    return words if len(words) <= room else f"{words[: room - 1]}…"


def _wrapped(words: str) -> Iterator[str]:
    """Lines that fit into the picture."""
    line = ""
    for word in words.split():
        if line and len(line) + 1 + len(word) > _WORDS_A_LINE:
            yield line
            line = "   "
        line = f"{line} {word}" if line else word
    yield line
