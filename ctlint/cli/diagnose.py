# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint diagnose``: say what is wrong with the connections of a host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import replace

import click

from ctlint.analysis.diagnose import diagnose
from ctlint.analysis.diagnosis import Diagnosis
from ctlint.analysis.evidence import Evidence
from ctlint.analysis.settings import Settings
from ctlint.analysis.tracking import NotFollowedError
from ctlint.cli.collector import no_garbage_collection
from ctlint.cli.exit_codes import EXIT_CLEAN, EXIT_FINDINGS
from ctlint.cli.live import Live, inside, live_options
from ctlint.cli.options import (
    color_option,
    console,
    format_option,
    kernel_named,
    unusable_input,
)
from ctlint.cli.streams import reader_may_leave, tell
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, UnknownKernel, profile
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import EndlessWalkError
from ctlint.report.escape import visible
from ctlint.source.collection import MOST_INTERVAL, collected
from ctlint.source.errors import SourceError
from ctlint.source.evidence_folders import read_evidence


@click.command(
    "diagnose",
    epilog="""\b
Examples:
  ctlint diagnose evidence
  sudo ctlint diagnose --live
  sudo ctlint diagnose --netns web
  ctlint diagnose evidence --format json
""",
)
@click.argument("folder", required=False)
@live_options
@click.option(
    "--interval",
    type=click.IntRange(0, MOST_INTERVAL),
    help="Seconds between the two dumps [default: as their dates say; with --live 5].",
)
@click.option(
    "--kernel",
    callback=kernel_named,
    metavar="PROFILE",
    help="Kernel: a profile, or the output of `uname -r` [default: as the evidence says].",
)
@format_option("json: the keys are described in docs/diagnose.md.")
@color_option
def command(
    folder: str | None,
    live: Live,
    interval: int | None,
    kernel: KernelProfile | None,
    form: str,
    color: str,
) -> int:
    """Say what is wrong with the connections of a host.

    FOLDER is what `ctlint collect` writes, or a host's folder with the output of ss, conntrack,
    nstat and dmesg in it; with --live it is collected first, and not kept. Names the sockets that
    hang, the rule that eats their packets, for how long they still last, what to do now and what
    to change.

    Exit codes: 0 nothing found, 1 something found, 2 unusable input.
    """
    if live.is_wanted is (folder is not None):
        raise click.UsageError("give either FOLDER or --live")
    if len(live.namespaces) > 1:
        raise click.UsageError("one --netns at most: this is asked of one host")
    with unusable_input(), no_garbage_collection(), _source(folder, interval, live) as source:
        name, seconds = source
        evidence = read_evidence(name, seconds)
        if live.is_wanted:
            where = f"network namespace {live.namespaces[0]}" if live.namespaces else "this host"
            evidence = replace(evidence, name=where)
        found = _diagnosis(evidence, kernel or _kernel(evidence))
    with reader_may_leave():
        if form == "json":
            from ctlint.report.diagnosis_json import render_diagnosis_json

            click.echo(render_diagnosis_json(found), nl=False)
        else:
            from ctlint.report.diagnosis_text import render_diagnosis

            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
            render_diagnosis(found, console=console(color, sys.stdout))
    return EXIT_FINDINGS if found.troubles else EXIT_CLEAN


@contextmanager
def _source(
    folder: str | None, interval: int | None, live: Live
) -> Iterator[tuple[str, int | None]]:
    """The folder to read, and the seconds between its dumps where they are told."""
    if folder is not None:
        yield folder, interval
        return
    with ExitStack() as stack:
        for place in live.namespaces:
            stack.enter_context(inside(place))
        made = stack.enter_context(collected(5 if interval is None else interval))
        # The folder is gone afterwards: its files are known by their names alone.
        stack.enter_context(chdir(made))
        yield ".", None


def _kernel(evidence: Evidence) -> KernelProfile:
    """The profile of the kernel that the evidence names, else the newest."""
    if evidence.release is None:
        tell(f"the evidence names no kernel (uname -r): {NEWEST.name} is taken; see --kernel")
        return NEWEST
    try:
        return profile(evidence.release)
    except UnknownKernel as error:
        raise SourceError(visible(str(error)), "name one with --kernel") from None


def _diagnosis(evidence: Evidence, kernel: KernelProfile) -> Diagnosis:
    from ctlint.lint.diagnosed import with_remedies
    from ctlint.lint.registry import shipped_rules
    from ctlint.lint.runner import Host

    facts = Facts(sets=evidence.sets)
    host = Host(evidence.rulesets, evidence.sysctls, facts=facts)
    try:
        found = diagnose(evidence, Settings(evidence.sysctls, kernel))
        return with_remedies(found, host, kernel, shipped_rules())
    except (NotFollowedError, EndlessWalkError) as error:
        raise SourceError(f"{evidence.name}: {error}") from None
