# SPDX-License-Identifier: GPL-2.0-only
"""What ``ctlint simulate`` does with socket scripts and incidents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TextIO

from ctlint.cli.options import console
from ctlint.cli.progress import watched
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.parse.errors import ParseError, Problem
from ctlint.scenario.scenario import ScenarioError
from ctlint.source.outputs import require_no_input

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from ctlint.report.socket_check import SocketResult
    from ctlint.scenario.socket_story import Story
    from ctlint.source.socket_files import SocketFile

PICTURES = ("svg", "html")
"""Formats that only socket scripts have."""


def stories(
    file: SocketFile, kernel: KernelProfile | None, stream: TextIO, output: str
) -> Iterator[Story]:
    """The tests of a file, each played when it is its turn; a bar shows how many of what is
    repeated have begun, unless `stream` is no place for one. Raises ParseError and OutputError.
    """
    from ctlint.scenario.socket_play import SocketPlayer

    plans, named = file.plans()
    require_no_input(output, named)
    for plan in plans:
        try:
            player = SocketPlayer(plan, kernel)
            yield player.play(partial(watched, total=player.rounds, output=stream))
        except ScenarioError as error:
            raise ParseError((Problem(plan.span, error.message),)) from None


def show_sockets(
    file: SocketFile,
    kernel: KernelProfile | None,
    form: str,
    stream: TextIO,
    color: str,
    output: str,
) -> None:
    """Plays a file, and shows what became of its sockets. Raises ParseError and OutputError."""
    lines = file.lines
    played = stories(file, kernel, stream, output)
    if form == "json":
        from ctlint.report.story_json import write_story_json

        for story in played:
            write_story_json(story, lines, stream)
    elif form == "svg":
        from ctlint.report.ladder_svg import render_svg

        stream.write(render_svg([(story, lines) for story in played]))
    elif form == "html":
        from ctlint.report.ladder_html import render_html

        stream.write(render_html(file.title, [*played], lines))
    else:
        from ctlint.report.ladder_text import render_story

        page = console(color, stream)
        for number, story in enumerate(played):
            render_story(story, lines, console=page, is_first=not number)


def socket_results(
    file: SocketFile, kernel: KernelProfile | None, stream: TextIO, output: str
) -> Iterator[SocketResult]:
    """The tests of a file, as results of a check. Raises ParseError and OutputError."""
    from ctlint.report.socket_check import SocketResult
    from ctlint.scenario.socket_check import check_story

    for number, story in enumerate(stories(file, kernel, stream, output), 1):
        yield SocketResult(file.name, f"test {number}", story, check_story(story), file.lines)


def socket_check_printer(form: str, stream: TextIO, color: str) -> Callable[[SocketResult], None]:
    """What prints a test that was played."""
    from ctlint.report.socket_check import render_socket_check, write_socket_check_json

    if form == "json":
        return partial(write_socket_check_json, stream=stream)
    return partial(render_socket_check, console=console(color, stream))


def complete_incident(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of incidents for the shell, with what each is about."""
    del ctx, param
    from click.shell_completion import CompletionItem

    from ctlint.source.socket_files import incidents

    return [
        CompletionItem(each.name, help=each.title)
        for each in incidents()
        if each.name.startswith(incomplete)
    ]


def list_incidents(form: str, stream: TextIO, color: str) -> None:
    """The incidents that ship with ctlint."""
    from ctlint.source.socket_files import incidents

    if form == "json":
        for each in incidents():
            stream.write(json.dumps({"name": each.name, "title": each.title}) + "\n")
        return
    from ctlint.report.page import Page

    page = Page(console(color, stream))
    for each in incidents():
        page.add_wrapped(each.title, first=((f"{each.name:<22}", "bold"), "  "))
    page.flush()
