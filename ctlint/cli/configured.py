# SPDX-License-Identifier: GPL-2.0-only
"""The configuration of a command: its file, and the options that win over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any, Final, TypeVar

import click

from ctlint.analysis.circumstances import FACTS, FactError, circumstances
from ctlint.cli.options import kernel_named, sets_option, sysctl_option, unusable_input
from ctlint.finding import Severity
from ctlint.lint.config_kinds import fits, one_of, rule_hint
from ctlint.lint.config_schema import MAX_JOBS
from ctlint.lint.configuration import FACT, Said
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona
from ctlint.model.kernel.profiles import NEWEST
from ctlint.report.escape import visible
from ctlint.source.config_files import NO_CONFIG, ConfigFile, found_config, named_config
from ctlint.source.configured import Configured

_SAID: Final = (
    *("sysctls", "sets", "kernel", "facts", "select", "ignore", "persona", "fail_on"),
    *("baseline", "exclude", "jobs"),
)
"""The parameters that say what a configuration can say too."""

_F = TypeVar("_F", bound=Callable[..., Any])


def with_configuration(command: _F) -> _F:
    """The options that a configuration can say too, and those that name it. The command gets a
    Configured in their place.
    """
    rule_words: dict[str, Any] = {"multiple": True, "metavar": "ID", "callback": _known_rules}
    options = (
        click.option(
            "--config",
            "config_file",
            metavar="FILE",
            help="Configuration [default: ctlint.toml or pyproject.toml, from here upwards].",
        ),
        click.option("--isolated", is_flag=True, help="Read no configuration."),
        sysctl_option,
        sets_option,
        click.option(
            "--kernel",
            callback=kernel_named,
            metavar="PROFILE",
            help="Kernel: a profile (see `ctlint kernel --list`) or the output of `uname -r` "
            f"[default: {NEWEST.name}, with --live the running one].",
        ),
        click.option(
            "--fact",
            "facts",
            multiple=True,
            metavar="KEY=VALUE",
            callback=_told,
            help=f"What is known of the host: {one_of(tuple(FACTS))}; repeatable.",
        ),
        click.option("--select", help="Only these rules (CT101, CT1).", **rule_words),
        click.option("--ignore", help="Not these rules (CT101, CT1).", **rule_words),
        click.option(
            "--persona",
            type=click.Choice([persona.value for persona in Persona]),
            help="pedantic: also rules that most people do not want "
            f"[default: {Persona.REGULAR.value}].",
        ),
        click.option(
            "--fail-on",
            type=click.Choice([severity.value for severity in Severity]),
            help=f"Least severity that gives exit code 1 [default: {Severity.WARNING.value}].",
        ),
        click.option(
            "--baseline", metavar="FILE", help="Hide what was found before: docs/baseline.md."
        ),
        click.option(
            "--exclude",
            multiple=True,
            metavar="GLOB",
            help="Pass by what fits, below folders and of globs; repeatable.",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(1, MAX_JOBS),
            metavar="N",
            help="Share hosts among N processes [default: as many as there are cores].",
        ),
    )

    @wraps(command)
    def wrapped(config_file: str | None, isolated: bool, **given: Any) -> Any:
        with unusable_input():
            file = _file(config_file, isolated=isolated)
        options = dict(_said({name: given.pop(name) for name in _SAID}))
        return command(Configured(file, options), **given)

    result: Any = wrapped
    for option in reversed(options):
        result = option(result)
    found: _F = result
    return found


def _file(named: str | None, *, isolated: bool) -> ConfigFile:
    if isolated:
        if named is not None:
            raise click.UsageError("--isolated reads no configuration: without --config")
        return NO_CONFIG
    return found_config() if named is None else named_config(named)


def _said(given: dict[str, Any]) -> Iterator[tuple[str, Said]]:
    """The values that options give, by their keys."""
    for name, key in (
        ("select", "select"),
        ("ignore", "ignore"),
        ("persona", "persona"),
        ("fail_on", "fail-on"),
        ("sets", "sets"),
        ("baseline", "baseline"),
        ("exclude", "exclude"),
        ("jobs", "jobs"),
    ):
        if given[name]:
            yield key, Said(given[name], f"--{key}")
    if given["sysctls"]:
        yield "sysctl", Said(given["sysctls"], "--sysctl")
    if given["kernel"] is not None:
        yield "kernel", Said(given["kernel"].name, "--kernel")
    for key, text in given["facts"]:
        yield FACT + key, Said(text, "--fact")


def _told(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Callback: the facts that were told."""
    pairs = []
    for value in values:
        key, sign, text = value.partition("=")
        if not sign:
            raise click.BadParameter(visible(f"{value!r} is not KEY=VALUE"), ctx, param)
        pairs.append((key, text))
    try:
        circumstances(pairs)
    except FactError as error:
        raise click.BadParameter(visible(str(error)), ctx, param) from None
    return tuple(pairs)


def _known_rules(
    ctx: click.Context, param: click.Parameter, values: Iterable[str]
) -> tuple[str, ...]:
    """Callback: ids, beginnings of ids and names of rules, each for itself."""
    del ctx, param
    words = [word.strip() for value in values for word in value.split(",")]
    words = [word for word in words if word]
    for word in words:
        if not any(fits(info, word) for info in shipped_rules()):
            hint = rule_hint(word, shipped_rules())
            raise click.UsageError(visible(f"no rule {word!r}; {hint}"))
    return tuple(words)
