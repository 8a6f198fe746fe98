# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint simulate``: play scenarios on the model of conntrack."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TextIO

import click

from ctlint.cli.exit_codes import EXIT_CLEAN, EXIT_FINDINGS, EXIT_UNUSABLE
from ctlint.cli.options import color_option, console, kernel_named, unusable_input
from ctlint.cli.progress import watched
from ctlint.cli.simulate_sockets import (
    PICTURES,
    complete_incident,
    list_incidents,
    show_sockets,
    socket_check_printer,
    socket_results,
)
from ctlint.cli.streams import silence, tell
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, profile
from ctlint.parse.errors import ParseError
from ctlint.report.caret import print_marked
from ctlint.report.simulate_course import Course
from ctlint.scenario.scenario import ScenarioError
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT
from ctlint.source.outputs import opened_output, require_no_input
from ctlint.source.scenario_files import ScenarioFile, Told, scenario_files
from ctlint.source.socket_files import SocketFile, open_script
from ctlint.source.socket_files import incident as incident_named

if TYPE_CHECKING:
    from ctlint.report.check_result import Tally, TestResult

_Printer = Callable[[Course], None]


@click.command(
    "simulate",
    epilog="""\b
Examples:
  ctlint simulate examples/scenarios/close-after-expiry.json
  ctlint simulate scenarios.jsonl --format json | jq '.packets[].ctstate'
  ctlint simulate capture.json --kernel 5.15 --internals
  ctlint simulate --check examples/firewall-tests
  ctlint simulate --incident fin-wait-1
  ctlint simulate sockets.ctw --format svg --output ladder.svg
  ctlint simulate --not-modelled
""",
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--kernel",
    callback=kernel_named,
    metavar="PROFILE",
    help="Kernel: a profile (see `ctlint kernel --list`) or the output of `uname -r` "
    "[default: what the scenario says, else the newest].",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", *PICTURES]),
    default="text",
    show_default=True,
    help="json: one object a line for each scenario or test, described in docs/scenario.md and "
    "docs/json.md; svg and html: pictures of socket scripts.",
)
@click.option(
    "--internals", is_flag=True, help="Also what entries keep and rules do not see: window scale …"
)
@click.option(
    "--output",
    metavar="FILE",
    default="-",
    show_default=True,
    help="Where the answers go; - is standard output.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Compare with what is expected, as tests: say which fail, and exit with 1 if any does.",
)
@click.option(
    "--incident",
    metavar="NAME",
    shell_complete=complete_incident,
    help="Play a published incident: see --list.",
)
@click.option("--list", "lists", is_flag=True, help="List the incidents, and end.")
@click.option("--not-modelled", is_flag=True, help="Say what the simulation leaves out, and end.")
@color_option
def command(
    files: tuple[str, ...],
    kernel: KernelProfile | None,
    form: str,
    internals: bool,
    output: str,
    check: bool,
    incident: str | None,
    lists: bool,
    not_modelled: bool,
    color: str,
) -> int:
    """Play scenarios on the model of conntrack, and sockets on that of TCP.

    FILE holds scenarios as JSON (one object, a list, or JSON Lines), is a connection script, or has
    the findings of `ctlint lint --format json`, whose witnesses are played; - is standard input. A
    scenario is a firewall, its kernel settings, and packets in time: docs/scenario.md; a script is
    its short form: docs/scripts.md. Shows what conntrack calls each packet and why, and what
    becomes of its entry.

    A FILE whose name ends in .ctw is a socket script: what programs do to their sockets, when;
    docs/sockets.md. Shows what both hosts send, and what becomes of the sockets.

    The first scenario that cannot be read or played ends the run. With --check, FILE may be a
    folder of scripts and scenarios, which are tests of a firewall.
    """
    if not_modelled or lists:
        if files or check or incident or (not_modelled and lists):
            said = "--not-modelled" if not_modelled else "--list"
            raise click.UsageError(f"{said} plays nothing: leave all but --format out")
    elif not files and incident is None:
        raise click.UsageError("no FILE; use - to read standard input")
    elif files and incident is not None:
        raise click.UsageError("--incident plays an incident: leave FILE out")
    if form in PICTURES and (check or lists or not_modelled):
        raise click.UsageError(f"--format {form} is a picture of sockets: use text or json here")
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("- (standard input) is given twice")
    if check and internals:
        raise click.UsageError("--internals shows entries, --check does not")
    with unusable_input():
        shipped = None if incident is None else incident_named(incident).open()
        if check:
            files = tuple(file for path in files for file in scenario_files(path))
        with _opened(output, files) as stream:
            if check:
                opened = (*([shipped] if shipped else ()), *files)
                return _check(opened, kernel, stream, form, color, output)
            if not_modelled:
                _list_unmodelled(form, stream, color)
                return EXIT_CLEAN
            if lists:
                list_incidents(form, stream, color)
                return EXIT_CLEAN
            printer = _printer(form, stream, internals, color)
            for script in (*([shipped] if shipped else ()), *map(open_script, files)):
                if isinstance(script, SocketFile):
                    if internals:
                        raise SourceError(f"{script.name}: --internals shows scenarios only")
                    _simulate_sockets(script, kernel, form, stream, color, output)
                    continue
                if form in PICTURES:
                    said = f"{script.path}: no socket script, so there is no {form} of it"
                    raise SourceError(said)
                _simulate(script, kernel, stream, printer, output)
    return EXIT_CLEAN


def _list_unmodelled(form: str, stream: TextIO, color: str) -> None:
    from ctlint.model.unmodelled import UNMODELLED

    if form == "json":
        from ctlint.report.simulate_json import render_unmodelled_json

        stream.write(render_unmodelled_json(UNMODELLED))
        return
    from ctlint.report.simulate_text import render_unmodelled

    render_unmodelled(UNMODELLED, console=console(color, stream))


def _simulate_sockets(
    opened: SocketFile,
    kernel: KernelProfile | None,
    form: str,
    stream: TextIO,
    color: str,
    output: str,
) -> None:
    """Plays a socket script; what is wrong with it is said with a mark under the place."""
    try:
        show_sockets(opened, kernel, form, stream, color, output)
    except ParseError as error:
        _tell_marked(error, opened.path, opened.text)
        raise SystemExit(EXIT_UNUSABLE) from None


def _simulate(
    opened: ScenarioFile,
    kernel: KernelProfile | None,
    stream: TextIO,
    printer: _Printer,
    output: str,
) -> None:
    """Plays the scenarios of one file, each as soon as it is read."""
    with _marked_problems(opened):
        for told in opened:
            require_no_input(output, opened.named)
            try:
                printer(_course(told, kernel, stream))
            except ScenarioError as error:
                raise told.fault(error) from None
            del told  # while the next is read, its memory is for that


@contextmanager
def _marked_problems(opened: ScenarioFile) -> Iterator[None]:
    """Says what is wrong with a script, with a mark under the place, and ends."""
    try:
        yield
    except ParseError as error:
        if opened.script is None:
            raise
        _tell_marked(error, opened.path, opened.script)
        raise SystemExit(EXIT_UNUSABLE) from None


def _tell_marked(error: ParseError, path: str, text: str) -> None:
    try:
        print_marked(error.problems, {path: text}, sys.stderr)
    except OSError:
        silence(sys.stderr)


# Tests of a firewall


def _check(
    files: tuple[str | SocketFile, ...],
    kernel: KernelProfile | None,
    stream: TextIO,
    form: str,
    color: str,
    output: str,
) -> int:
    """Plays the tests of all files, and says which fail; files that cannot be read do not keep the
    others from being played.
    """
    from ctlint.report.check_result import Tally

    tally = Tally()
    show, sum_up = _check_printer(form, stream, color)
    show_sockets_check = socket_check_printer(form, stream, color)
    # With one file its packets are watched, with several the files.
    watch = stream if len(files) == 1 else None
    for file in files if watch else watched(files, len(files), stream):
        try:
            opened = open_script(file) if isinstance(file, str) else file
            if isinstance(opened, SocketFile):
                with _marked_sockets(opened):
                    for played in socket_results(opened, kernel, stream, output):
                        tally.add(played.status)
                        show_sockets_check(played)
                continue
            for result in _tests(opened, kernel, watch, output):
                tally.add(result.status)
                show(result)
        except SourceError as error:
            stream.flush()
            tell(str(error), *([f"  hint: {error.hint}"] if error.hint else []))
            tally.unreadable += 1
        except _UnreadableError:
            tally.unreadable += 1
    sum_up(tally)
    if tally.unreadable:
        raise SystemExit(EXIT_UNUSABLE)
    return EXIT_FINDINGS if tally.failed else EXIT_CLEAN


class _UnreadableError(Exception):
    """What is wrong with a file has been said."""


@contextmanager
def _marked_sockets(opened: SocketFile) -> Iterator[None]:
    """Says what is wrong with a socket script. Raises _UnreadableError."""
    try:
        yield
    except ParseError as error:
        _tell_marked(error, opened.path, opened.text)
        raise _UnreadableError from None


def _tests(
    opened: ScenarioFile,
    kernel: KernelProfile | None,
    watch: TextIO | None,
    output: str,
) -> Iterator[TestResult]:
    """The tests of one file, played. Raises SourceError, _UnreadableError and OutputError."""
    from ctlint.report.check_result import TestResult
    from ctlint.scenario.check import check, require_rules

    lines = () if opened.script is None else tuple(opened.script.split("\n"))
    try:
        for told in opened:
            require_no_input(output, opened.named)
            try:
                index = told.rule_index()
                require_rules(told.scenario, index)
                course = _course(told, kernel, watch)
                checked = check(told.scenario, course.answers, index)
            except ScenarioError as error:
                raise told.fault(error) from None
            yield TestResult(
                told.file,
                told.line,
                told.title,
                told.scenario,
                checked,
                told.places,
                lines,
                told.scenario.missing_sysctls(course.kernel),
            )
            del told
    except ParseError as error:
        if opened.script is None:
            raise
        _tell_marked(error, opened.path, opened.script)
        raise _UnreadableError from None


def _check_printer(
    form: str, stream: TextIO, color: str
) -> tuple[Callable[[TestResult], None], Callable[[Tally], None]]:
    """What prints a test, and what prints the sums."""
    if form == "json":
        from ctlint.report.check_json import write_check_json, write_tally_json

        return partial(write_check_json, stream=stream), partial(write_tally_json, stream=stream)
    from ctlint.report.check_text import render_check, render_tally

    page = console(color, stream)
    return partial(render_check, console=page), partial(render_tally, console=page)


def _course(told: Told, kernel: KernelProfile | None, watch: TextIO | None) -> Course:
    """Its playing, which a bar watches unless standard error or `watch` is no place for one."""
    from ctlint.scenario.play import Player

    scenario = told.scenario
    running = kernel or (profile(scenario.kernel) if scenario.kernel else NEWEST)
    player = Player(scenario, running)
    answers = map(player.step, scenario.steps)
    return Course(
        scenario,
        told.title,
        running,
        iter(answers) if watch is None else watched(answers, len(scenario.steps), watch),
        player.entries,
    )


@contextmanager
def _opened(output: str, files: tuple[str, ...]) -> Iterator[TextIO]:
    """Where answers go. What the stream's encoding cannot hold is escaped."""
    if output == "-":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        yield sys.stdout
        return
    with opened_output(output, files) as stream:
        yield stream


def _printer(form: str, stream: TextIO, internals: bool, color: str) -> _Printer:
    """Prints one scenario, and hands it on at once."""
    if form == "json":
        from ctlint.report.simulate_json import write_answer_json

        return partial(write_answer_json, stream=stream, internals=internals)
    from ctlint.report.simulate_text import render_simulation

    page = console(color, stream)
    printed: list[str] = []

    def as_text(course: Course) -> None:
        render_simulation(course, internals=internals, console=page, is_first=not printed)
        printed[:] = [course.title]

    return as_text
