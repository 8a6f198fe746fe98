# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint``: finds the command and ends with the documented exit code."""

from __future__ import annotations

import atexit
import gc
import importlib
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from ctlint import __version__
from ctlint.analysis.fault import AnalysisFault
from ctlint.cli.collector import no_garbage_collection
from ctlint.cli.exit_codes import (
    EXIT_CLEAN,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_UNUSABLE,
)
from ctlint.cli.streams import replace_closed, silence, tell

_COMMANDS: Final = {
    "collect": "Write the evidence that diagnose reads.",
    "config": "Show the configuration, or its JSON schema.",
    "confirm": "Play witnesses and scenarios on this kernel.",
    "diagnose": "Say what is wrong with a host's connections.",
    "diff": "Say what differs between two firewalls.",
    "explain": "Follow one packet through the rules.",
    "kernel": "Show what a kernel's connection tracking does.",
    "lint": "Check rule sets.",
    "lsp": "Show findings in an editor: a language server.",
    "replay": "Play a capture on the model of conntrack.",
    "rules": "List the lint rules, or print one rule's page.",
    "simulate": "Play scenarios on the model of conntrack.",
    "whatif": "Say how long a silence each timeout bears.",
}


class ReaderGone(Exception):  # noqa: N818 (no error: what was asked for was read)
    """Nobody reads standard output any more (`ctlint … | head`)."""


@contextmanager
def _no_broken_pipe() -> Iterator[None]:
    """Hides BrokenPipeError from click, which would end with exit code 1: that says findings."""
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone from None


class LazyGroup(click.Group):
    """Commands by name; a module is imported when its command is needed."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context of a call; prints --help and --version."""
        with _no_broken_pipe():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Calls a command."""
        with _no_broken_pipe():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        with no_garbage_collection():
            module = importlib.import_module(f"ctlint.cli.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands for --help, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ctlint")
def cli() -> None:
    """Find the firewall rules that strand TCP connections.

    When a conntrack entry has expired, the next packet of the connection is the first one that
    the kernel sees: data are NEW, but FIN and RST are INVALID. ctlint says which packets of which
    connections a rule set then loses, and which socket hangs in which state.

    \b
    Exit codes: 0 clean, 1 findings, 2 unusable input or usage, 3 a fault of ctlint's own.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ctlint; ends the process with its exit code."""
    replace_closed()
    # At the end of the process nothing is looked at for cycles once more.
    atexit.register(gc.freeze)
    with _ended_by_signals():
        code = _run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    except OSError as error:
        code = _unwritable(error)
    sys.exit(code)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP end a command as an exception does, so that it clears up."""

    def end(number: int, frame: object) -> None:
        del frame
        sys.exit(128 + number)

    wanted = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in wanted:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in wanted:
            signal.signal(number, signal.SIG_DFL)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(args=arguments, standalone_mode=False)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else EXIT_UNUSABLE
    except click.ClickException as error:
        try:
            error.show()
        except OSError:
            silence(sys.stderr)
        return EXIT_UNUSABLE
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except ReaderGone:
        silence(sys.stdout)
        return EXIT_CLEAN
    except MemoryError:
        tell("ctlint: this takes more memory than there is")
        return EXIT_UNUSABLE
    except AnalysisFault as fault:
        from ctlint.cli.fault_report import describe, keep

        tell(f"ctlint: a fault of its own: {fault}; {keep(describe(fault))}")
        return EXIT_FAULT
    except Exception as error:  # the last resort: a line instead of a traceback
        if isinstance(error, OSError) and error.filename is None:
            return _unwritable(error)  # other files have names
        report = _write_report()
        tell(
            f"ctlint: a fault of its own: {type(error).__name__}; please report it with {report}",
        )
        return EXIT_FAULT
    return code if isinstance(code, int) else EXIT_CLEAN


def _unwritable(error: OSError) -> int:
    """Says that standard output cannot be written to."""
    silence(sys.stdout)
    tell(f"ctlint: cannot write to standard output: {error.strerror or error}")
    return EXIT_UNUSABLE


def _write_report() -> str:
    """Keeps the traceback of the exception being handled in a file; returns its path."""
    import platform
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="ctlint-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as stream:
        stream.write(f"ctlint {__version__}, Python {platform.python_version()}\n")
        stream.write(f"arguments: {sys.argv[1:]!r}\n\n")
        stream.write(traceback.format_exc())
    return stream.name
