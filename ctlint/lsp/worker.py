# SPDX-License-Identifier: GPL-2.0-only
"""A process that answers questions, one after the other.

Analysis in a process of its own keeps the server quick, can be ended at any time, and takes nothing
with it when it dies.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from ctlint.lint.registry import shipped_rules
from ctlint.lsp.checking import Answer, Question, answer

MOST_SECONDS: Final = 120
"""For one answer; what takes longer is for `ctlint lint`."""

MOST_MEMORY: Final = 256 << 20
"""Bytes. A process that an answer has made larger is replaced: it would stay so."""

_ORPHANED: Final = 2 * MOST_SECONDS


class NoAnswer(Exception):  # noqa: N818 (no error of the caller's)
    """A question has no answer, and why."""


def serve(connection: Connection, most_memory: int) -> None:
    """What the process does: answers until nobody asks any more. With each answer it says whether
    it has ever been larger than so many bytes.
    """
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shipped_rules()
    gc.freeze()
    gc.disable()
    connection.send(None)
    with suppress(EOFError, OSError):
        while True:
            question = connection.recv()
            # Ends this process should it still work when nobody is there who could end it.
            signal.alarm(_ORPHANED)
            found = _answered(question)
            connection.send((found, _most_resident() > most_memory))
            signal.alarm(0)
            gc.collect()


def _most_resident() -> int:
    """The most bytes that this process has had in memory (proc_pid_status(5), VmHWM); 0 where that
    is not told. What getrusage(2) says is at least what the process had that started this one.
    """
    with suppress(OSError):
        said = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^VmHWM:\s*([0-9]+) kB$", said, re.MULTILINE)
        return int(found[1]) << 10 if found else 0
    return 0


def _answered(question: Question) -> Answer | str:
    """The answer, or what went wrong."""
    try:
        return answer(question)
    except MemoryError:
        return "it takes more memory than there is"
    except Exception as error:  # the server must live on
        return f"a fault of ctlint's own: {type(error).__name__}: {error}"


class Worker:
    """The process, from the server's side. It is started when it is needed, and again when it has
    been ended.
    """

    def __init__(self, most_memory: int = MOST_MEMORY) -> None:
        self._most_memory = most_memory
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Starts the process, unless it runs."""
        if self._process is not None and self._process.is_alive():
            return
        self.stop()
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        arguments = (theirs, self._most_memory)
        process = context.Process(target=serve, args=arguments, name="ctlint", daemon=True)
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        self._is_ready = False

    def stop(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    async def ask(self, question: Question) -> Answer:
        """The answer. Raises NoAnswer. To cancel it ends the process."""
        try:
            async with asyncio.timeout(MOST_SECONDS):
                found = await self._asked(question)
        except TimeoutError:
            self.stop()
            raise NoAnswer(f"it takes longer than {MOST_SECONDS} s") from None
        except (EOFError, OSError):
            self.stop()
            raise NoAnswer("its process has ended") from None
        except asyncio.CancelledError:
            self.stop()
            raise
        if isinstance(found, str):
            raise NoAnswer(found)
        return found

    async def _asked(self, question: Question) -> Answer | str:
        self.start()
        connection = self._connection
        assert connection is not None
        if not self._is_ready:
            # To write before it reads would stop the server where the texts fill the pipe.
            await _readable(connection)
            connection.recv()
            self._is_ready = True
        connection.send(question)
        await _readable(connection)
        found: Answer | str
        found, is_large = connection.recv()
        if is_large:
            self.stop()
            self.start()
        return found


async def _readable(connection: Connection) -> None:
    """Waits until there is something to read."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())
