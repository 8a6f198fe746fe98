# SPDX-License-Identifier: GPL-2.0-only
"""Files that reports are written to: an input is never overwritten, and what stood in an output
stands there until the new report is complete. Several outputs get theirs together, or none does.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from ctlint.source.files import STANDARD_INPUT
from ctlint.source.host_folders import FOLDER_RULES, FOLDER_SETS, FOLDER_SETTINGS, SOS_FOLDERS
from ctlint.source.replacement import Replacement, open_text

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


class OutputError(Exception):
    """An output cannot be written, or must not be."""


class Output:
    """One output while it is written. Each step raises OutputError with its path."""

    def __init__(self, path: str, inputs: Sequence[str]) -> None:
        self.path = path
        self._replacement: Replacement | None = None
        with self._errors():
            known = _usable(path)
            require_no_input(path, inputs)
            target = _direct_target(path, known)
            if target is not None:
                self._stream = open_text(target)
                return
            file = Path(path)
            real = Path(os.path.realpath(path)) if file.is_symlink() else file
            self._replacement = Replacement(real, known)
            self._stream = self._replacement.stream

    @contextmanager
    def writing(self) -> Iterator[TextIO]:
        """The text to write to. When the block ends, all of it is in the file, or in its reader."""
        with self._errors():
            yield self._stream
            self._stream.flush()

    def finish(self) -> None:
        """Nothing more is written: from here on the text has its room."""
        with self._errors():
            if self._replacement is not None:
                self._replacement.finish()
            else:
                self._stream.close()

    def commit(self) -> None:
        """The text takes its place."""
        with self._errors():
            if self._replacement is not None:
                self._replacement.commit()

    def discard(self) -> None:
        """Leaves what stood there before; without effect on what has taken its place."""
        with suppress(OSError):
            self._stream.close()
        if self._replacement is not None:
            self._replacement.discard()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            return  # Who reads the pipe has read what was wanted.
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from error
        except UnicodeEncodeError as error:
            raise OutputError(f"cannot write {self.path!r}: {error.reason}") from error


@contextmanager
def opened_outputs(paths: Iterable[str], inputs: Iterable[str]) -> Iterator[tuple[Output, ...]]:
    """Several outputs. All files have their texts when the block ends without an exception, and
    stay as they are otherwise; pipes and devices get theirs as they come.

    Links are followed; mode, owner and other names of a file that exists are kept. What a file
    cannot hold is escaped. Raises OutputError where one cannot be written, and where it is one of
    the `inputs` (paths, folders of hosts, or ``-``).
    """
    given = tuple(inputs)
    outputs: list[Output] = []
    try:
        for path in paths:
            outputs.append(Output(path, given))
        yield tuple(outputs)
        for output in outputs:
            output.finish()
        for output in outputs:
            output.commit()
    finally:
        for output in outputs:
            output.discard()


@contextmanager
def opened_output(path: str, inputs: Iterable[str]) -> Iterator[TextIO]:
    """The text of one output: see :func:`opened_outputs`."""
    with opened_outputs((path,), inputs) as (output,), output.writing() as stream:
        yield stream


def require_writable(path: str) -> None:
    """Raises OutputError for an output that cannot be written, as far as that can be seen before
    there is anything to write.
    """
    try:
        known = _usable(path)
        is_open = path in _STANDARD or _DESCRIPTOR.fullmatch(path) is not None
        if known is None and not is_open:
            folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
            if not stat.S_ISDIR(Path(folder).stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _usable(path: str) -> os.stat_result | None:
    """What is known of an output that exists. Raises OSError for what can be none."""
    if path.endswith("/"):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    known = _status(path)
    if known is None:
        return None
    if stat.S_ISDIR(known.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISREG(known.st_mode) and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return known


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
