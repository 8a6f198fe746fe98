# SPDX-License-Identifier: GPL-2.0-only
"""The reports of ``ctlint lint``: which of them go where, and that all files appear, or none."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple, TextIO

from ctlint import __version__
from ctlint.cli.options import console
from ctlint.cli.streams import reader_may_leave, tell
from ctlint.finding import LintResult
from ctlint.lint.baseline import baseline_of
from ctlint.lint.registry import shipped_rules
from ctlint.report.baseline import render_baseline
from ctlint.source.outputs import opened_outputs, require_no_input, require_writable

STANDARD_OUTPUT = "-"


class Target(NamedTuple):
    """A format, and the file that it goes to; ``-`` is standard output."""

    form: str
    output: str


class Look(NamedTuple):
    """How reports for people look; ``quiet``: none goes to standard output."""

    color: str
    show_suppressed: bool
    quiet: bool


def require_targets(targets: Sequence[Target], new_baseline: str | None) -> None:
    """Raises OutputError for what cannot be written, before there is any work."""
    for output in (*(target.output for target in targets), *filter(None, (new_baseline,))):
        if output != STANDARD_OUTPUT:
            require_writable(output)


def write_reports(
    result: LintResult,
    targets: Sequence[Target],
    new_baseline: str | None,
    look: Look,
    inputs: Sequence[str],
    baselines: Sequence[str],
) -> None:
    """Writes the reports, and a new baseline. Raises OutputError; no file is changed then.

    A baseline may be written over one that was read; no report may.
    """
    files = [target for target in targets if target.output != STANDARD_OUTPUT]
    for target in files:
        require_no_input(target.output, baselines)
    paths = [*(target.output for target in files), *filter(None, (new_baseline,))]
    with opened_outputs(paths, inputs) as outputs:
        for target, output in zip(files, outputs, strict=False):
            with output.writing() as stream:
                _render(result, target.form, stream, look)
        if new_baseline is not None:
            with outputs[-1].writing() as stream:
                stream.write(render_baseline(baseline_of(result)))
        for target in targets:
            if target.output == STANDARD_OUTPUT and not look.quiet:
                _print(result, target.form, look)
    if new_baseline is not None and not look.quiet:
        count = sum(known.times for known in baseline_of(result).values())
        tell(f"{new_baseline}: a baseline of {count:,} finding{'' if count == 1 else 's'}")


def _print(result: LintResult, form: str, look: Look) -> None:
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with reader_may_leave():
        _render(result, form, sys.stdout, look)


def _render(result: LintResult, form: str, stream: TextIO, look: Look) -> None:
    if form == "text":
        from ctlint.report.text import render_text

        render_text(
            result,
            console=console(look.color, stream),
            show_suppressed=look.show_suppressed,
        )
    elif form == "json":
        from ctlint.report.lint_json import json_pieces

        for piece in json_pieces(result, version=__version__):
            stream.write(piece)
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
    elif form == "markdown":
        from ctlint.report.markdown import render_markdown

        stream.write(render_markdown(result))
    elif form == "html":
        from ctlint.report.lint_html import render_html

        stream.write(render_html(result, version=__version__, rules=shipped_rules()))
    else:
        from ctlint.report.concise import render_concise

        stream.write(render_concise(result, show_suppressed=look.show_suppressed))
