# SPDX-License-Identifier: GPL-2.0-only
"""Where the configuration stands: docs/config.md."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.lint.config_reader import SECTION, read_config
from ctlint.lint.configuration import Configuration
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, read_document

CONFIG_NAME: Final = "ctlint.toml"
PROJECT_NAME: Final = "pyproject.toml"
MAX_CONFIG: Final = 1 << 20
"""Bytes."""

_SHARED: Final = stat.S_ISVTX | stat.S_IWOTH


class ConfigFile(NamedTuple):
    """A configuration and the folder, an absolute path, that its paths are relative to."""

    configuration: Configuration
    folder: str


NO_CONFIG: Final = ConfigFile(Configuration(), "")


def named_config(path: str) -> ConfigFile:
    """The configuration in a file that is named. Raises SourceError, ParseError."""
    is_project = Path(path).name == PROJECT_NAME
    found = read_config(_text(path), path, SECTION if is_project else ())
    if found is None:
        raise SourceError(f"{path}: no section [tool.ctlint]")
    return ConfigFile(found, str(Path(_absolute(path)).parent))


def found_config() -> ConfigFile:
    """The configuration of the working directory: the first one from it upwards, up to the folder
    that has a .git or to the root. NO_CONFIG where there is none.

    Folders that all may write to and that keep files from others (the sticky bit: /tmp) are passed
    by: what lies there may be anybody's. Raises SourceError, ParseError.
    """
    try:
        start = Path.cwd()
    except OSError:
        return NO_CONFIG
    return _nearest(start, lambda path: os.path.relpath(path, start))


def config_of(folder: str) -> ConfigFile:
    """The configuration of a folder, an absolute path, as found_config finds that of the working
    directory; its file has its absolute name. Raises SourceError, ParseError.
    """
    return _nearest(Path(folder), str)


def _nearest(start: Path, shown: Callable[[Path], str]) -> ConfigFile:
    for folder in (start, *start.parents):
        if not _is_shared(folder):
            found = _config_in(folder, shown)
            if found is not None:
                return ConfigFile(found, str(folder))
        if _is_there(folder / ".git"):
            break
    return NO_CONFIG


def _is_shared(folder: Path) -> bool:
    try:
        return folder.stat().st_mode & _SHARED == _SHARED
    except OSError:
        return True


def _is_there(path: Path) -> bool:
    with suppress(OSError):
        return path.exists()
    return False


def _config_in(folder: Path, shown: Callable[[Path], str]) -> Configuration | None:
    for name, section in ((CONFIG_NAME, ()), (PROJECT_NAME, SECTION)):
        path = folder / name
        try:
            if not path.is_file():
                continue
        except OSError:
            continue  # A folder that may not be looked into.
        name = shown(path)
        text = _text(name)
        # A broken pyproject.toml that says nothing to ctlint is not for ctlint to refuse.
        if section and "ctlint" not in text:
            continue
        found = read_config(text, name, section)
        if found is not None:
            return found
    return None


def _text(path: str) -> str:
    # Every path is that of a file: "-" too.
    return read_document("./-" if path == "-" else path, MAX_CONFIG, "lint --config")


def _absolute(path: str) -> str:
    return os.path.normpath(Path(path).absolute())


def seen_from(folder: str, path: str) -> tuple[str, ...]:
    """The path of an input as globs of a configuration in that folder see it: from the folder on,
    and absolute. Standard input stays ``-``.
    """
    if path == STANDARD_INPUT or not folder:
        return (path,)
    whole = _absolute(path)
    return os.path.relpath(whole, folder), whole


def beside(folder: str, path: str) -> str:
    """The path of a file that a configuration in that folder names, from the working directory."""
    return path if path.startswith("/") else os.path.relpath(Path(folder) / path)
