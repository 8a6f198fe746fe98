# SPDX-License-Identifier: GPL-2.0-only
"""Kernel settings as files give them, and which of them take effect.

*Source:* sysctl.d(5) and systemd-sysctl of systemd 252, sysctl.conf(5) of procps 4.0.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from ctlint.ir.span import Span

GLOB_CHARACTERS: Final = frozenset("*?[")


class Setting(NamedTuple):
    """``key = value``. ``key`` is canonical, ``raw_key`` as written, ``value`` without blanks
    around it. With ``ignore_errors`` (``-key = value``) a failure to write is no error.
    """

    key: str
    raw_key: str
    value: str
    ignore_errors: bool
    span: Span

    @property
    def is_glob(self) -> bool:
        """Whether the key is a pattern for keys."""
        return not GLOB_CHARACTERS.isdisjoint(self.key)


class Exclusion(NamedTuple):
    """``-key`` without ``=``: no glob sets the key."""

    key: str
    raw_key: str
    span: Span

    @property
    def is_glob(self) -> bool:
        """Whether the key is a pattern; such an exclusion takes back the same pattern only."""
        return not GLOB_CHARACTERS.isdisjoint(self.key)


Entry: TypeAlias = Setting | Exclusion


@dataclass(frozen=True, slots=True)
class SysctlFile:
    """What one file says, in its order."""

    file: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class SysctlRun:
    """Files that are applied together, as one start of systemd-sysctl applies a sysctl.d tree.

    Inside a run a later assignment of a key replaces an earlier one, and a glob leaves out every
    key that the run names, wherever it does.
    """

    files: tuple[SysctlFile, ...]

    def effective(self, key: str) -> Setting | None:
        """The setting that the run applies to a key (canonical, no glob); None where it leaves
        the key as it was.
        """
        named = self._named.get(key)
        if isinstance(named, Setting):
            return named
        if named is not None:
            return None
        for found in reversed(self._globs):
            if matches(found.key, key):
                return found
        return None

    def mentions(self, key: str) -> tuple[Setting, ...]:
        """Every setting whose key or glob covers the key, in the order of the text."""
        named = self._settings.get(key, ())
        globs = [
            (place, found)
            for pattern, settings in self._settings.items()
            if not GLOB_CHARACTERS.isdisjoint(pattern) and matches(pattern, key)
            for place, found in settings
        ]
        return tuple(found for _, found in sorted([*named, *globs], key=lambda item: item[0]))

    @cached_property
    def _settings(self) -> Mapping[str, list[tuple[int, Setting]]]:
        """Settings by key or glob, each with its place in the run."""
        found: dict[str, list[tuple[int, Setting]]] = {}
        entries = (entry for file in self.files for entry in file.entries)
        for place, entry in enumerate(entries):
            if isinstance(entry, Setting):
                found.setdefault(entry.key, []).append((place, entry))
        return found

    @cached_property
    def _named(self) -> Mapping[str, Entry]:
        """The last entry for each key or glob, in the order in which systemd-sysctl applies them:
        an entry moves to the end where it changes the value.
        """
        last: dict[str, Entry] = {}
        for file in self.files:
            for entry in file.entries:
                earlier = last.get(entry.key)
                if earlier is not None and _value(earlier) != _value(entry):
                    del last[entry.key]
                last[entry.key] = entry
        return last

    @cached_property
    def _globs(self) -> tuple[Setting, ...]:
        return tuple(
            entry for entry in self._named.values() if isinstance(entry, Setting) and entry.is_glob
        )


@dataclass(frozen=True)
class SysctlSet:
    """The settings of a host: runs that are applied one after the other, the last one wins."""

    runs: tuple[SysctlRun, ...] = ()

    @property
    def settings(self) -> Iterator[Setting]:
        """Every setting, in the order of the text."""
        for run in self.runs:
            for file in run.files:
                yield from (entry for entry in file.entries if isinstance(entry, Setting))

    def get(self, key: str) -> Setting | None:
        """The setting in effect for a key, in any spelling; None where none is given."""
        canonical = canonical_key(key)
        for run in reversed(self.runs):
            if found := run.effective(canonical):
                return found
        return None

    def replaced(self, others: SysctlFile) -> SysctlSet:
        """The set with the settings of a file in place of those of the same keys."""
        keys = {entry.key for entry in others.entries}
        runs = [
            SysctlRun(
                tuple(
                    replace(file, entries=tuple(e for e in file.entries if e.key not in keys))
                    for file in run.files
                )
            )
            for run in self.runs
        ]
        return SysctlSet((*runs, SysctlRun((others,))))

    def overridden(self, key: str) -> tuple[Setting, ...]:
        """The settings that cover a key and do not take effect, in the order of the text."""
        canonical = canonical_key(key)
        effective = self.get(canonical)
        return tuple(
            setting
            for run in self.runs
            for setting in run.mentions(canonical)
            if setting is not effective
        )


def canonical_key(key: str) -> str:
    """The one spelling of a key or glob: dots part the levels, a slash is a dot inside a level.

    A key whose first separator is a slash is a path below /proc/sys, so its dots are literal; one
    whose first separator is a dot is read with dots and slashes interchanged. Empty levels and
    levels named ``.`` vanish. Source: sysctl.d(5), "CONFIGURATION FORMAT".

    >>> canonical_key("net/ipv4/conf/enp3s0.200/forwarding")
    'net.ipv4.conf.enp3s0/200.forwarding'
    """
    if "/" not in key and ".." not in key and key[:1] != "." and key[-1:] != ".":
        return key
    return ".".join(level.replace(".", "/") for level in key_levels(key))


def key_levels(key: str) -> list[str]:
    """The names of folders below /proc/sys, and of the file, that a key in any spelling means."""
    slash, dot = key.find("/"), key.find(".")
    path = key if dot < 0 or 0 <= slash < dot else key.translate(_INTERCHANGED)
    return [level for level in path.split("/") if level not in ("", ".")]


def matches(glob: str, key: str) -> bool:
    """Whether a canonical glob covers a canonical key, level by level as glob(7) does.

    Braces, character classes and backslashes have no special meaning here; the parser refuses them.
    """
    patterns, names = glob.split("."), key.split(".")
    return len(patterns) == len(names) and all(
        _level_matches(pattern, name) for pattern, name in zip(patterns, names, strict=True)
    )


_INTERCHANGED: Final = str.maketrans("./", "/.")

_Test: TypeAlias = Callable[[str], bool]


def _value(entry: Entry) -> str | None:
    return entry.value if isinstance(entry, Setting) else None


def _level_matches(pattern: str, name: str) -> bool:
    """glob(7) for one level. Takes at most len(pattern) × len(name) steps: a regular expression
    with many stars would take exponentially many.
    """
    tests = _tests(pattern)
    at = position = 0
    star, resume = -1, 0
    while position < len(name):
        if at < len(tests):
            test = tests[at]
            if test is None:
                star, resume = at, position
                at += 1
                continue
            if test(name[position]):
                at += 1
                position += 1
                continue
        if star < 0:
            return False
        resume += 1
        at, position = star + 1, resume
    return all(test is None for test in tests[at:])


def _tests(pattern: str) -> list[_Test | None]:
    """One test a character; None for a star."""
    tests: list[_Test | None] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            tests.append(None)
        elif character == "?":
            tests.append(_anything)
        elif character == "[" and (end := _bracket_end(pattern, at)):
            tests.append(_bracket(pattern[at:end]))
            at = end + 1
        else:
            tests.append(character.__eq__)
    return tests


def _anything(_: str) -> bool:
    return True


def _bracket_end(pattern: str, start: int) -> int:
    """The index of the "]" that closes a bracket; 0 where none does and "[" is a character.

    A "]" that comes first, behind "!" or "^" too, is a member.
    """
    first = start + (pattern[start : start + 1] in ("!", "^"))
    return max(pattern.find("]", first + 1), 0)


def _bracket(body: str) -> _Test:
    """Membership in a bracket expression without its brackets; ``!`` or ``^`` negates."""
    negated = body[0] in "!^"
    members = body[1:] if negated else body
    singles: set[str] = set()
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(members):
        if members[at + 1 : at + 2] == "-" and at + 2 < len(members):
            ranges.append((members[at], members[at + 2]))
            at += 3
        else:
            singles.add(members[at])
            at += 1

    def is_member(character: str) -> bool:
        inside = character in singles or any(low <= character <= high for low, high in ranges)
        return inside != negated

    return is_member
