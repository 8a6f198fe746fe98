# SPDX-License-Identifier: GPL-2.0-only
"""Processes that share work: all results, no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from contextlib import closing

import pytest

from ctlint.cli.crew import WorkerGoneError, shared


def _square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def _ends(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _reads(number: int) -> str:
    return f"{number}{sys.stdin.read()}"


def _sees_interrupts(number: int) -> object:
    del number
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_all_is_done_by_several(start_method: str) -> None:
    found = dict(shared(_square, range(20), 2, start_method))
    assert {number: square for number, (square, _) in found.items()} == {
        number: number * number for number in range(20)
    }
    processes = {process for _, process in found.values()}
    assert os.getpid() not in processes
    assert len(processes) <= 2
    assert multiprocessing.active_children() == []


def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(WorkerGoneError) as caught:
        list(shared(_ends, range(5), 2))
    assert caught.value.item == 2
    assert multiprocessing.active_children() == []


def test_processes_end_with_the_run() -> None:
    with closing(shared(_square, range(1000), 3)) as done:
        next(done)
        assert len(multiprocessing.active_children()) == 3
    assert multiprocessing.active_children() == []


def test_standard_input_is_not_theirs() -> None:
    assert dict(shared(_reads, range(2), 2)) == {0: "0", 1: "1"}


def test_an_interrupt_is_for_the_first_process_alone() -> None:
    found = dict(shared(_sees_interrupts, range(1), 1))
    assert found[0] == (signal.SIG_IGN, signal.SIG_DFL)
