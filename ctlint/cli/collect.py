# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint collect``: write what ``ctlint diagnose`` reads."""

from __future__ import annotations

import click

from ctlint.cli.options import unusable_input
from ctlint.cli.streams import reader_may_leave
from ctlint.resources import collect_script
from ctlint.source.collection import MOST_INTERVAL, collect


@click.command(
    "collect",
    epilog="""\b
Examples:
  ctlint collect evidence
  ctlint collect --script > collect.sh
  ssh gateway sh -s -- -i 5 evidence < collect.sh
""",
)
@click.argument("folder", required=False, metavar="[DIR]")
@click.option(
    "--interval",
    type=click.IntRange(0, MOST_INTERVAL),
    default=5,
    show_default=True,
    help="Seconds between the two dumps.",
)
@click.option(
    "--script",
    is_flag=True,
    help="Print the shell script that does it, for hosts without ctlint.",
)
def command(folder: str | None, interval: int, script: bool) -> int:
    """Write a folder of evidence for `ctlint diagnose`.

    Sockets, conntrack entries, rules and counters, twice with some seconds between, and settings,
    sets and kernel log: docs/diagnose.md says what is in it. It only reads; DIR must be new, and
    only its owner may open it.
    """
    if script:
        with reader_may_leave():
            click.echo(collect_script(), nl=False)
        return 0
    with unusable_input():
        name = collect(folder, interval)
    with reader_may_leave():
        click.echo(name)
    return 0
