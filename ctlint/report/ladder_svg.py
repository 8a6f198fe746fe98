# SPDX-License-Identifier: GPL-2.0-only
"""The ladder of a socket script as a picture: SVG that needs nothing else, and looks right in light
and dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from ctlint.report.escape import visible
from ctlint.report.ladder import Row, RowKind, ladder
from ctlint.report.ladder_text import say_moment
from ctlint.report.outcome import say_ending, say_line, say_tally
from ctlint.scenario.socket_story import Story

WIDTH: Final = 960
_LEFT: Final = 240
_RIGHT: Final = 720
_STEP: Final = 26
_TOP: Final = 62
_MIDDLE: Final = (_LEFT + _RIGHT) // 2
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
    + ".ladder .state,.ladder .head{font-weight:bold}.ladder path,.ladder line{fill:none}"
    + f"@media (prefers-color-scheme:dark){{{_DARK}}}"
)
_FONT: Final = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"


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
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="{_FONT}" font-size="13">'
        f"<style>{STYLE}</style>"
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>{"".join(parts)}</svg>\n'
    )


def draw_story(story: Story, lines: Sequence[str]) -> tuple[str, int]:
    """One ladder as the inside of a picture, and its height."""
    rows = ladder(story, lines)
    bottom = _TOP + _STEP * len(rows) + 8
    parts = [
        _text(16, 24, story.plan.name or "sockets", "head"),
        _text(_LEFT, 48, "client", "head", "middle"),
        _text(_RIGHT, 48, "server", "head", "middle"),
        f'<line class="lane" x1="{_LEFT}" x2="{_LEFT}" y1="54" y2="{bottom}"/>',
        f'<line class="lane" x1="{_RIGHT}" x2="{_RIGHT}" y1="54" y2="{bottom}"/>',
    ]
    for number, row in enumerate(rows):
        parts += _draw_row(row, _TOP + _STEP * number + 16)
    y = bottom + 22
    for words in outcome_lines(story):
        for piece in _wrapped(words):
            parts.append(_text(16, y, piece))
            y += 18
    return "".join(parts), y + 8


def outcome_lines(story: Story) -> Iterator[str]:
    """What became of each connection, and why the run ended."""
    for label, line in story.lines.items():
        yield (f"{label}: " if len(story.lines) > 1 else "") + say_line(story, line)
    yield from map(say_tally, story.tallies.values())
    yield say_ending(story)


def _draw_row(row: Row, y: int) -> Iterator[str]:
    if row.kind in (RowKind.SILENCE, RowKind.LEFT_OUT):
        for x in (_LEFT, _RIGHT):
            yield (
                f'<line class="gap" x1="{x}" x2="{x}" y1="{y - 14}" y2="{y + 8}" '
                'stroke-width="2" stroke-dasharray="3 4"/>'
            )
        yield _text(_MIDDLE, y, row.words, "dim", "middle")
        return
    yield _text(96, y, say_moment(row.at), "dim", "end")
    for state, x, anchor in zip(
        row.states, (_LEFT - 10, _RIGHT + 10), ("end", "start"), strict=True
    ):
        if state is not None:
            yield _text(x, y, state or "gone", "state" if state else "dim", anchor)
    label = f"[{row.line}] " if row.line else ""
    if row.kind is not RowKind.PACKET:
        end = f": {row.end}" if row.end and row.kind is RowKind.DEED else ""
        style = "bad" if row.is_lost else "head"
        yield _text(_MIDDLE, y, f"{label}{row.words}{end}", style, "middle")
        return
    yield from _draw_packet(row, y, f"{label}{'box: ' if row.is_boxs else ''}{row.words}")


def _draw_packet(row: Row, y: int, words: str) -> Iterator[str]:
    begin, end = (_LEFT, _RIGHT) if row.to_server else (_RIGHT, _LEFT)
    way = 1 if row.to_server else -1
    anchor = "start" if row.to_server else "end"
    yield _text(begin + 8 * way, y - 5, words, "", anchor)
    style = {"INVALID": "bad", "NEW": "new"}.get(row.ctstate, "dim")
    if row.is_lost:
        stop = begin + 170 * way
        yield f'<line class="broken" x1="{begin}" x2="{stop}" y1="{y}" y2="{y}"/>'
        yield (
            f'<path class="broken" d="M{stop - 5} {y - 5}l10 10m0 -10l-10 10" stroke-width="2"/>'
        )
        said = f"{row.ctstate} {row.end}".strip()
        yield _text(stop + 12 * way, y + 4, said, "bad", anchor)
        return
    yield f'<line class="way" x1="{begin}" x2="{end}" y1="{y}" y2="{y}"/>'
    yield f'<path class="way" d="M{end - 8 * way} {y - 4}L{end} {y}L{end - 8 * way} {y + 4}"/>'
    if row.ctstate:
        other = "end" if row.to_server else "start"
        yield _text(end - 14 * way, y - 5, row.ctstate, style, other)


def _text(x: int, y: int, words: str, style: str = "", anchor: str = "start") -> str:
    kind = f' class="{style}"' if style else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}"{kind}{place}>{escape(visible(words))}</text>'


def _wrapped(words: str) -> Iterator[str]:
    """Lines that fit into the picture."""
    line = ""
    for word in words.split():
        if line and len(line) + 1 + len(word) > _WORDS_A_LINE:
            yield line
            line = "   "
        line = f"{line} {word}" if line else word
    yield line
