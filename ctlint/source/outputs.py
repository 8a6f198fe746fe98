# SPDX-License-Identifier: GPL-2.0-only
"""Files that reports are written to: an input is never overwritten, and what stood in an output
stands there until the new report is complete.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from ctlint.source.files import STANDARD_INPUT
from ctlint.source.inputs import FOLDER_RULES, FOLDER_SETS, FOLDER_SETTINGS, SOS_FOLDERS

_FOLDER_FILES: Final = (
    *(name for names in FOLDER_RULES.values() for name in names),
    *FOLDER_SETTINGS,
    *FOLDER_SETS,
    "sysctl.conf",
    "etc/sysctl.conf",
)
_FOLDER_PATTERNS: Final = (
    *(f"{folder}/ip*tables*" for folder in SOS_FOLDERS),
    "*.conf",
    "sysctl.d/*.conf",
    "etc/sysctl.d/*.conf",
)
_STREAMS: Final = ("/dev/fd/", "/dev/std", "/proc/")
_NEW_MODE: Final = 0o666


class OutputError(Exception):
    """An output cannot be written, or must not be."""


@contextmanager
def opened_output(path: str, inputs: Iterable[str]) -> Iterator[TextIO]:
    """A text to write to a file. The file has it when the block ends without an exception, and
    stays as it is otherwise; pipes and devices get it as it comes.

    A link is followed, mode and owner of a file that exists are kept. What the file cannot hold is
    escaped. Raises OutputError where the file cannot be written, and where it is one of the
    `inputs` (paths, folders of hosts, or ``-``).
    """
    try:
        known = _status(path)
        if known is not None:
            _require_no_input(path, known, inputs)
        if known is not None and _is_direct(path, known):
            with _opened_directly(path, known) as stream:
                yield stream
            return
        if known is not None and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        target = Path(path)
        with _replaced(
            Path(os.path.realpath(path)) if target.is_symlink() else target, known
        ) as stream:
            yield stream
    except BrokenPipeError:
        return  # Who reads the pipe has read what was wanted.
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise OutputError(f"cannot write {path!r}: {error.reason}") from error


def _status(path: str) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except FileNotFoundError:
        return None
    except ValueError as error:  # a NUL byte
        raise OutputError(f"cannot write {path!r}: {error}") from error


def _require_no_input(path: str, known: os.stat_result, inputs: Iterable[str]) -> None:
    for given in inputs:
        for each in _files_of(given):
            if stat.S_ISREG(known.st_mode) and os.path.samestat(known, each):
                raise OutputError(f"cannot write {path}: it is an input ({given})")


def _files_of(given: str) -> Iterator[os.stat_result]:
    """The files that are read where this input is given."""
    with suppress(OSError, ValueError):
        if given == STANDARD_INPUT:
            yield os.fstat(sys.stdin.fileno())
            return
        yield Path(given).stat()
    folder = Path(given)
    with suppress(OSError, ValueError):
        if not folder.is_dir():
            return
        found = [folder / name for name in _FOLDER_FILES]
        found += [each for pattern in _FOLDER_PATTERNS for each in folder.glob(pattern)]
        for each in found:
            with suppress(OSError):
                yield each.stat()


def _is_direct(path: str, known: os.stat_result) -> bool:
    return (
        not stat.S_ISREG(known.st_mode) or path.startswith(_STREAMS) or _is_standard_output(known)
    )


def _is_standard_output(known: os.stat_result) -> bool:
    try:
        return os.path.samestat(known, os.fstat(1))
    except OSError:
        return False


@contextmanager
def _opened_directly(path: str, known: os.stat_result) -> Iterator[TextIO]:
    """A pipe or a device. For what is standard output already, that is used: opened anew, a file
    behind it would be emptied, and be written from its start.
    """
    target: str | int = os.dup(1) if _is_standard_output(known) else path
    with open(target, "w", encoding="utf-8", errors="backslashreplace") as stream:  # noqa: PTH123
        yield stream


@contextmanager
def _replaced(path: Path, known: os.stat_result | None) -> Iterator[TextIO]:
    """A file beside this one, which takes its place in the end."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    except PermissionError:
        if known is None:
            raise
        # The file may be written, its folder not.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as stream:
            yield stream
            stream.seek(0)
            with path.open("w", encoding="utf-8") as target:
                shutil.copyfileobj(stream, target)
        return
    beside = Path(name)
    try:
        with open(  # noqa: PTH123
            descriptor, "w", encoding="utf-8", errors="backslashreplace"
        ) as stream:
            _take_over(descriptor, known)
            yield stream
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _take_over(descriptor: int, known: os.stat_result | None) -> None:
    """Gives the file the owner and mode of the one that it replaces, or those of a new file."""
    if known is None:
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(descriptor, _NEW_MODE & ~mask)
        return
    with suppress(PermissionError):
        os.fchown(descriptor, known.st_uid, known.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(known.st_mode))
