# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint confirm``: play witnesses and scenarios on the kernel of this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ctlint import __version__
from ctlint.analysis.replay import expectations
from ctlint.cli.collector import no_garbage_collection, one_by_one
from ctlint.cli.exit_codes import EXIT_CLEAN, EXIT_FINDINGS, EXIT_UNUSABLE
from ctlint.cli.fault_report import write_report
from ctlint.cli.options import (
    color_option,
    console,
    format_option,
    kernel_named,
    sets_option,
    sysctl_option,
    unusable_input,
)
from ctlint.cli.progress import watched
from ctlint.cli.streams import reader_may_leave
from ctlint.finding import Confidence, Finding, LintResult, Witness
from ctlint.lint.registry import shipped_rules
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import KernelProfile, UnknownKernel, profile
from ctlint.model.netfilter.transit import Facts
from ctlint.report.confirm_result import Confirmation, Status, Sums, Task
from ctlint.scenario.check import require_rules
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import ScenarioError
from ctlint.source.confirm_files import LintResultFile, Rules, ScenarioText, confirm_file
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT
from ctlint.source.inputs import read_inputs
from ctlint.source.lint_results import witnesses
from ctlint.source.scenario_files import ScenarioFile

if TYPE_CHECKING:
    from ctlint.cli.confirm_in_vm import Machine
    from ctlint.lab.lab import Lab

DIFFERENCE_PREFIX: Final = "ctlint-difference-"
MOST_REPORTS: Final = 20
"""Bug reports of one run: more of them most likely have the same causes."""

_REASON_SHOWN: Final = 300


class _Judge(NamedTuple):
    """Who is compared, and where reports of differences go."""

    kernel: KernelProfile
    release: str
    backend: str | None
    folder: str


@click.command(
    "confirm",
    epilog="""\b
Examples:
  sudo ctlint confirm /etc/iptables/rules.v4 --sysctl /etc/sysctl.d
  ctlint lint rules.v4 --format json | sudo ctlint confirm -
  sudo ctlint confirm examples/scenarios/close-after-expiry.json
  sudo ctlint confirm rules.v4 --backend nft --format json | jq -c .status
  ctlint confirm rules.v4 --kernel-image boot/vmlinuz-6.1.0-57-amd64
""",
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@sysctl_option
@sets_option
@click.option(
    "--kernel",
    callback=kernel_named,
    metavar="PROFILE",
    help="Kernel that rule sets are checked for [default: the running one].",
)
@click.option(
    "--kernel-image",
    metavar="VMLINUZ",
    help="Play on this kernel, in a virtual machine.",
)
@click.option(
    "--modules",
    metavar="DIR",
    help="Its lib/modules/RELEASE [default: the one beside it].",
)
@click.option(
    "--accel",
    type=click.Choice(["tcg", "kvm"]),
    help="How the virtual machine runs: tcg emulates the processor, kvm needs /dev/kvm "
    "[default: tcg].",
)
@click.option(
    "--backend",
    type=click.Choice(["legacy", "nft"]),
    help="What loads rules [default: what the rule set was saved by].",
)
@format_option("json: one object a line for each scenario, then the sums; docs/confirm.md.")
@click.option(
    "--report-dir",
    metavar="DIR",
    default=".",
    show_default=True,
    help="Where a difference is written as a bug report.",
)
@color_option
def command(
    paths: tuple[str, ...],
    sysctls: tuple[str, ...],
    sets: tuple[str, ...],
    kernel: KernelProfile | None,
    kernel_image: str | None,
    modules: str | None,
    accel: str | None,
    backend: str | None,
    form: str,
    report_dir: str,
    color: str,
) -> int:
    """Play witnesses and scenarios on the kernel of this machine, or on another one.

    PATH is what `ctlint lint --format json` has printed, a file of scenarios or a connection
    script, or rules as for `ctlint lint`, which are checked first; - is standard input.

    Says for each packet what the kernel does with it and whether the model says the same, and
    whether what a witness or a scenario expects comes. Needs root. Everything happens in network
    namespaces of its own; the rules of this machine are not touched. With --kernel-image it
    happens in a virtual machine: docs/confirm.md.

    Exit codes: 0 all confirmed, 1 something is refuted or differs, 2 unusable input, no root, or
    something could not be played.
    """
    if not paths:
        raise click.UsageError("no PATH; use - to read standard input")
    if paths.count(STANDARD_INPUT) > 1:
        raise click.UsageError("- (standard input) is given twice")
    for name, value in (("modules", modules), ("accel", accel)):
        if value is not None and kernel_image is None:
            raise click.UsageError(f"--{name} goes with --kernel-image")
    with unusable_input():
        if not Path(report_dir).is_dir():
            raise SourceError(f"{report_dir}: no folder", "--report-dir names one that exists")
        if kernel_image is not None:
            from ctlint.cli.confirm_in_vm import Machine, confirm_in_vm

            machine = Machine.of(kernel_image, modules, accel or "tcg")
            given = _given_to(machine, paths, sysctls, sets, kernel)
            return confirm_in_vm(machine, given, backend, form, report_dir, color)
        release = os.uname().release
        running = _running(release)
        sums = Sums()
        tasks = _tasks(paths, sysctls, sets, kernel or running, sums)
        judge = _Judge(running, release, backend, report_dir)
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        with reader_may_leave():
            _confirm(tasks, judge, sums, form, color)
    if sums.by_status[Status.REFUTED] or sums.by_status[Status.DIFFERS]:
        return EXIT_FINDINGS
    return EXIT_UNUSABLE if sums.by_status[Status.UNPLAYED] else EXIT_CLEAN


def _running(release: str) -> KernelProfile:
    """The profile of the running kernel. Raises SourceError."""
    try:
        return profile(release)
    except UnknownKernel as error:
        raise SourceError(f"the running kernel: {error}") from None


# What is to be played


def _tasks(
    paths: Sequence[str],
    sysctls: Sequence[str],
    sets: Sequence[str],
    kernel: KernelProfile,
    sums: Sums,
) -> list[Task]:
    """All of it, in the order of the paths. Raises SourceError and ParseError."""
    files = [confirm_file(path) for path in paths]
    _require_rules(files, sysctls, sets)
    tasks: list[Task] = []
    for found in files:
        if isinstance(found, Rules):
            tasks += _of_rules(found, sysctls, sets, kernel, sums)
        elif isinstance(found, LintResultFile):
            tasks += _of_lint_result(found, sums)
        else:
            tasks += _of_scenarios(found)
    return tasks


def _of_rules(
    found: Rules, sysctls: Sequence[str], sets: Sequence[str], kernel: KernelProfile, sums: Sums
) -> Iterator[Task]:
    for finding in _linted(found, sysctls, sets, kernel).findings:
        if finding.witness is None:
            sums.without += 1
        else:
            yield _of_finding(finding, finding.witness)


def _linted(
    found: Rules, sysctls: Sequence[str], sets: Sequence[str], kernel: KernelProfile
) -> LintResult:
    with no_garbage_collection():
        hosts = [
            Host(one.rulesets, one.sysctls, Facts(sets=one.sets), saved_sets=one.saved_sets)
            for one in read_inputs([found.path], sysctls, sets, found.texts)
        ]
        return lint(one_by_one(hosts), kernel, shipped_rules())


def _of_finding(finding: Finding, witness: Witness) -> Task:
    where = finding.location
    return _of_witness(finding.rule, finding.confidence, where.file, where.line, witness)


def _of_lint_result(found: LintResultFile, sums: Sums) -> Iterator[Task]:
    for one in witnesses(found.result, found.path):
        if one is None:
            sums.without += 1
        else:
            yield _of_witness(one.rule, one.confidence, one.file, one.line, one.witness)


def _of_witness(rule: str, confidence: Confidence, file: str, line: int, witness: Witness) -> Task:
    expect = expectations(witness)
    opening = len(expect) - len(witness.expect)
    try:
        scenario = scenario_from_json({**witness.scenario, "expect": expect})
    except ScenarioError as error:
        said = error.message[:_REASON_SHOWN]
        return Task(file, line, "witness", None, rule, confidence, problem=f"its scenario: {said}")
    return Task(file, line, "witness", scenario, rule, confidence, opening)


def _of_scenarios(found: ScenarioText) -> Iterator[Task]:
    for told in ScenarioFile(found.path, found.text):
        try:
            require_rules(told.scenario, told.rule_index())
        except ScenarioError as error:
            raise told.fault(error) from None
        yield Task(found.path, told.line, told.title, told.scenario)


def _given_to(
    machine: Machine,
    paths: Sequence[str],
    sysctls: Sequence[str],
    sets: Sequence[str],
    kernel: KernelProfile | None,
) -> list[str | bytes]:
    """What a virtual machine is given to play: paths that it sees too, and texts. Rules are checked
    here, where that is quick. Raises SourceError and ParseError.
    """
    from ctlint.report.lint_json import json_pieces

    files = [confirm_file(path) for path in paths]
    _require_rules(files, sysctls, sets)
    given: list[str | bytes] = []
    for found in files:
        if isinstance(found, Rules):
            result = _linted(found, sysctls, sets, kernel or machine.profile)
            given.append("".join(json_pieces(result, version=__version__)).encode())
        elif Path(found.path).is_file():
            given.append(str(Path(found.path).resolve()))
        elif isinstance(found, LintResultFile):
            given.append(json.dumps(found.result).encode())
        else:
            given.append(found.text.encode("utf-8", "surrogateescape"))
    return given


def _require_rules(
    files: Sequence[LintResultFile | ScenarioText | Rules],
    sysctls: Sequence[str],
    sets: Sequence[str],
) -> None:
    if (sysctls or sets) and not any(isinstance(one, Rules) for one in files):
        raise click.UsageError("--sysctl and --sets go with rules; a scenario has its own")


# Playing


def _confirm(tasks: Sequence[Task], judge: _Judge, sums: Sums, form: str, color: str) -> None:
    """Plays all, and prints each as soon as it is known. Raises SourceError."""
    from ctlint.lab.lab import LabUnavailable, open_lab

    show, sum_up = _printer(judge, form, color)
    if tasks:
        try:
            with open_lab() as lab:
                for task in watched(tasks, len(tasks), sys.stdout):
                    found = _confirmation(lab, task, judge, sums)
                    sums.add(found)
                    show(found)
        except LabUnavailable as error:
            raise _unavailable(str(error)) from None
    sum_up(sums)


def _unavailable(reason: str) -> SourceError:
    if reason == "needs root":
        return SourceError(
            "confirm needs root: it plays packets in network namespaces of its own",
            "run it with sudo; or `ctlint simulate` asks the model alone",
        )
    return SourceError(
        f"this machine cannot play scenarios: {reason[:_REASON_SHOWN]}",
        "it takes ip, nft and iptables-restore, and a kernel with nf_tables and nf_conntrack: "
        "docs/confirm.md",
    )


def _confirmation(lab: Lab, task: Task, judge: _Judge, sums: Sums) -> Confirmation:
    from ctlint.lab.errors import CannotLoadError, LabError
    from ctlint.lab.firewall import Backend
    from ctlint.lab.judgement import judgement

    if task.scenario is None:
        return Confirmation(task, None, task.problem)
    backend = None if judge.backend is None else Backend(judge.backend)
    try:
        duel = judgement(lab, task.scenario, judge.kernel, backend)
    except ScenarioError as error:
        return Confirmation(task, None, str(error)[:_REASON_SHOWN])
    except CannotLoadError as error:
        said = " ".join(str(error).split())[:_REASON_SHOWN]
        return Confirmation(task, None, f"the real restore refuses the rules: {said}")
    except LabError as error:
        return Confirmation(task, None, str(error)[:_REASON_SHOWN])
    found = Confirmation(task, duel)
    if found.status not in (Status.REFUTED, Status.DIFFERS):
        return found
    if sums.by_status[Status.REFUTED] + sums.by_status[Status.DIFFERS] >= MOST_REPORTS:
        return Confirmation(task, duel, unwritten=f"there are {MOST_REPORTS} already")
    return _reported(found, judge)


def _reported(found: Confirmation, judge: _Judge) -> Confirmation:
    """The same with the file that tells of it."""
    from ctlint.report.confirm_json import bug_report

    task, duel = found.task, found.duel
    assert duel is not None
    assert task.scenario is not None
    report = bug_report(
        task.scenario,
        duel,
        kernel=judge.kernel.name,
        release=judge.release,
        backend=judge.backend,
        version=__version__,
    )
    try:
        path = write_report(report, judge.folder, DIFFERENCE_PREFIX)
    except OSError as error:
        said = f"{judge.folder}: {error.strerror or error}"
        return Confirmation(task, duel, unwritten=said)
    return Confirmation(task, duel, report=path)


def _printer(
    judge: _Judge, form: str, color: str
) -> tuple[Callable[[Confirmation], None], Callable[[Sums], None]]:
    """What prints a scenario, and what prints the sums."""
    kernel, release = judge.kernel.name, judge.release
    if form == "json":
        from ctlint.report.confirm_json import write_confirmation_json, write_sums_json

        return (
            partial(write_confirmation_json, kernel=kernel, stream=sys.stdout),
            partial(write_sums_json, kernel=kernel, release=release, stream=sys.stdout),
        )
    from ctlint.report.confirm_text import render_confirmation, render_sums

    page = console(color, sys.stdout)
    return (
        partial(render_confirmation, kernel=kernel, release=release, console=page),
        partial(render_sums, kernel=kernel, release=release, console=page),
    )
