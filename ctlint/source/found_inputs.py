# SPDX-License-Identifier: GPL-2.0-only
"""Which inputs are meant: files and folders of hosts, in folders, by globs, from a list of names.

What is named is an input, whatever it is. What is found below a folder is one where it is the
folder of a host, or a file that is named like a dump. Links are not followed there, and what is
hidden is passed by, so that neither a loop nor somebody else's link leads out of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.source.dumps import is_dump_file
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, read_names
from ctlint.source.host_folders import HOST_FOLDER_HAS, is_host_folder

NAMED_DUMPS: Final = (
    "*.v4",
    "*.v6",
    "*tables-save",
    "*tables-save.txt",
    "*tables-save-c.txt",
    "*tables.save",
    "sosreport-*.tar*",
)
"""Files that are inputs by their name: what is wrong with one is told."""

POSSIBLE_DUMPS: Final = (
    "*.rules",
    "*.iptables",
    "*.ip6tables",
    "*.ipt",
    "*iptables*",
    "*ip6tables*",
)
"""Files that are inputs where they open a table, as a dump does."""

MAX_DEPTH: Final = 8
"""Levels of folders below one that is named."""

MAX_ENTRIES: Final = 1_000_000
"""Files and folders that are looked at in one run."""

_MAGIC: Final = frozenset("*?[")


class FoundInputs(NamedTuple):
    """The inputs by name, each once, and what is wrong with those that hold none, by what was
    given.
    """

    names: tuple[str, ...]
    wrong: tuple[tuple[str, SourceError], ...]


def found_inputs(
    paths: Sequence[str],
    lists: Sequence[str] = (),
    is_excluded: Callable[[str], bool] = lambda _: False,
) -> FoundInputs:
    """The inputs that paths mean: a file, ``-``, a folder, or a glob where no file has that name.

    ``lists`` are files with further paths, one a line or with NUL bytes between, in which globs
    mean nothing. ``is_excluded`` keeps what is found below folders and by globs out. Raises
    SourceError for a list that cannot be read, and where there is too much to look at.
    """
    listed: list[str] = []
    _require_one_standard_input([*lists, *paths])
    for path in lists:
        listed += read_names(path)
    _require_one_standard_input([*lists, *paths, *listed])
    finder = _Finder(is_excluded)
    for path in paths:
        finder.path(path, is_glob=True)
    for path in listed:
        finder.path(path, is_glob=False)
    return FoundInputs(tuple(finder.names), tuple(finder.wrong.items()))


def _require_one_standard_input(paths: Sequence[str]) -> None:
    if paths.count(STANDARD_INPUT) > 1:
        raise SourceError("- (standard input) is given twice")


class _Finder:
    """Looks for inputs, and counts what it looks at."""

    def __init__(self, is_excluded: Callable[[str], bool]) -> None:
        self.is_excluded = is_excluded
        self.names: dict[str, None] = {}
        self.wrong: dict[str, SourceError] = {}
        self.entries = 0

    def path(self, path: str, *, is_glob: bool) -> None:
        if path in ("", STANDARD_INPUT) or "\0" in path:
            self.names[path] = None
        elif _is_folder(path):
            self.folder(Path(path))
        elif is_glob and not _MAGIC.isdisjoint(path) and not os.path.lexists(path):
            self.glob(path)
        else:
            self.names[path] = None

    def folder(self, folder: Path) -> None:
        """A folder that is named: that of a host, or one of hosts."""
        before = len(self.wrong)
        found = list(self.below(folder, 0))
        self.names.update(dict.fromkeys(found))
        if not found and len(self.wrong) == before:
            self.wrong[str(folder)] = SourceError(
                f"{folder}: no rules in this folder",
                f"{HOST_FOLDER_HAS}; a folder of hosts holds such folders, or files as "
                "NAME.v4, NAME.v6, NAME.rules, NAME-iptables-save",
            )

    def below(self, folder: Path, depth: int) -> Iterator[str]:
        """The inputs in a folder, sorted by name on each level."""
        entries = self.listed(folder)
        if is_host_folder(folder, {entry.name for entry in entries}):
            yield str(folder)
            return
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith(".") or entry.is_symlink() or self.is_excluded(str(path)):
                continue
            if entry.is_dir():
                if depth < MAX_DEPTH:
                    yield from self.below(path, depth + 1)
            elif entry.is_file() and _is_input(path):
                yield str(path)

    def listed(self, folder: Path) -> list[os.DirEntry[str]]:
        """What is in a folder, sorted; nothing where it cannot be looked into."""
        entries = []
        try:
            with os.scandir(folder) as found:
                for entry in found:
                    self.count()
                    entries.append(entry)
        except OSError as error:
            self.wrong[str(folder)] = SourceError(f"{folder}: {error.strerror or error}")
        return sorted(entries, key=lambda entry: os.fsencode(entry.name))

    def count(self) -> None:
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise SourceError(
                f"more than {MAX_ENTRIES:,} files and folders to look at",
                "name folders of hosts, or the files (--files-from)",
            )

    def glob(self, pattern: str) -> None:
        start = Path("/") if pattern.startswith("/") else Path()
        levels = [level for level in pattern.split("/") if level not in ("", ".")]
        matches = dict.fromkeys(self.matches(start, levels, 0))
        wanted = [path for path in matches if not self.is_excluded(str(path))]
        for path in wanted:
            if _is_folder(path):
                self.folder(path)
            else:
                self.names[str(path)] = None
        if not wanted:
            why = "all that have such a name are excluded" if matches else "no file has such a name"
            self.wrong[pattern] = SourceError(f"{pattern}: {why}")

    def matches(self, folder: Path, levels: Sequence[str], depth: int) -> Iterator[Path]:
        """The paths that fit a glob level by level: ``**`` is any number of folders, and nothing
        but a level that begins with a dot fits what is hidden.
        """
        if not levels:
            yield folder
            return
        level, *rest = levels
        if level == "**":
            yield from self.matches(folder, rest or ["*"], depth)
            if depth < MAX_DEPTH:
                for entry in self.listed(folder):
                    is_passed = entry.name.startswith(".") or entry.is_symlink()
                    if not is_passed and entry.is_dir():
                        yield from self.matches(folder / entry.name, levels, depth + 1)
        elif _MAGIC.isdisjoint(level):
            if os.path.lexists(folder / level):
                yield from self.matches(folder / level, rest, depth)
        elif _is_folder(folder):
            for entry in self.listed(folder):
                is_hidden = entry.name.startswith(".") and not level.startswith(".")
                if not is_hidden and fnmatchcase(entry.name, level):
                    yield from self.matches(folder / entry.name, rest, depth)


def _is_folder(path: str | Path) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:
        return False  # Who reads it is told why.


def _is_input(path: Path) -> bool:
    if any(fnmatchcase(path.name, name) for name in NAMED_DUMPS):
        return True
    return any(fnmatchcase(path.name, name) for name in POSSIBLE_DUMPS) and is_dump_file(path)
