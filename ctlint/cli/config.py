# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint config``: what configuration holds, and its JSON schema."""

from __future__ import annotations

import click

from ctlint.cli.configured import with_configuration
from ctlint.cli.options import format_option
from ctlint.lint.config_schema import json_schema
from ctlint.report.config import render_json, render_toml
from ctlint.source.configured import Configured


@click.command(
    "config",
    epilog="""\b
Examples:
  ctlint config --show
  ctlint config --show hosts/edge1 --fact idle=10m
  ctlint config --schema > ctlint.schema.json
""",
)
@click.argument("path", required=False, metavar="[PATH]")
@click.option("--show", "wants_values", is_flag=True, help="What holds; this is the default.")
@click.option("--schema", "wants_schema", is_flag=True, help="A JSON schema of ctlint.toml.")
@format_option("text: as in ctlint.toml, with where each value comes from.")
@with_configuration
def command(
    configured: Configured, path: str | None, wants_values: bool, wants_schema: bool, form: str
) -> None:
    """Show the configuration that holds, with the origin of each value, or its JSON schema.

    With PATH, an input of `ctlint lint`: what holds for it.
    """
    if wants_schema:
        if wants_values:
            raise click.UsageError("--show and --schema: one of them")
        click.echo(json_schema(), nl=False)
        return
    holds = configured.effective(() if path is None else (path,))
    file = configured.file.configuration.file
    click.echo((render_json if form == "json" else render_toml)(holds, file), nl=False)
