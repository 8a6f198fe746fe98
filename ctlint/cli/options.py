# SPDX-License-Identifier: GPL-2.0-only
"""What several commands share: options, and how errors and outputs are handled."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from ctlint.analysis.settings import BadSettingError
from ctlint.cli.exit_codes import EXIT_UNUSABLE
from ctlint.cli.streams import silence, tell
from ctlint.model.kernel.profiles import NEWEST, KernelProfile, UnknownKernel, profile
from ctlint.parse.errors import ParseError, Problem
from ctlint.report.caret import print_marked
from ctlint.report.escape import visible
from ctlint.source.errors import SourceError
from ctlint.source.outputs import OutputError

if TYPE_CHECKING:
    from rich.console import Console

_F = TypeVar("_F", bound=Callable[..., Any])


def kernel_named(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> KernelProfile | None:
    """Callback: the profile of that name, if one is named. Fails with suggestions."""
    if value is None:
        return None
    try:
        return profile(value)
    except UnknownKernel as error:
        raise click.BadParameter(visible(str(error)), ctx, param) from None


def kernel_option(command: _F) -> _F:
    """``--kernel PROFILE``; None where it is not given."""
    return click.option(
        "--kernel",
        callback=kernel_named,
        metavar="PROFILE",
        help="Kernel: a profile (see `ctlint kernel --list`) or the output of `uname -r` "
        f"[default: {NEWEST.name}, with --live the running one].",
    )(command)


def sysctl_option(command: _F) -> _F:
    """``--sysctl FILE``, repeatable."""
    return click.option(
        "--sysctl",
        "sysctls",
        multiple=True,
        metavar="FILE",
        help="`sysctl -a` output, sysctl.conf or a sysctl.d folder; repeatable, the last one wins.",
    )(command)


def sets_option(command: _F) -> _F:
    """``--sets FILE``, repeatable."""
    return click.option(
        "--sets", multiple=True, metavar="FILE", help="`ipset save` output; repeatable."
    )(command)


def color_option(command: _F) -> _F:
    """``--color``."""
    return click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Colours; auto: on a terminal, unless NO_COLOR is set.",
    )(command)


def format_option(text: str) -> Callable[[_F], _F]:
    """``--format``, text or json; ``text`` is its help."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=text,
    )


@contextmanager
def unusable_input() -> Iterator[None]:
    """Turns errors of inputs and outputs into lines on standard error and exit code 2."""
    try:
        yield
    except ParseError as error:
        _tell_problems(error.problems)
    except BadSettingError as error:
        _tell_problems((Problem(error.setting.span, str(error)),))
    except SourceError as error:
        tell(str(error), *([f"  hint: {error.hint}"] if error.hint else []))
    except OutputError as error:
        tell(str(error))
    else:
        return
    raise SystemExit(EXIT_UNUSABLE)


def _tell_problems(problems: Sequence[Problem]) -> None:
    try:
        print_marked(problems, {}, sys.stderr)
    except OSError:
        silence(sys.stderr)


def console(color: str, stream: TextIO) -> Console:
    """A rich console that writes to a stream as the user wants it."""
    from rich.console import Console

    class Terminal(Console):
        """A console that does not end the process when its reader has gone."""

        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError that is being handled  # noqa: PLE0704

    force = {"always": True, "never": False}.get(color)
    width = os.environ.get("COLUMNS", "")
    return Terminal(
        file=stream,
        force_terminal=force,
        no_color=True if color == "never" else None,
        color_system="standard" if color == "always" else "auto",
        highlight=False,
        markup=False,
        emoji=False,
        width=int(width) if width.isascii() and width.isdigit() and int(width) > 0 else None,
    )
