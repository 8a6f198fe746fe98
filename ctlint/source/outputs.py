# SPDX-License-Identifier: GPL-2.0-only
"""Files that reports are written to: an input is never overwritten, and what stood in an output
stands there until the new report is complete.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from ctlint.source.files import STANDARD_INPUT
from ctlint.source.host_folders import FOLDER_RULES, FOLDER_SETS, FOLDER_SETTINGS, SOS_FOLDERS

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
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})", re.ASCII)
_STANDARD: Final = {"/dev/stdout": 1, "/dev/stderr": 2}
_NEW_MODE: Final = 0o666


class OutputError(Exception):
    """An output cannot be written, or must not be."""


@contextmanager
def opened_output(path: str, inputs: Iterable[str]) -> Iterator[TextIO]:
    """A text to write to a file. The file has it when the block ends without an exception, and
    stays as it is otherwise; pipes and devices get it as it comes.

    A link is followed; mode, owner and other names of a file that exists are kept. What the file
    cannot hold is escaped. Raises OutputError where the file cannot be written, and where it is
    one of the `inputs` (paths, folders of hosts, or ``-``).
    """
    try:
        if path.endswith("/"):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        known = _status(path)
        require_no_input(path, inputs)
        target = _direct_target(path, known)
        if target is not None:
            with open(  # noqa: PTH123
                target, "w", encoding="utf-8", errors="backslashreplace"
            ) as stream:
                yield stream
            return
        if known is not None and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        file = Path(path)
        with _replaced(
            Path(os.path.realpath(path)) if file.is_symlink() else file, known
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


def require_no_input(path: str, inputs: Iterable[str]) -> None:
    """Raises OutputError for an output that is one of the inputs (paths, folders of hosts, ``-``),
    for those that are known only when it is open already: it is written in the end.
    """
    known = _status(path)
    if known is None or not stat.S_ISREG(known.st_mode):
        return
    for given in inputs:
        for each in _files_of(given):
            if os.path.samestat(known, each):
                raise OutputError(f"cannot write {path}: it is an input ({given})")


def _files_of(given: str) -> Iterator[os.stat_result]:
    """The files that are read where this input is given."""
    with suppress(OSError, ValueError):
        if given == STANDARD_INPUT:
            if sys.stdin is not None:
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


def _direct_target(path: str, known: os.stat_result | None) -> str | int | None:
    """What is opened where the report is written as it comes; None where it replaces a file.

    A descriptor that is open already is used itself: opened anew, a file behind it would be
    emptied, and be written from its start.
    """
    named = _DESCRIPTOR.fullmatch(path)
    if named is not None or path in _STANDARD:
        return os.dup(int(named[1]) if named is not None else _STANDARD[path])
    if known is None:
        return None
    if not stat.S_ISREG(known.st_mode):
        return path
    return os.dup(1) if _is_standard_output(known) else None


def _is_standard_output(known: os.stat_result) -> bool:
    try:
        return os.path.samestat(known, os.fstat(1))
    except OSError:
        return False


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
            is_like = _take_over(descriptor, known)
            yield stream
        if not (is_like and _is_moved(beside, path, known)):
            with beside.open("rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            beside.unlink()
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _is_moved(beside: Path, path: Path, known: os.stat_result | None) -> bool:
    """Puts a file in the place of another, where that can be: not over a mount, nor over another
    user's file in a folder such as /tmp.
    """
    try:
        beside.replace(path)
    except OSError as error:
        if known is None or error.errno not in (errno.EPERM, errno.EACCES, errno.EBUSY):
            raise
        return False
    return True


def _take_over(descriptor: int, known: os.stat_result | None) -> bool:
    """Gives the file the owner and mode of the one that it replaces, or those of a new file.

    False where it cannot be like that one, which has other names or an owner that is not ours to
    give.
    """
    if known is None:
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(descriptor, _NEW_MODE & ~mask)
        return True
    if known.st_nlink > 1:
        return False
    try:
        os.fchown(descriptor, known.st_uid, known.st_gid)
    except PermissionError:
        return False
    os.fchmod(descriptor, stat.S_IMODE(known.st_mode))
    return True
