# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint whatif``: where the answer changes as timeouts, pauses and keepalives do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Final, TextIO, TypeVar

import click

from ctlint import __version__
from ctlint.analysis.circumstances import FactError
from ctlint.analysis.override import Sweep, override, sweep_of
from ctlint.analysis.phase import PHASES
from ctlint.analysis.settings import Settings
from ctlint.analysis.silence import (
    Keepalive,
    Silences,
    Usage,
    keepalive_of,
    percent,
    rate_of,
    silences,
)
from ctlint.analysis.threshold import threshold
from ctlint.analysis.timeout_sweep import played, sweep
from ctlint.analysis.whatif import Question, WhatIf
from ctlint.cli.collector import no_garbage_collection
from ctlint.cli.exit_codes import EXIT_CLEAN, EXIT_FINDINGS, EXIT_UNUSABLE
from ctlint.cli.live import Live, live_options, one_host
from ctlint.cli.options import (
    color_option,
    console,
    kernel_option,
    sets_option,
    sysctl_option,
    unusable_input,
)
from ctlint.cli.streams import reader_may_leave, tell
from ctlint.finding import Role
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import EndlessWalkError
from ctlint.report.escape import visible
from ctlint.report.whatif_result import WhatIfResult
from ctlint.report.whatif_words import ROLE_WORDS
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT
from ctlint.source.inputs import HostInput

_T = TypeVar("_T")
_ROLES: Final = {word: role for role, word in ROLE_WORDS.items()}


def _told(
    read: Callable[[str], _T],
) -> Callable[[click.Context, click.Parameter, str | None], _T | None]:
    """Callback: a fact in words."""

    def callback(ctx: click.Context, param: click.Parameter, text: str | None) -> _T | None:
        if text is None:
            return None
        try:
            return read(text)
        except FactError as error:
            raise click.BadParameter(visible(str(error)), ctx, param) from None

    return callback


@click.command(
    "whatif",
    epilog="""\b
Examples:
  ctlint whatif --rules host-folder
  sudo ctlint whatif --live --format text
  ctlint whatif --rules rules.v4 --set nf_conntrack_tcp_timeout_established=120 --idle 15m
  ctlint whatif --rules rules.v4 --idle 1s:50%,60s:40%,20m:10% --keepalive 60/10/3 --format text
  ctlint whatif --rules rules.v4 --idle 20m --rate 200 --vanish 1% \\
      --sweep nf_conntrack_tcp_timeout_established=10..432000
""",
)
@click.option(
    "--rules",
    "path",
    metavar="FILE",
    help="Output of iptables-save or ip6tables-save, - for standard input, or a host's folder.",
)
@live_options
@sysctl_option
@sets_option
@kernel_option
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a sysctl; seconds may have a unit (2m); repeatable.",
)
@click.option(
    "--sweep",
    "range_",
    metavar="KEY=LOW..HIGH",
    help="Say where the answer changes as the sysctl grows, and draw the curves.",
)
@click.option(
    "--idle",
    callback=_told(lambda text: silences("idle", text)),
    metavar="TIME",
    help="How long open connections are silent: 15m, or shares, 1s:50%,60s:40%,20m:10%; "
    "with keepalives of their own, 20m@60/10/3:10%.",
)
@click.option(
    "--half-close",
    callback=_told(lambda text: silences("half-close", text)),
    metavar="TIME",
    help="How long connections are silent that one end has closed; as --idle.",
)
@click.option(
    "--keepalive",
    callback=_told(keepalive_of),
    metavar="TIME[/INTERVAL[/PROBES]]",
    help="Keepalives of all sockets; sysctl: as the sysctls say; off [default]: none.",
)
@click.option(
    "--rate",
    callback=_told(rate_of),
    metavar="N",
    help="New connections a second: for the size of the table.",
)
@click.option(
    "--vanish",
    callback=_told(lambda text: percent("vanish", text)),
    metavar="SHARE",
    help="Share of connections of which an end goes without a word (1%).",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(list(_ROLES)),
    help="What the host is; repeatable [default: all].",
)
@click.option(
    "--check", is_flag=True, help="Exit with 1 if connections are stranded that were told of."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    help="json: the keys are described in docs/whatif.md [default: text].",
)
@color_option
def command(
    path: str | None,
    live: Live,
    sysctls: tuple[str, ...],
    sets: tuple[str, ...],
    kernel: KernelProfile | None,
    overrides: tuple[str, ...],
    range_: str | None,
    idle: Silences | None,
    half_close: Silences | None,
    keepalive: Keepalive | None,
    rate: Fraction | None,
    vanish: Fraction | None,
    roles: tuple[str, ...],
    check: bool,
    form: str | None,
    color: str,
) -> int:
    """Say for each timeout of conntrack how long a silence it bears, and what is lost beyond.

    An entry lives as long as its timeout since the last packet. Told how long connections are
    silent, says which share of them is stranded, and which timeout or keepalive would be safe;
    told their rate, how many entries the table holds. Each threshold is played on the model of
    conntrack on both of its sides.

    \b
    Exit codes: 0, with --check 1 if connections are stranded; 2 unusable input or usage.
    """
    with unusable_input(), no_garbage_collection():
        host, kernel = one_host(path, live, sysctls, sets, kernel)
    with _facts_of_usage():
        tried = tuple({one.name: one for one in (override(o, kernel) for o in overrides)}.values())
        wanted = None if range_ is None else sweep_of(range_, kernel)
    usage = Usage(idle or (), half_close or (), keepalive, rate, vanish or Fraction(0))
    chosen = tuple(_ROLES[role] for role in roles) or tuple(Role)
    question = Question(kernel, tried, usage, chosen)
    is_plain = range_ is None and not (overrides or check) and form is None
    if is_plain and path is not None and path != STANDARD_INPUT and _has_terminal():
        with unusable_input():
            return _open_view(host, question, (path, sysctls, sets))
    with unusable_input(), no_garbage_collection(), _no_endless_rules(host.name):
        whatif = WhatIf(host.rulesets, host.sysctls, Facts(sets=host.sets), host.saved_sets)
        result = _result(host, whatif, question, wanted)
        _write(result, form or "text", color)
    return EXIT_FINDINGS if check and result.answer.strands else EXIT_CLEAN


def _has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def _open_view(
    host: HostInput,
    question: Question,
    files: tuple[str, Sequence[str], Sequence[str]],
) -> int:
    """The interactive view; where textual is missing, or the terminal can do nothing, says so.

    Raises BadSettingError.
    """
    if os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        tell(
            "ctlint: this terminal cannot show the interactive view",
            "  hint: --format text prints the answer",
        )
        return EXIT_UNUSABLE
    try:
        from ctlint.tui.app import WhatIfApp
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        tell(
            "ctlint: the interactive view needs textual: pip install 'ctlint[tui]'",
            "  hint: --format text prints the answer",
        )
        return EXIT_UNUSABLE
    from ctlint.tui.desk import Desk

    path, sysctls, sets = files
    for phase in PHASES:
        threshold(phase, Settings(host.sysctls, question.kernel), question.usage, ())
    start = Question(question.kernel, (), question.usage, question.roles)
    app = WhatIfApp(Desk(host, start), question, [path], sysctls, sets)
    app.run()
    if app.fault is not None:
        raise app.fault
    with reader_may_leave():
        for line in app.exported:
            sys.stdout.write(f"{visible(line, sys.stdout.encoding)}\n")
    if app.is_answering():
        os._exit(EXIT_CLEAN)
    return EXIT_CLEAN


@contextmanager
def _facts_of_usage() -> Iterator[None]:
    try:
        yield
    except FactError as error:
        raise click.UsageError(visible(str(error))) from None


@contextmanager
def _no_endless_rules(path: str) -> Iterator[None]:
    try:
        yield
    except EndlessWalkError as error:
        raise SourceError(f"{path}: {error}") from error


def _result(
    host: HostInput, whatif: WhatIf, question: Question, wanted: Sweep | None
) -> WhatIfResult:
    answer = whatif.answer(question)
    files = tuple(ruleset.file for ruleset in host.rulesets)
    if wanted is not None:
        swept = sweep(whatif, question, wanted)
        changes = tuple(played(whatif, swept))
        return WhatIfResult(files, answer, (), swept=swept, changes=changes)
    baseline = None
    if question.overrides:
        baseline = whatif.answer(Question(question.kernel, (), question.usage, question.roles))
    keepalives = tuple(whatif.keepalives(answer, each) for each in answer.alternatives)
    return WhatIfResult(files, answer, whatif.shown(answer), keepalives, baseline)


def _write(result: WhatIfResult, form: str, color: str) -> None:
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with reader_may_leave():
        _render(result, form, sys.stdout, color)


def _render(result: WhatIfResult, form: str, stream: TextIO, color: str) -> None:
    if form == "json":
        from ctlint.report.whatif_json import render_whatif_json

        stream.write(render_whatif_json(result, version=__version__))
        return
    from ctlint.report.whatif_text import render_whatif

    render_whatif(result, console=console(color, stream))
