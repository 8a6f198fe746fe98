# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint rules``: the list of lint rules, and their pages."""

from __future__ import annotations

import json
import sys

import click

from ctlint.cli.options import color_option, console
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import RuleInfo
from ctlint.report.rule_page import page_markdown


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
            raise click.UsageError(f"no rule {rule_id!r}; `ctlint rules` lists them")
    if form == "json":
        click.echo(json.dumps([_as_json(r) for r in rules], indent=2))
    elif form == "markdown":
        click.echo("\n".join(page_markdown(r) for r in rules), nl=False)
    elif rule_id is not None:
        from rich.markdown import Markdown

        console(color, sys.stdout).print(Markdown(page_markdown(rules[0])))
    else:
        width = max(len(r.name) for r in rules)
        for r in rules:
            click.echo(f"{r.id}  {r.name:<{width}}  {r.summary}")


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
