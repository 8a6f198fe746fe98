# SPDX-License-Identifier: GPL-2.0-only
"""The bytes of a capture, out of a file, a pipe or gzip, a few at a time."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, chunks_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_GZIP: Final = b"\x1f\x8b"
_BUFFER: Final = 1 << 17


class CaptureError(SourceError):
    """A capture cannot be read on. ``offset`` is where in it, unpacked, in bytes."""

    def __init__(self, path: str, offset: int, message: str) -> None:
        super().__init__(f"{path}: at byte {offset}: {message}")
        self.offset = offset


class CaptureStream:
    """Reads a capture once, from its beginning to its end. ``offset`` is how many bytes of it were
    read; ``size`` how many bytes the file has, packed or not, None where that is not known.

    Raises SourceError where there is no such file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.offset = 0
        self.size = _size(path)
        self._file = _Chunks(path)
        raw = io.BufferedReader(self._file, _BUFFER)
        try:
            is_packed = raw.peek(2)[:2] == _GZIP
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror or error}") from error
        except ValueError as error:  # a name with a NUL byte
            raise SourceError(f"{path!r}: {error}") from error
        self._bytes: io.BufferedIOBase = raw
        if is_packed:
            self._bytes = gzip.GzipFile(fileobj=raw)

    @property
    def taken(self) -> int:
        """Bytes of the file that were read, packed or not."""
        return self._file.taken

    def close(self) -> None:
        """Close the file."""
        self._file.finish()

    def read(self, count: int) -> bytes:
        """So many bytes; fewer at the end, where there is nothing more. Raises CaptureError."""
        try:
            found = self._bytes.read(count)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            said = "gzip ends too early" if isinstance(error, EOFError) else f"bad gzip: {error}"
            raise CaptureError(self.path, self.offset, said) from None
        except OSError as error:
            raise CaptureError(self.path, self.offset, str(error.strerror or error)) from error
        self.offset += len(found)
        return found

    def skip(self, count: int) -> bool:
        """Leave bytes out; False where there are not so many. Raises CaptureError."""
        while count > 0:
            found = len(self.read(min(count, _BUFFER)))
            if not found:
                return False
            count -= found
        return True


class _Chunks(io.RawIOBase):
    """A file that comes in chunks. ``taken`` counts the bytes that were taken out of it."""

    def __init__(self, path: str) -> None:
        self._chunks: Iterator[bytes] = chunks_of(path)
        self._rest = memoryview(b"")
        self.taken = 0

    def finish(self) -> None:
        """Close the file behind it."""
        self._rest = memoryview(b"")
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer, as far as there is something."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.taken += count
        return count


def _size(path: str) -> int | None:
    if path == STANDARD_INPUT:
        return None
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None  # Whoever opens it says so.
    return status.st_size if stat.S_ISREG(status.st_mode) else None
