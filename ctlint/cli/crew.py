# SPDX-License-Identifier: GPL-2.0-only
"""Work that is shared among processes.

concurrent.futures would leave its processes at work when the run is interrupted, and waiting for
ever where the run itself is killed. Here each has a pipe: it ends when that is closed.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, TypeVar

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")

# Forked processes have what was read already, and start in milliseconds. Nothing has started a
# thread before. Elsewhere than on Linux libraries of the system may not survive a fork.
START_METHOD: Final = "fork" if sys.platform == "linux" else "spawn"


class WorkerGoneError(Exception):
    """A process has ended before its work was done: somebody has killed it, as the kernel does
    where memory runs out. ``item`` is what it worked on.
    """

    def __init__(self, item: object) -> None:
        super().__init__(str(item))
        self.item = item


def shared(
    work: Callable[[_Item], _Done],
    items: Sequence[_Item],
    jobs: int,
    start_method: str = START_METHOD,
) -> Generator[tuple[int, _Done], None, None]:
    """What work makes of each item, with the item's number, as it is done. ``work`` raises nothing;
    it and what it makes can be pickled. Raises WorkerGoneError.

    The processes are ended when the iterator is closed.
    """
    crew = _Crew(work, min(jobs, len(items)), start_method)
    try:
        yield from crew.results(items)
    finally:
        crew.end()


class _Crew:
    """Processes, and what each of them works on."""

    def __init__(self, work: Callable[[Any], Any], jobs: int, start_method: str) -> None:
        context: Any = multiprocessing.get_context(start_method)
        self.processes: list[BaseProcess] = []
        self.pipes: list[Connection] = []
        for _ in range(jobs):
            here, there = context.Pipe()
            # A forked process has the ends of the others' pipes too.
            others = (*self.pipes, here) if start_method == "fork" else ()
            process = context.Process(target=_serve, args=(work, there, others), daemon=True)
            process.start()
            there.close()
            self.processes.append(process)
            self.pipes.append(here)

    def results(self, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        waiting = iter(range(len(items)))
        busy: dict[Connection, int] = {}

        def give(pipe: Connection) -> None:
            number = next(waiting, None)
            if number is not None:
                busy[pipe] = number
                with suppress(OSError):  # It is gone: the pipe says so when it is read.
                    pipe.send(items[number])

        for pipe in self.pipes:
            give(pipe)
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                number = busy.pop(ready)
                try:
                    done = ready.recv()
                except (EOFError, OSError):
                    raise WorkerGoneError(items[number]) from None
                give(ready)
                yield number, done

    def end(self) -> None:
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()


def _serve(work: Callable[[Any], Any], pipe: Connection, others: Sequence[Connection]) -> None:
    """What a process of the crew does, until its pipe is closed."""
    # An interrupt goes to all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for other in others:
        other.close()
    gc.disable()
    gc.freeze()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(work(pipe.recv()))
            # What was made of one host is in cycles, some 40 MB.
            gc.collect()
