# SPDX-License-Identifier: GPL-2.0-only
"""The process that answers lives on, or a new one comes in its place."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from ctlint.lsp import worker as module
from ctlint.lsp.checking import Question
from ctlint.lsp.documents import Kind
from ctlint.lsp.worker import MOST_MEMORY, NoAnswer, Worker

NAME = "untitled:x"


def _question(text: str = "*filter\nCOMMIT\n") -> Question:
    return Question(NAME, Kind.RULES, {NAME: text}, "")


def _with_worker(test: Callable[[Worker], Awaitable[None]], most_memory: int = MOST_MEMORY) -> None:
    async def run() -> None:
        worker = Worker(most_memory)
        try:
            await test(worker)
        finally:
            worker.stop()

    asyncio.run(run())


def _pid(worker: Worker) -> int:
    process = worker._process
    assert process is not None
    assert process.pid is not None
    return process.pid


def test_one_process_answers_all() -> None:
    async def test(worker: Worker) -> None:
        worker.start()
        pid = _pid(worker)
        for _ in range(2):
            assert (await worker.ask(_question())).unit == NAME
        assert _pid(worker) == pid

    _with_worker(test)


def test_what_starts_it_may_be_large() -> None:
    async def test(worker: Worker) -> None:
        ballast = bytearray(b"x" * MOST_MEMORY)
        worker.start()
        pid = _pid(worker)
        del ballast
        await worker.ask(_question())
        assert _pid(worker) == pid

    _with_worker(test)


def test_a_fault_has_its_words_and_ends_nothing() -> None:
    async def test(worker: Worker) -> None:
        # A text that a document of ours always has is missing: a fault.
        with pytest.raises(NoAnswer, match="a fault of ctlint's own: KeyError"):
            await worker.ask(Question(NAME, Kind.SETS, {}, ""))
        assert (await worker.ask(_question())).unit == NAME

    _with_worker(test)


def test_a_dead_process_is_replaced() -> None:
    async def test(worker: Worker) -> None:
        await worker.ask(_question())
        asked = asyncio.create_task(worker.ask(_question()))
        os.kill(_pid(worker), signal.SIGSTOP)
        await asyncio.sleep(0.05)
        os.kill(_pid(worker), signal.SIGKILL)
        with pytest.raises(NoAnswer, match="its process has ended"):
            await asked
        assert (await worker.ask(_question())).unit == NAME

    _with_worker(test)


def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(worker: Worker) -> None:
        await worker.ask(_question())
        pid = _pid(worker)
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(module, "MOST_SECONDS", 0.1)
        with pytest.raises(NoAnswer, match=r"longer than 0\.1 s"):
            await worker.ask(_question())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    _with_worker(test)


def test_to_cancel_ends_the_process() -> None:
    async def test(worker: Worker) -> None:
        await worker.ask(_question())
        pid = _pid(worker)
        os.kill(pid, signal.SIGSTOP)
        asked = asyncio.create_task(worker.ask(_question()))
        await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert (await worker.ask(_question())).unit == NAME

    _with_worker(test)


def test_a_large_text_comes_through() -> None:
    async def test(worker: Worker) -> None:
        text = "*filter\n" + "#" * 100 + ("\n#" + "x" * 100) * 20_000 + "\nCOMMIT\n"
        assert (await worker.ask(_question(text))).problems == ()

    _with_worker(test)


def test_a_process_that_has_grown_is_replaced() -> None:
    async def test(worker: Worker) -> None:
        worker.start()
        pid = _pid(worker)
        assert (await worker.ask(_question())).unit == NAME
        assert _pid(worker) != pid
        assert (await worker.ask(_question())).unit == NAME

    _with_worker(test, most_memory=1)
