# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint simulate``: play scenarios on the model of conntrack."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

import click

from ctlint.cli.options import color_option, console, unusable_input
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, UnknownKernel, profile
from ctlint.report.escape import visible
from ctlint.scenario.answer import ScenarioAnswer
from ctlint.scenario.reader import MAX_TEXT, ScenarioSyntaxError, read_scenarios
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, read_document

_NAME_SHOWN: Final = 80

_Printer = Callable[[Scenario, ScenarioAnswer, str, KernelProfile], None]


def _kernel(ctx: click.Context, param: click.Parameter, value: str | None) -> KernelProfile | None:
    """The profile of that name, if one is named. Fails with suggestions."""
    if value is None:
        return None
    try:
        return profile(value)
    except UnknownKernel as error:
        raise click.BadParameter(visible(str(error)), ctx, param) from None


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
    callback=_kernel,
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
        from ctlint.model.conntrack.unmodelled import UNMODELLED
        from ctlint.report.simulate_text import render_unmodelled

        render_unmodelled(UNMODELLED, console=console(color, sys.stdout))
        return
    if not files:
        raise click.UsageError("no FILE; use - to read standard input")
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("- (standard input) is given twice")
    with _opened(output) as stream:
        printer = _printer(form, stream, internals, color)
        for file in files:
            with unusable_input():
                _simulate(file, kernel, printer)


def _simulate(file: str, kernel: KernelProfile | None, printer: _Printer) -> None:
    """Plays the scenarios of one file, each as soon as it is read."""
    from ctlint.scenario.play import play

    played = 0
    name: str | None = None
    try:
        for scenario in read_scenarios(read_document(file, MAX_TEXT, "simulate")):
            name = scenario.name
            running = kernel or (profile(scenario.kernel) if scenario.kernel else NEWEST)
            printer(scenario, play(scenario, running), f"scenario {played + 1}", running)
            played += 1
            name = None
    except ScenarioSyntaxError as error:
        where = f"{file}:{error.line}:{error.column}"
        raise SourceError(f"{where}: {error.message}", error.hint) from None
    except ScenarioError as error:
        known = name or error.name
        if known is not None and len(known) > _NAME_SHOWN:
            known = known[:_NAME_SHOWN] + "…"
        where = f'scenario "{known}"' if known else f"scenario {played + 1}"
        raise SourceError(f"{file}: {where}: {error}", _hint(error)) from None


def _hint(error: ScenarioError) -> str | None:
    if error.message.startswith("rule sets"):
        return "`ctlint explain` follows one packet through the rules of a dump"
    return None


@contextmanager
def _opened(output: str) -> Iterator[TextIO]:
    """Where answers go. What the stream's encoding cannot hold is escaped."""
    if output == "-":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        yield sys.stdout
        return
    try:
        with Path(output).open("w", encoding="utf-8", errors="backslashreplace") as stream:
            yield stream
    except OSError as error:
        raise click.UsageError(f"cannot write {visible(output)}: {error.strerror}") from None


def _printer(form: str, stream: TextIO, internals: bool, color: str) -> _Printer:
    """Prints one answer, and hands it on at once."""
    if form == "json":
        from ctlint.report.simulate_json import render_answer_json

        def as_json(
            _scenario: Scenario, answer: ScenarioAnswer, _title: str, _kernel: KernelProfile
        ) -> None:
            stream.write(render_answer_json(answer, internals=internals))
            stream.flush()

        return as_json
    from ctlint.report.simulate_text import render_simulation

    page = console(color, stream)
    printed: list[str] = []

    def as_text(
        scenario: Scenario, answer: ScenarioAnswer, title: str, kernel: KernelProfile
    ) -> None:
        if printed:
            stream.write("\n")
        printed[:] = [title]
        render_simulation(
            scenario, answer, title=title, kernel=kernel, internals=internals, console=page
        )
        stream.flush()

    return as_text
