# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint``: finds the command and ends with the documented exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

import click

from ctlint import __version__
from ctlint.cli.exit_codes import (
    EXIT_CLEAN,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_UNUSABLE,
)

_COMMANDS: Final = {
    "explain": "Follow one packet through the rules.",
    "kernel": "Show what a kernel's connection tracking does.",
    "lint": "Check rule sets.",
    "rules": "List the lint rules, or print one rule's page.",
    "simulate": "Play scenarios on the model of conntrack.",
}


class LazyGroup(click.Group):
    """Commands by name; a module is imported when its command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
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
    try:
        code = cli.main(args=arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_UNUSABLE)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (`ctlint … | head`): no fault, and nothing more to say.
        sys.stderr.close()
        sys.exit(EXIT_CLEAN)
    except Exception as error:  # the last resort: a line instead of a traceback
        report = _write_report()
        click.echo(
            f"ctlint: a fault of its own: {type(error).__name__}; please report it with {report}",
            err=True,
        )
        sys.exit(EXIT_FAULT)
    sys.exit(code if isinstance(code, int) else EXIT_CLEAN)


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
