# SPDX-License-Identifier: GPL-2.0-only
"""A text that takes the place of a file, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, TextIO

_NEW_MODE: Final = 0o666
_NOT_RESERVED: Final = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.ENODEV)
"""What says that room cannot be reserved in this file system, not that there is none."""

_NOT_MOVED: Final = (errno.EPERM, errno.EACCES, errno.EBUSY)
"""What says that no other file may stand here: the file may be written for all that."""


def open_text(target: str | int, mode: str = "w") -> TextIO:
    """A file as the stream of a report: what it cannot hold is escaped."""
    return open(  # type: ignore[return-value]  # noqa: PTH123
        target, mode, encoding="utf-8", errors="backslashreplace"
    )


class Replacement:
    """A text that is kept beside a file until it is complete. ``known`` is what is known of the
    file; None where there is none. Every step may raise OSError.

    It takes the place of the file by its name, which cannot be seen half done. Where the file must
    stay the same one (it has other names, or an owner that is not ours to give; or nothing may be
    added to its folder), it is written over: there the room is reserved before anything is lost.
    """

    def __init__(self, path: Path, known: os.stat_result | None) -> None:
        self._path = path
        self._known = known
        self._beside: Path | None = None
        self._over: _WrittenOver | None = None
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        except PermissionError:
            if known is None:
                raise
            self.stream: TextIO = tempfile.TemporaryFile(  # noqa: SIM115
                "w+", encoding="utf-8", errors="backslashreplace"
            )
            self._is_like = False
            return
        self._beside = Path(name)
        self.stream = open_text(descriptor, "w+")
        try:
            self._is_like = _take_over(descriptor, known)
        except BaseException:
            self.discard()
            raise

    def finish(self) -> None:
        """Sees to it that all of the text is on the disk: some file systems find only then that
        there is no room, and a crash would leave an empty file.
        """
        self.stream.flush()
        os.fsync(self.stream.fileno())
        if not self._is_like:
            self._over = _WrittenOver(self._path, self.stream)

    def commit(self) -> None:
        """Puts the text in its place."""
        if self._over is None and not self._is_moved():
            self._over = _WrittenOver(self._path, self.stream)
        if self._over is not None:
            self._over.commit()
            self._over = None
            if self._beside is not None:
                self._beside.unlink()
        self._beside = None
        self.stream.close()

    def discard(self) -> None:
        """Leaves nothing of it."""
        if self._over is not None:
            self._over.discard()
            self._over = None
        with suppress(OSError):
            self.stream.close()
        if self._beside is not None:
            self._beside.unlink(missing_ok=True)
            self._beside = None

    def _is_moved(self) -> bool:
        """Puts the text in the place of the file, where that can be: not over a mount, nor over
        another user's file in a folder such as /tmp (rename(2)).
        """
        assert self._beside is not None
        try:
            self._beside.replace(self._path)
        except OSError as error:
            if self._known is None or error.errno not in _NOT_MOVED:
                raise
            return False
        return True


class _WrittenOver:
    """A file that will get what is in a stream, and has the room for it."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self._source: BinaryIO = stream.buffer
        self._target = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self._length = os.fstat(self._target).st_size
        size = os.fstat(self._source.fileno()).st_size
        try:
            if size:
                os.posix_fallocate(self._target, 0, size)
        except OSError as error:
            if error.errno not in _NOT_RESERVED:
                self.discard()
                raise

    def commit(self) -> None:
        self._source.seek(0)
        with os.fdopen(self._target, "wb") as target:
            shutil.copyfileobj(self._source, target)
            target.truncate()

    def discard(self) -> None:
        with suppress(OSError):
            os.ftruncate(self._target, self._length)
        os.close(self._target)


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
