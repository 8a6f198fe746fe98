# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint lint``: check rule sets."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import click

from ctlint.cli.collector import no_garbage_collection
from ctlint.cli.configured import with_configuration
from ctlint.cli.exit_codes import EXIT_CLEAN, EXIT_FAULT, EXIT_FINDINGS, EXIT_UNUSABLE
from ctlint.cli.host_checks import HostCheck, Hosts, check_hosts, usable_cores
from ctlint.cli.lint_reports import Look, Target, require_targets, write_reports
from ctlint.cli.live import Live, live_options, read_running, running_kernel
from ctlint.cli.options import (
    color_option,
    unusable_input,
)
from ctlint.cli.streams import reader_may_leave, tell
from ctlint.finding import LintResult, Severity, SkipReason
from ctlint.lint.baseline import Baseline, compared
from ctlint.lint.config_schema import FORMATS
from ctlint.lint.fixing import Patch, patch
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona
from ctlint.source.baseline_files import read_baseline
from ctlint.source.configured import Configured
from ctlint.source.found_inputs import found_inputs
from ctlint.source.inputs import HostReader, read_shared
from ctlint.source.outputs import opened_output

_WITHOUT_WITNESS: Final = frozenset({"text", "concise", "github", "junit", "gitlab"})
"""Formats that do not show the witnesses of findings."""


@click.command(
    "lint",
    epilog="""\b
Examples:
  iptables-save | ctlint lint -
  ctlint lint rules.v4 --sysctl /etc/sysctl.d --kernel 5.15
  ctlint lint rules.v4 --fix > PATCH
  ctlint lint host-folder --fact keepalive=30s --fact role=server
  ctlint lint host-folder --format text --format sarif --output - --output ctlint.sarif
  ctlint lint hosts "more/*/rules.v4" --jobs 4
  find hosts -name "*.v4" -print0 | ctlint lint --files-from -
  sudo ctlint lint --live
""",
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@with_configuration
@live_options
@click.option(
    "--files-from",
    "lists",
    multiple=True,
    metavar="FILE",
    help="More PATHs from a file (- for standard input), one a line or NUL between; repeatable.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Output format [default: text]; repeatable, with as many --output.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="Where the format goes [default: -, standard output]; repeatable.",
)
@click.option(
    "--write-baseline",
    "new_baseline",
    metavar="FILE",
    help="Write all that is found and not allowed to a baseline; exit code 0.",
)
@click.option(
    "--fix",
    "wants_patch",
    is_flag=True,
    help="Print a patch with all checked fixes instead of a report; no file is changed.",
)
@click.option(
    "--show-suppressed", is_flag=True, help="text, concise: also the findings that are allowed."
)
@color_option
@click.option("-q", "--quiet", is_flag=True, help="Print no report, write only --output files.")
def command(
    configured: Configured,
    live: Live,
    paths: tuple[str, ...],
    lists: tuple[str, ...],
    formats: tuple[str, ...],
    outputs: tuple[str, ...],
    new_baseline: str | None,
    wants_patch: bool,
    show_suppressed: bool,
    color: str,
    quiet: bool,
) -> int:
    """Check rule sets.

    PATH is an iptables-save or ip6tables-save file, - for standard input, a folder with the files
    of one host (iptables-save, ip6tables-save, sysctl, ipset-save), a folder of such folders and
    files, or a glob in quotes. What is wrong with one of many is told, and the others are checked.
    """
    if not (paths or lists or live.is_wanted):
        raise click.UsageError("no PATH; use - to read standard input, --live to read this host")
    if wants_patch:
        _require_patch_alone(formats, outputs, new_baseline, quiet=quiet)
    holds = configured.effective()
    targets = _targets(formats or (holds["format"],), outputs, new_baseline)
    rules = shipped_rules()
    persona = Persona(holds["persona"])
    sysctls, sets = configured.paths("sysctl"), configured.paths("sets")
    baselines = configured.paths("baseline")
    with unusable_input(), no_garbage_collection():
        require_targets(targets, new_baseline)
        known = {file: _known(file, new_baseline) for file in baselines}
        found = found_inputs(paths, lists, configured.is_excluded)
        if live.is_wanted and "kernel" not in configured.options:
            configured = configured.on_kernel(running_kernel())
        running = read_running(live, quiet=quiet)
        reader = HostReader(read_shared(sysctls, sets), running=running.texts)
        reader.keep_streams(found.names)
        names = (*found.names, *(host.name for host in running.texts))
        found = found._replace(names=names, wrong=(*found.wrong, *running.wrong))
        with_witnesses = any(form not in _WITHOUT_WITNESS for form, _ in targets)
        check = HostCheck(reader, configured, with_witnesses=with_witnesses)
        result, asked = check_hosts(found, check, holds["jobs"] or usable_cores())
        if not result.inputs and result.skipped:
            return _exit_code(result, holds["fail-on"])
        result = replace(result, config=configured.file.configuration.file)
        for file, baseline in known.items():
            result = compared(result, baseline, file, asked)
        given = (*found.names, *lists, *sysctls, *sets, *configured.read)
        if wants_patch:
            hosts = Hosts(check, [name for name in found.names if name not in _skipped(result)])
            fixes = patch(result, hosts, configured.kernel, rules, persona=persona)
            _write_patch(fixes, targets[0][1], given)
        else:
            look = Look(color, show_suppressed, quiet)
            baseline_file = None if result.skipped else new_baseline
            write_reports(result, targets, baseline_file, look, given, baselines)
        if new_baseline is not None and not result.skipped:
            return EXIT_CLEAN
    if new_baseline is not None:
        tell(f"{new_baseline}: not written: inputs are left out, and their findings would be new")
    return _exit_code(result, holds["fail-on"])


def _skipped(result: LintResult) -> set[str]:
    return {skipped.host for skipped in result.skipped}


def _exit_code(result: LintResult, fail_on: str) -> int:
    """What is left out counts for more than what is found."""
    reasons = {skipped.reason for skipped in result.skipped}
    if reasons:
        return EXIT_FAULT if SkipReason.FAULT in reasons else EXIT_UNUSABLE
    least = Severity(fail_on).rank
    if any(f.suppressed is None and f.severity.rank >= least for f in result.findings):
        return EXIT_FINDINGS
    return EXIT_CLEAN


def _known(file: str, new_baseline: str | None) -> Baseline:
    """What a baseline has: nothing where it is to be written for the first time."""
    is_new = new_baseline is not None and not os.path.lexists(file)
    if is_new and os.path.realpath(file) == os.path.realpath(new_baseline or ""):
        return {}
    return read_baseline(file)


def _require_patch_alone(
    formats: Sequence[str], outputs: Sequence[str], new_baseline: str | None, *, quiet: bool
) -> None:
    """Raises UsageError for what goes with reports only."""
    if new_baseline is not None:
        raise click.UsageError("--fix prints a patch: without --write-baseline")
    if formats:
        raise click.UsageError(
            "--fix prints a patch, no report: without --format "
            "(json and sarif hold the fix of each finding)"
        )
    if len(outputs) > 1:
        raise click.UsageError("--fix prints one patch: one --output at most")
    if quiet and (not outputs or outputs[0] == "-"):
        raise click.UsageError("--fix with --quiet prints nothing: without --quiet")


def _targets(
    formats: Sequence[str], outputs: Sequence[str], new_baseline: str | None
) -> list[Target]:
    """Which format goes where: the n-th --format to the n-th --output."""
    if new_baseline in ("", "-"):
        raise click.UsageError("--write-baseline takes the name of a file")
    if not outputs and len(formats) == 1:
        outputs = ("-",)
    if len(formats) != len(outputs):
        raise click.UsageError(
            f"{len(formats)} --format and {len(outputs)} --output: give one --output for each"
        )
    files = [
        os.path.realpath(output)
        for output in outputs
        if output != "-" and not output.startswith("/dev/")
    ]
    if new_baseline is not None and os.path.realpath(new_baseline) in files:
        raise click.UsageError("a report and the baseline go to one file")
    if len(set(files)) < len(files):
        raise click.UsageError("two reports go to one --output: the second would replace the first")
    return list(map(Target, formats, outputs))


def _write_patch(fixes: Patch, output: str, inputs: Sequence[str]) -> None:
    """The patch as it is, byte for byte; on a terminal without what could steer it."""
    from ctlint.report.escape import visible
    from ctlint.report.patch import render_patch

    text = render_patch(fixes)
    if output != "-":
        with opened_output(output, inputs) as stream:
            stream.reconfigure(errors="surrogateescape")  # type: ignore[attr-defined]
            stream.write(text)
        return
    if sys.stdout.isatty():
        text = "".join(f"{visible(line)}\n" for line in text.split("\n")[:-1])
    sys.stdout.reconfigure(  # type: ignore[union-attr]
        encoding="utf-8", errors="surrogateescape", newline=""
    )
    with reader_may_leave():
        sys.stdout.write(text)
