# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint lint``: check rule sets."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple, TextIO

import click

from ctlint import __version__
from ctlint.analysis.circumstances import Circumstances, FactError, circumstances
from ctlint.cli.exit_codes import EXIT_FINDINGS
from ctlint.cli.options import (
    color_option,
    console,
    kernel_option,
    no_garbage_collection,
    sets_option,
    sysctl_option,
    unusable_input,
)
from ctlint.cli.streams import reader_may_leave
from ctlint.finding import LintResult, Severity
from ctlint.lint.fixing import Patch, patch
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona, RuleInfo
from ctlint.lint.runner import Host, lint
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.transit import Facts
from ctlint.report.escape import visible
from ctlint.source.inputs import read_inputs
from ctlint.source.outputs import opened_output

FORMATS: Final = ("text", "concise", "json", "sarif", "github", "junit", "gitlab")


class Look(NamedTuple):
    """How reports for people look."""

    color: str
    show_suppressed: bool


def told(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> Circumstances:
    """Callback: the facts that were told."""
    pairs = []
    for value in values:
        key, sign, text = value.partition("=")
        if not sign:
            raise click.BadParameter(visible(f"{value!r} is not KEY=VALUE"), ctx, param)
        pairs.append((key, text))
    try:
        return circumstances(pairs)
    except FactError as error:
        raise click.BadParameter(visible(str(error)), ctx, param) from None


@click.command(
    "lint",
    epilog="""\b
Examples:
  iptables-save | ctlint lint -
  ctlint lint rules.v4 --sysctl /etc/sysctl.d --kernel 5.15
  ctlint lint rules.v4 --fix > PATCH
  ctlint lint host-folder --fact keepalive=30s --fact role=server
  ctlint lint host-folder --format text --format sarif --output - --output ctlint.sarif
""",
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@sysctl_option
@sets_option
@kernel_option
@click.option(
    "--fact",
    "facts",
    multiple=True,
    metavar="KEY=VALUE",
    callback=told,
    help="What is known of the host: keepalive, idle, half-close, offload or role; repeatable.",
)
@click.option("--select", multiple=True, metavar="ID", help="Only these rules (CT101, CT1).")
@click.option("--ignore", multiple=True, metavar="ID", help="Not these rules (CT101, CT1).")
@click.option(
    "--persona",
    type=click.Choice([persona.value for persona in Persona]),
    default=Persona.REGULAR.value,
    show_default=True,
    help="pedantic: also rules that most people do not want.",
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
    paths: tuple[str, ...],
    sysctls: tuple[str, ...],
    sets: tuple[str, ...],
    kernel: KernelProfile,
    facts: Circumstances,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    persona: str,
    fail_on: str,
    formats: tuple[str, ...],
    outputs: tuple[str, ...],
    wants_patch: bool,
    show_suppressed: bool,
    color: str,
    quiet: bool,
) -> int:
    """Check rule sets.

    PATH is an iptables-save or ip6tables-save file, - for standard input, or a folder with the
    files of one host: iptables-save, ip6tables-save, sysctl, ipset-save.
    """
    if not paths:
        raise click.UsageError("no PATH; use - to read standard input")
    if wants_patch:
        _require_patch_alone(formats, outputs, quiet=quiet)
    targets = _targets(formats, outputs)
    rules = _chosen(shipped_rules(), select, ignore)
    with unusable_input(), no_garbage_collection():
        inputs = read_inputs(paths, sysctls, sets)
        hosts = [
            Host(
                one.rulesets,
                one.sysctls,
                Facts(sets=one.sets),
                facts,
                one.saved_sets,
                one.texts,
            )
            for one in inputs
        ]
        result = lint(hosts, kernel, rules, persona=Persona(persona))
        given = (*paths, *sysctls, *sets)
        if wants_patch:
            fixes = patch(result, hosts, kernel, rules, persona=Persona(persona))
            _write_patch(fixes, targets[0][1], given)
        for form, output in () if wants_patch else targets:
            if not (quiet and output == "-"):
                _write(result, form, output, Look(color, show_suppressed), given)
    least = Severity(fail_on).rank
    if any(f.suppressed is None and f.severity.rank >= least for f in result.findings):
        return EXIT_FINDINGS
    return 0


def _require_patch_alone(formats: Sequence[str], outputs: Sequence[str], *, quiet: bool) -> None:
    """Raises UsageError for what goes with reports only."""
    if formats:
        raise click.UsageError(
            "--fix prints a patch, no report: without --format "
            "(json and sarif hold the fix of each finding)"
        )
    if len(outputs) > 1:
        raise click.UsageError("--fix prints one patch: one --output at most")
    if quiet and (not outputs or outputs[0] == "-"):
        raise click.UsageError("--fix with --quiet prints nothing: without --quiet")


def _targets(formats: Sequence[str], outputs: Sequence[str]) -> list[tuple[str, str]]:
    """Which format goes where: the n-th --format to the n-th --output."""
    formats = formats or ("text",)
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
    if len(set(files)) < len(files):
        raise click.UsageError("two reports go to one --output: the second would replace the first")
    return list(zip(formats, outputs, strict=True))


def _chosen(
    rules: Sequence[RuleInfo], select: Sequence[str], ignore: Sequence[str]
) -> list[RuleInfo]:
    """The rules that --select and --ignore leave; a prefix stands for all ids it begins."""

    def fits(info: RuleInfo, words: Sequence[str]) -> bool:
        return any(
            info.id.startswith(part.strip().upper()) or info.name == part.strip()
            for word in words
            for part in word.split(",")
            if part.strip()
        )

    for word in (*select, *ignore):
        for part in word.split(","):
            if part.strip() and not any(fits(info, (part,)) for info in rules):
                raise click.UsageError(f"no rule {part.strip()!r}; `ctlint rules` lists them")
    return [info for info in rules if (not select or fits(info, select)) and not fits(info, ignore)]


def _write(result: LintResult, form: str, output: str, look: Look, inputs: Sequence[str]) -> None:
    if output == "-":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        with reader_may_leave():
            _render(result, form, sys.stdout, look)
        return
    with opened_output(output, inputs) as stream:
        _render(result, form, stream, look)


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


def _render(result: LintResult, form: str, stream: TextIO, look: Look) -> None:
    if form == "text":
        from ctlint.report.text import render_text

        render_text(
            result,
            console=console(look.color, stream),
            show_suppressed=look.show_suppressed,
        )
    elif form == "json":
        from ctlint.report.lint_json import render_json

        stream.write(render_json(result, version=__version__))
    elif form == "sarif":
        from ctlint.report.sarif import render_sarif

        stream.write(render_sarif(result, version=__version__, rules=shipped_rules()))
    elif form == "github":
        from ctlint.report.github import render_github

        stream.write(render_github(result))
    elif form == "junit":
        from ctlint.report.junit import render_junit

        stream.write(render_junit(result))
    elif form == "gitlab":
        from ctlint.report.gitlab import render_gitlab

        stream.write(render_gitlab(result))
    else:
        from ctlint.report.concise import render_concise

        stream.write(render_concise(result, show_suppressed=look.show_suppressed))
