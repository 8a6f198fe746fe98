# SPDX-License-Identifier: GPL-2.0-only
"""What a configuration says, and what holds for an input: docs/config.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from ctlint.analysis.circumstances import Circumstances, circumstances
from ctlint.finding import Severity
from ctlint.lint.allowing import Allow
from ctlint.lint.config_kinds import fits
from ctlint.lint.rule_api import Persona, RuleInfo
from ctlint.model.kernel.profiles import NEWEST

SEVERITY: Final = "severity."
FACT: Final = "facts."


class Said(NamedTuple):
    """A value, and where it comes from: "default", an option, or FILE:LINE."""

    value: Any
    origin: str


Values = Mapping[str, Said]
"""By key; those of the tables ``severity`` and ``facts`` as ``severity.CT101``, ``facts.idle``."""

DEFAULTS: Final[Values] = {
    name: Said(value, "default")
    for name, value in {
        "select": None,
        "ignore": (),
        "persona": Persona.REGULAR.value,
        "kernel": NEWEST.name,
        "fail-on": Severity.WARNING.value,
        "format": "text",
        "sysctl": (),
        "sets": (),
        "baseline": None,
        "exclude": (),
        "jobs": None,
    }.items()
}


@dataclass(frozen=True, slots=True)
class Scope:
    """The inputs that globs cover; None for all."""

    globs: tuple[str, ...] | None = None

    def covers(self, paths: Iterable[str]) -> bool:
        """Whether a glob covers one of the paths, or a folder above it."""
        globs = self.globs
        return globs is None or any(glob_covers(glob, path) for path in paths for glob in globs)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A file of configuration. ``file`` is its name, empty where there is none.

    ``overrides`` hold other values for some inputs; a later one wins.
    """

    file: str = ""
    values: Values = field(default_factory=dict)
    overrides: tuple[tuple[Scope, Values], ...] = ()
    allows: tuple[tuple[Scope, Allow], ...] = ()

    def effective(self, options: Values, paths: Sequence[str] = ()) -> Effective:
        """What holds for an input: its paths are those of its files and its own, from the folder
        of the configuration on. Without paths: what holds for all.
        """
        values = {**DEFAULTS, **self.values}
        for scope, other in self.overrides:
            if scope.covers(paths):
                values.update(other)
        values.update(options)
        allows = tuple(allow for scope, allow in self.allows if scope.covers(paths))
        return Effective(values, allows)


@dataclass(frozen=True, slots=True)
class Effective:
    """What holds, and where each value comes from."""

    values: Values
    allows: tuple[Allow, ...]

    def __getitem__(self, key: str) -> Any:
        return self.values[key].value

    def rules(self, known: Iterable[RuleInfo]) -> tuple[RuleInfo, ...]:
        """The rules that select and ignore leave."""
        select, ignore = self["select"], self["ignore"]
        return tuple(
            info
            for info in known
            if (select is None or any(fits(info, word) for word in select))
            and not any(fits(info, word) for word in ignore)
        )

    @property
    def severities(self) -> dict[str, Severity]:
        """The severities in place of the rules' own, by id."""
        return {
            key.removeprefix(SEVERITY): Severity(said.value)
            for key, said in self.values.items()
            if key.startswith(SEVERITY)
        }

    @property
    def circumstances(self) -> Circumstances:
        """The facts that are told."""
        return circumstances(
            (key.removeprefix(FACT), said.value)
            for key, said in self.values.items()
            if key.startswith(FACT)
        )


# Globs


def glob_covers(glob: str, path: str) -> bool:
    """Whether a glob covers a path or a folder above it. Levels stand between slashes; ``*``, ``?``
    and ``[]`` stay within one, ``**`` is any number of levels, as in gitignore(5).

    Both are relative to one folder, or both absolute. Standard input is ``-``.
    """
    if glob.startswith("/") != path.startswith("/"):
        return False
    pattern = [level for level in glob.split("/") if level not in ("", ".")]
    levels = [level for level in path.split("/") if level not in ("", ".")]
    states = _passing({0}, pattern)
    for level in levels:
        if len(pattern) in states:
            return True
        states = _passing(
            {
                state if pattern[state] == "**" else state + 1
                for state in states
                if pattern[state] == "**" or fnmatchcase(level, pattern[state])
            },
            pattern,
        )
    return len(pattern) in states


def _passing(states: set[int], pattern: Sequence[str]) -> set[int]:
    """The states, with those behind ``**`` for no level."""
    found = set(states)
    for state in states:
        while state < len(pattern) and pattern[state] == "**":
            state += 1
            found.add(state)
    return found
