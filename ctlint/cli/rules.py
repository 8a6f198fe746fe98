# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint rules``: the list of lint rules, and their pages."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

import click

from ctlint.cli.options import color_option, console
from ctlint.lint.config_kinds import rule_hint
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona, RuleInfo
from ctlint.report.rule_page import page_markdown

_LEAST_WIDTH: Final = 20


@click.command("rules")
@click.argument("rule_id", required=False, metavar="[ID]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
)
@color_option
def command(rule_id: str | None, form: str, color: str) -> None:
    """List the lint rules, or print the page of one (by id or name)."""
    rules = shipped_rules()
    if rule_id is not None:
        wanted = rule_id.lower()
        rules = tuple(r for r in rules if wanted in (r.id.lower(), r.name))
        if not rules:
            raise click.UsageError(f"no rule {rule_id!r}; {rule_hint(rule_id, shipped_rules())}")
    if form == "json":
        click.echo(json.dumps([_as_json(r) for r in rules], indent=2))
    elif form == "markdown":
        click.echo("\n".join(page_markdown(r) for r in rules), nl=False)
    elif rule_id is not None:
        from rich.markdown import Markdown

        console(color, sys.stdout).print(Markdown(page_markdown(rules[0])))
    else:
        is_read = sys.stdout.isatty() or os.environ.get("COLUMNS", "")
        _list(rules, console(color, sys.stdout).width if is_read else None)


def _list(rules: Sequence[RuleInfo], width: int | None) -> None:
    """Prints the rules for a terminal so wide; without a width one a line."""
    most = max(len(r.name) for r in rules)
    for r in rules:
        shown = "pedantic" if r.persona is Persona.PEDANTIC else ""
        head = f"{r.id}  {r.name:<{most}}  {r.severity.value:<7}  {shown:<8}"
        if width is None:
            click.echo(f"{head}  {r.summary}")
            continue
        click.echo(head.rstrip())
        indent = " " * (len(r.id) + 2)
        for line in textwrap.wrap(r.summary, max(width - len(indent), _LEAST_WIDTH)):
            click.echo(f"{indent}{line}")


def _as_json(info: RuleInfo) -> dict[str, object]:
    return {
        "id": info.id,
        "name": info.name,
        "severity": info.severity.value,
        "persona": info.persona.value,
        "since": info.since,
        "summary": info.summary,
        "sections": dict(info.sections),
    }
