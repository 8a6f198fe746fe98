# SPDX-License-Identifier: GPL-2.0-only
"""Kernel settings from files, sysctl.d folders and root folders.

The order is that of systemd-sysctl at boot (sysctl.d(5), "CONFIGURATION DIRECTORIES AND
PRECEDENCE"): the ``*.conf`` files of all folders sorted by name, a name in a folder of higher
precedence hides the same name in the others, the last assignment of a key wins.
``/etc/sysctl.conf`` is not systemd's: where a file of sysctl.d is a link to it (``99-sysctl.conf``
on Debian) it is read there, else last, as ``sysctl --system`` reads it (sysctl(8), "SYSTEM FILE
PRECEDENCE").
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ctlint.ir.sysctl import SysctlFile, SysctlRun, SysctlSet
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.sysctl import parse_sysctl
from ctlint.source.errors import SourceError

FOLDERS: Final = (
    "etc/sysctl.d",
    "run/sysctl.d",
    "usr/local/lib/sysctl.d",
    "usr/lib/sysctl.d",
    "lib/sysctl.d",
)
"""Folders below a root, the highest precedence first."""

MAX_FILE_SIZE: Final = 16 * 1024 * 1024
"""Bytes. ``sysctl -a`` writes some 50 bytes a setting and 80 settings an interface."""

_MAX_LINKS: Final = 40
"""Links in a row, as the kernel follows (path_resolution(7))."""


def read_sysctls(
    paths: Sequence[str],
    texts: dict[str, str] | None = None,
    known: Mapping[str, str] = MappingProxyType({}),
) -> SysctlSet:
    """Reads settings. A path is a file in any of the formats, a sysctl.d folder, or the root folder
    of a host (``/``, or an unpacked image). Later paths win over earlier ones; sysctl.d folders
    that follow each other are read as one tree, in which a standard place has its precedence and
    any other folder a higher one, the later the higher. What was read goes to ``texts``, by name.
    ``known`` are texts that stand in the place of what files hold, by name.

    Raises SourceError for what cannot be read, ParseError with the problems of all files.
    """
    problems: list[Problem] = []
    runs: list[SysctlRun] = []
    with _readable(paths):
        for files in _runs(paths):
            read = [(name, known[name] if name in known else _read(path)) for name, path in files]
            runs.append(SysctlRun(tuple(_parsed(read, problems))))
            if texts is not None:
                texts.update(read)
    if problems:
        raise ParseError(tuple(problems))
    return SysctlSet(tuple(runs))


def sysctl_names(paths: Sequence[str]) -> tuple[str, ...]:
    """The files that read_sysctls reads, by name. Raises SourceError."""
    with _readable(paths):
        return tuple(name for files in _runs(paths) for name, _ in files)


@contextmanager
def _readable(paths: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise SourceError(f"{', '.join(map(repr, paths))}: {error}") from error


def _parsed(texts: Iterable[tuple[str, str]], problems: list[Problem]) -> Iterator[SysctlFile]:
    """The files that can be parsed; the problems of the others go to ``problems``."""
    for name, text in texts:
        try:
            yield parse_sysctl(text, name)
        except ParseError as error:
            problems.extend(error.problems)


def _runs(paths: Sequence[str]) -> Iterator[Iterable[tuple[str, Path]]]:
    """The files that are applied together, each with the name under which it is known."""
    for is_tree, group in groupby(map(Path, paths), _is_folder):
        if is_tree:
            yield _merged(group)
        else:
            for path in group:
                yield _root_files(path) if path.is_dir() else [(str(path), path)]


def _is_folder(path: Path) -> bool:
    """Whether a path is a sysctl.d folder. Raises SourceError for a folder that holds nothing."""
    if not path.is_dir() or _is_root(path):
        return False
    if path.name != "sysctl.d" and not any(_entries(path)):
        raise SourceError(
            f"{path}: no settings in this folder",
            "give a sysctl.d folder with *.conf files, or a root folder with etc/sysctl.d",
        )
    return True


def _is_root(path: Path) -> bool:
    return (path / "etc/sysctl.conf").is_file() or any((path / part).is_dir() for part in FOLDERS)


def _merged(folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """The files of sysctl.d folders in the order in which they are applied."""
    ranked = sorted(enumerate(folders), key=lambda item: (_precedence(item[1]), item[0]))
    chosen = {entry.name: entry for _, folder in ranked for entry in _entries(folder)}
    for name in sorted(chosen, key=os.fsencode):
        # A link that leads nowhere hides the name, as one to /dev/null does.
        if chosen[name].exists():
            yield str(chosen[name]), chosen[name]


def _precedence(folder: Path) -> int:
    """Grows with precedence; a folder in no standard place has the highest."""
    parts = folder.resolve().parts
    for rank, place in enumerate(reversed(FOLDERS)):
        if parts[-len(Path(place).parts) :] == Path(place).parts:
            return rank
    return len(FOLDERS)


def _root_files(root: Path) -> Iterator[tuple[str, Path]]:
    """The files below a root in the order in which they are applied. Links stay below it."""
    chosen: dict[str, Path] = {}
    for part in reversed(FOLDERS):
        folder = _inside(root, root / part)
        if folder is not None and folder.is_dir():
            chosen |= {entry.name: root / part / entry.name for entry in _entries(folder)}
    central = _inside(root, root / "etc/sysctl.conf")
    is_linked = False
    for name in sorted(chosen, key=os.fsencode):
        path = _inside(root, chosen[name])
        if path is not None and path.is_file():
            is_linked = is_linked or path == central
            yield str(chosen[name]), path
    if central is not None and central.is_file() and not is_linked:
        yield str(root / "etc/sysctl.conf"), central


def _entries(folder: Path) -> Iterator[Path]:
    """The configuration files of one folder, links included, as systemd lists them."""
    for path in folder.iterdir():
        is_named = path.suffix == ".conf" and not path.name.startswith(".")
        if is_named and (path.is_symlink() or not path.is_dir()):
            yield path


def _inside(root: Path, path: Path) -> Path | None:
    """Where a path leads if ``root`` is the root folder; None where links go round in a circle.

    An unpacked image is somebody else's: a link in it must not lead to a file of this host.
    """
    todo = list(reversed(path.relative_to(root).parts))
    here: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del here[-1:]
            continue
        place = root.joinpath(*here, part)
        if not place.is_symlink():
            here.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            return None
        target = place.readlink()
        if target.is_absolute():
            here.clear()
        todo.extend(part for part in reversed(target.parts) if part != "/")
    return root.joinpath(*here)


def _read(path: Path) -> str:
    """The text of a file; bytes that are not UTF-8 become lone surrogates.

    A pipe will do (``--sysctl <(sysctl -a)``), so the size is known only when it is read.
    """
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_SIZE + 1)
    if len(data) > MAX_FILE_SIZE:
        raise SourceError(f"{path}: larger than {MAX_FILE_SIZE >> 20} MiB")
    return data.decode("utf-8", "surrogateescape")
