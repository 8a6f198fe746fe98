# SPDX-License-Identifier: GPL-2.0-only
"""What programs of this machine print: for a bounded time, in bounded memory."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Final, NamedTuple

from ctlint.source.errors import SourceError
from ctlint.source.files import text_of

_FOLDERS: Final = "/usr/sbin:/sbin"
"""Where programs of root are, which are not in everybody's PATH."""

SECONDS: Final = 60.0
"""How long a program may run."""

_CHUNK: Final = 1 << 16
_MOST_ERRORS: Final = 1 << 16
"""Bytes of a program's errors that are kept."""


class Printed(NamedTuple):
    """What a program printed. ``status`` is its exit status, below 0 where a signal ended it."""

    status: int
    text: str
    errors: str

    @property
    def complaint(self) -> str:
        """What is wrong, in one line; empty where nothing is."""
        if not self.status:
            return ""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return lines[0][:300] if lines else f"exit status {self.status}"


def program(*names: str) -> str | None:
    """The path of the first of these programs that is installed."""
    found = (shutil.which(name, path=_path()) for name in names)
    return next((path for path in found if path is not None), None)


def printed(
    words: Sequence[str],
    *,
    seconds: float = SECONDS,
    environment: Mapping[str, str] | None = None,
) -> Printed:
    """Run a program, found by its path, without input and in the C locale.

    Its output is bounded as a file's text is. ``environment`` is what it sees beside PATH and
    LC_ALL. Raises SourceError where it cannot be run, does not end, or prints no text.
    """
    name = words[0].rpartition("/")[2]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": _path(), "LC_ALL": "C", **(environment or {})},
        )
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror or error}") from error
    try:
        errors = bytearray()
        text = text_of(_output(process, errors, name, time.monotonic() + seconds), name)
        status = process.wait(max(seconds, 1))
    except subprocess.TimeoutExpired:
        raise _endless(name, seconds) from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    return Printed(status, text, errors.decode("utf-8", "replace"))


def _output(
    process: subprocess.Popen[bytes], errors: bytearray, name: str, end: float
) -> Iterator[bytes]:
    """What it writes, as it comes; its errors go to ``errors``."""
    begin = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(_opened(stream), selectors.EVENT_READ)
        while selector.get_map():
            left = end - time.monotonic()
            if left <= 0:
                raise _endless(name, end - begin)
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    yield chunk
                else:
                    errors += chunk[: max(0, _MOST_ERRORS - len(errors))]


def _opened(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _endless(name: str, seconds: float) -> SourceError:
    return SourceError(f"{name}: does not end within {seconds:.0f} s")


def _path() -> str:
    return f"{os.environ.get('PATH') or os.defpath}:{_FOLDERS}"
