# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint simulate``: play scenarios on the model of conntrack."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TextIO

import click

from ctlint.cli.options import color_option, console, kernel_named, unusable_input
from ctlint.cli.progress import watched
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, profile
from ctlint.report.simulate_course import Course
from ctlint.scenario.document import ScenarioSyntaxError
from ctlint.scenario.reader import MAX_TEXT, read_scenarios
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, read_document
from ctlint.source.outputs import opened_output

_NAME_SHOWN: Final = 80

_Printer = Callable[[Course], None]


@click.command(
    "simulate",
    epilog="""\b
Examples:
  ctlint simulate examples/scenarios/close-after-expiry.json
  ctlint simulate scenarios.jsonl --format json | jq '.packets[].ctstate'
  ctlint simulate capture.json --kernel 5.15 --internals
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
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one object a line for each scenario, described in docs/scenario.md.",
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
@click.option("--not-modelled", is_flag=True, help="Say what the simulation leaves out, and end.")
@color_option
def command(
    files: tuple[str, ...],
    kernel: KernelProfile | None,
    form: str,
    internals: bool,
    output: str,
    not_modelled: bool,
    color: str,
) -> None:
    """Play scenarios on the model of conntrack.

    FILE holds scenarios as JSON: one object, a list, or JSON Lines; - is standard input. A scenario
    is a firewall, its kernel settings, and packets in time: docs/scenario.md.

    Shows what conntrack calls each packet and why, and what becomes of its entry. The first
    scenario that cannot be read or played ends the run.
    """
    if not_modelled:
        if files:
            raise click.UsageError("--not-modelled plays nothing: leave FILE out")
    elif not files:
        raise click.UsageError("no FILE; use - to read standard input")
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("- (standard input) is given twice")
    with unusable_input(), _opened(output, files) as stream:
        if not_modelled:
            _list_unmodelled(form, stream, color)
            return
        printer = _printer(form, stream, internals, color)
        for file in files:
            _simulate(file, kernel, stream, printer)


def _list_unmodelled(form: str, stream: TextIO, color: str) -> None:
    from ctlint.model.conntrack.unmodelled import UNMODELLED

    if form == "json":
        from ctlint.report.simulate_json import render_unmodelled_json

        stream.write(render_unmodelled_json(UNMODELLED))
        return
    from ctlint.report.simulate_text import render_unmodelled

    render_unmodelled(UNMODELLED, console=console(color, stream))


def _simulate(file: str, kernel: KernelProfile | None, stream: TextIO, printer: _Printer) -> None:
    """Plays the scenarios of one file, each as soon as it is read."""
    reader = read_scenarios(read_document(file, MAX_TEXT, "simulate"))
    name: str | None = None
    try:
        for scenario in reader:
            name = scenario.name
            running = kernel or (profile(scenario.kernel) if scenario.kernel else NEWEST)
            printer(_course(scenario, f"scenario {reader.number}", running, stream))
            name = None
            del scenario  # while the next is read, its memory is for that
    except ScenarioSyntaxError as error:
        where = f"{file}:{error.line}:{error.column}"
        raise SourceError(f"{where}: {error.message}", error.hint) from None
    except ScenarioError as error:
        if not reader.number:
            raise SourceError(f"{file}: {error}") from None
        where = f"{file}:{reader.line}: scenario {reader.number}"
        known = name or error.name
        if known:
            known = known[:_NAME_SHOWN] + "…" * (len(known) > _NAME_SHOWN)
            where += f' "{known}"'
        raise SourceError(f"{where}: {error}", _hint(error)) from None


def _course(scenario: Scenario, title: str, kernel: KernelProfile, stream: TextIO) -> Course:
    from ctlint.scenario.play import Player

    player = Player(scenario, kernel)
    answers = watched(map(player.step, scenario.steps), len(scenario.steps), stream)
    return Course(scenario, title, kernel, answers, player.entries, lambda: player.missing_sysctls)


def _hint(error: ScenarioError) -> str | None:
    if error.message.startswith("rule sets"):
        return "`ctlint explain` follows one packet through the rules of a dump"
    return None


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
