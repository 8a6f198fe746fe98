# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint diff``: what differs between two firewalls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TextIO, TypeVar

import click

from ctlint import __version__
from ctlint.analysis.diff import FamiliesDifferError, Firewall, diff
from ctlint.analysis.difference import DiffResult
from ctlint.analysis.settings import Settings
from ctlint.cli.collector import no_garbage_collection
from ctlint.cli.exit_codes import EXIT_FINDINGS
from ctlint.cli.options import (
    color_option,
    console,
    kernel_named,
    sets_option,
    sysctl_option,
    unusable_input,
)
from ctlint.cli.streams import reader_may_leave
from ctlint.finding import Severity
from ctlint.model.kernel.profiles import NEWEST, KernelProfile
from ctlint.model.netfilter.transit import Facts
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT
from ctlint.source.inputs import HostInput, read_inputs
from ctlint.source.outputs import opened_output

FORMATS: Final = ("text", "json", "concise", "markdown")
_F = TypeVar("_F", bound=Callable[..., Any])


def _kernels(command: _F) -> _F:
    """``--kernel``, ``--old-kernel``, ``--new-kernel``."""
    for name, what in (
        ("--new-kernel", "Kernel of NEW, where it is another."),
        ("--old-kernel", "Kernel of OLD, where it is another."),
        ("--kernel", f"Kernel of both (see `ctlint kernel --list`) [default: {NEWEST.name}]."),
    ):
        command = click.option(name, callback=kernel_named, metavar="PROFILE", help=what)(command)
    return command


def _of_one_side(command: _F) -> _F:
    """The settings and sets of OLD and of NEW alone."""
    for side in ("new", "old"):
        for kind, what in (("sets", "`ipset save` output"), ("sysctl", "Settings")):
            command = click.option(
                f"--{side}-{kind}",
                multiple=True,
                metavar="FILE",
                help=f"{what} of {side.upper()} alone; repeatable.",
            )(command)
    return command


@click.command(
    "diff",
    epilog="""\b
Examples:
  ctlint diff /etc/iptables/rules.v4 rules.v4.new --sysctl /etc/sysctl.d
  iptables-save | ctlint diff - rules.v4.new --fail-on error
  ctlint diff host-today host-tomorrow --format markdown --output review.md
  ctlint diff rules.v4 rules.v4 --old-kernel 4.19 --new-kernel 6.12
""",
)
@click.argument("old")
@click.argument("new")
@sysctl_option
@sets_option
@_of_one_side
@_kernels
@click.option(
    "--all",
    "with_causes",
    is_flag=True,
    help="Also packets that are lost before and now, but to another cause.",
)
@click.option(
    "--fail-on",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.WARNING.value,
    show_default=True,
    help="Least severity that gives exit code 1.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="json: the keys are described in docs/diff.md.",
)
@click.option(
    "--output",
    default=STANDARD_INPUT,
    metavar="FILE",
    help="Where it goes [default: -, standard output].",
)
@color_option
def command(
    old: str,
    new: str,
    sysctls: tuple[str, ...],
    sets: tuple[str, ...],
    old_sysctl: tuple[str, ...],
    new_sysctl: tuple[str, ...],
    old_sets: tuple[str, ...],
    new_sets: tuple[str, ...],
    kernel: KernelProfile | None,
    old_kernel: KernelProfile | None,
    new_kernel: KernelProfile | None,
    with_causes: bool,
    fail_on: str,
    form: str,
    output: str,
    color: str,
) -> int:
    """Say which packets of which connections fare otherwise under NEW than under OLD.

    OLD and NEW are files of iptables-save or ip6tables-save, - for standard input (one of them),
    or folders with the files of one host. Rules that only moved, were split or renamed make no
    difference. Each difference has one connection as a witness, played under both rule sets.

    \b
    Exit codes: 0 no difference at or above --fail-on, 1 some, 2 unusable input or usage.
    """
    if kernel is not None and (old_kernel or new_kernel) is not None:
        raise click.UsageError("--kernel is for both: leave out --old-kernel and --new-kernel")
    files = (old, new, *sysctls, *sets, *old_sysctl, *new_sysctl, *old_sets, *new_sets)
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("- (standard input) is given twice")
    common = kernel or NEWEST
    with unusable_input(), no_garbage_collection():
        (one,) = read_inputs((old,), (*sysctls, *old_sysctl), (*sets, *old_sets))
        (other,) = read_inputs((new,), (*sysctls, *new_sysctl), (*sets, *new_sets))
        try:
            result = diff(
                _firewall(one, old_kernel or common),
                _firewall(other, new_kernel or common),
                with_causes=with_causes,
            )
        except FamiliesDifferError:
            raise SourceError(
                f"{old} and {new}: one has IPv4 rules alone, the other IPv6 rules alone",
                "compare iptables-save with iptables-save, ip6tables-save with ip6tables-save",
            ) from None
        _write(result, form, output, color, files)
    least = Severity(fail_on).rank
    return EXIT_FINDINGS if any(d.severity.rank >= least for d in result.differences) else 0


def _firewall(one: HostInput, kernel: KernelProfile) -> Firewall:
    return Firewall(one.rulesets, Settings(one.sysctls, kernel), Facts(sets=one.sets))


def _write(result: DiffResult, form: str, output: str, color: str, inputs: Sequence[str]) -> None:
    if output == "-":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        with reader_may_leave():
            _render(result, form, sys.stdout, color)
        return
    with opened_output(output, inputs) as stream:
        _render(result, form, stream, color)


def _render(result: DiffResult, form: str, stream: TextIO, color: str) -> None:
    if form == "text":
        from ctlint.report.diff_text import render_diff

        render_diff(result, console=console(color, stream))
    elif form == "json":
        from ctlint.report.diff_json import render_diff_json

        stream.write(render_diff_json(result, version=__version__))
    elif form == "markdown":
        from ctlint.report.diff_lines import render_diff_markdown

        stream.write(render_diff_markdown(result))
    else:
        from ctlint.report.diff_lines import render_diff_concise

        stream.write(render_diff_concise(result))
