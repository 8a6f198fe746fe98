# SPDX-License-Identifier: GPL-2.0-only
"""Texts from files, pipes and standard input, in bounded memory.

What is no text is refused here with what it is: a compressed file, an archive, UTF-16. Bytes that
are not UTF-8 become lone surrogates.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from ctlint.parse.iptables_save import MAX_LINE
from ctlint.source.errors import SourceError

STANDARD_INPUT: Final = "-"

MAX_BYTES: Final = 512 << 20
"""Of one text. Two million rules, the most that is read, take some 250 MB."""

MAX_LINES: Final = 5_000_000
"""Of one text."""

MAX_NAMES: Final = 64 << 20
"""Bytes of a list of names."""

_CHUNK: Final = 1 << 20
# A line that a parser refuses as too long need not be kept whole to be refused.
_KEPT_LINE: Final = MAX_LINE + 1
_FIFO_WAIT: Final = 2_000
_BINARY: Final[tuple[tuple[bytes, str, str | None], ...]] = (
    (b"\x1f\x8b", "compressed with gzip", "zcat FILE | ctlint COMMAND -"),
    (b"\xfd7zXZ", "compressed with xz", "xzcat FILE | ctlint COMMAND -"),
    (b"BZh", "compressed with bzip2", "bzcat FILE | ctlint COMMAND -"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "zstdcat FILE | ctlint COMMAND -"),
    (b"PK\x03\x04", "a zip archive", "unpack it, and give the folder or the files that it holds"),
    (b"\xef\xbb\xbf", "text with a byte order mark, which its readers refuse", "remove it"),
    (b"\xff\xfe", "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE | ctlint COMMAND -"),
    (b"\xfe\xff", "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE | ctlint COMMAND -"),
)
_PACKED: Final = tuple(magic for magic, _, hint in _BINARY if hint and "cat FILE" in hint)
_ARCHIVE: Final = re.compile(r"\.(?:tar(?:\.\w+)?|t[gxb]z|tbz2)$")
_GIVE_FOLDER: Final = "give the folder: an unpacked sosreport is that of a host"


def read_text(path: str) -> str:
    """The text of a file, of a pipe, or of standard input (``-``).

    A line is cut where it is longer than any that iptables-restore reads, so that the parser
    refuses it at little cost. Raises SourceError for what cannot be read, holds more than MAX_BYTES
    or MAX_LINES, or is no text.
    """
    with _named(path):
        return text_of(chunks_of(path), path)


def read_document(path: str, most: int, command: str) -> str:
    """The text of a file, of a pipe, or of standard input (``-``), with no line cut.

    ``command`` is who reads it, for hints. Raises SourceError for what cannot be read, holds more
    than ``most`` bytes, or is no text.
    """
    found = bytearray()
    with _named(path):
        for chunk in chunks_of(path):
            if not found:
                _require_text(chunk, path, command)
            found += chunk
            if len(found) > most:
                raise SourceError(f"{path}: larger than {most >> 20} MiB")
    return found.decode("utf-8", "surrogateescape")


def read_names(path: str) -> list[str]:
    """The names in a list: one a line, or with NUL bytes between where it holds any, as find(1)
    prints them with -print0. Raises SourceError for what cannot be read, and for a list of nothing.
    """
    found = bytearray()
    with _named(path):
        for chunk in chunks_of(path):
            found += chunk
            if len(found) > MAX_NAMES:
                raise SourceError(f"{path}: larger than {MAX_NAMES >> 20} MiB")
    pieces = found.split(b"\0") if b"\0" in found else found.splitlines()
    names = [os.fsdecode(bytes(piece)) for piece in pieces if piece]
    if not names:
        raise SourceError(f"{path}: a list without a name")
    return names


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Errors of the system become SourceErrors that name the file."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        # A name with a NUL byte.
        raise SourceError(f"{path!r}: {error}") from error


def chunks_of(path: str) -> Iterator[bytes]:
    """The bytes, chunk by chunk. Raises OSError."""
    if path == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.closed:
            raise SourceError("standard input is closed", "name a file, or pipe a dump in")
        while chunk := sys.stdin.buffer.read(_CHUNK):
            yield chunk
        return
    # Without O_NONBLOCK a FIFO that nobody writes to would never open.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb", buffering=0, closefd=True) as stream:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            yield from _first_words(descriptor, path)
        os.set_blocking(descriptor, True)
        while chunk := stream.read(_CHUNK):
            yield chunk


def _first_words(descriptor: int, path: str) -> Iterator[bytes]:
    """What a FIFO holds once somebody writes to it. Raises SourceError where nobody does."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll(_FIFO_WAIT)
    try:
        words = os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return  # A writer is there, and takes its time.
    if not words:
        raise SourceError(f"{path}: a pipe that is empty, and nobody writes to it")
    yield words


def text_of(chunks: Iterable[bytes], path: str) -> str:
    """The text of what comes chunk by chunk from ``path``, as read_text gives it. Raises
    SourceError.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    parts: list[str] = []
    size = lines = width = 0
    for chunk in chunks:
        if not parts:
            _require_text(chunk, path)
        size += len(chunk)
        lines += chunk.count(b"\n")
        if size > MAX_BYTES:
            raise SourceError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        if lines > MAX_LINES:
            raise SourceError(f"{path}: more than {MAX_LINES:,} lines")
        kept, width = _cut(chunk, width)
        parts.append(decoder.decode(kept))
    parts.append(decoder.decode(b"", final=True))
    return "".join(parts)


def _cut(chunk: bytes, width: int) -> tuple[bytes, int]:
    """The chunk without the ends of overlong lines, and the width of the line open at its end.

    ``width`` is that of the line that the chunk continues.
    """
    last = chunk.rfind(b"\n")
    open_width = len(chunk) - last - 1 + (width if last < 0 else 0)
    if _has_overlong(chunk, width):
        pieces = chunk.split(b"\n")
        pieces[0] = pieces[0][: max(0, _KEPT_LINE - width)]
        chunk = b"\n".join([piece[:_KEPT_LINE] for piece in pieces])
    return chunk, open_width


def _has_overlong(chunk: bytes, width: int) -> bool:
    """Whether a line is longer than what is kept of it. Where none is, few are looked at."""
    if width > _KEPT_LINE:
        return True
    start = -width
    while len(chunk) - start > _KEPT_LINE:
        end = chunk.rfind(b"\n", max(0, start), start + _KEPT_LINE + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _require_text(start: bytes, path: str, command: str = "lint") -> None:
    is_packed = start.startswith(_PACKED) and _ARCHIVE.search(path)
    if is_packed or start[257:262] == b"ustar":  # tar(5)
        raise SourceError(f"{path}: an archive", f"unpack it (tar -xf), and {_GIVE_FOLDER}")
    for magic, what, hint in _BINARY:
        if start.startswith(magic):
            name = "FILE" if path == STANDARD_INPUT else path
            said = hint and hint.replace("COMMAND", command).replace("FILE", name)
            raise SourceError(f"{path}: {what}", said)
    if b"\0" in start:
        raise SourceError(f"{path}: binary data (it holds NUL bytes), not text")
