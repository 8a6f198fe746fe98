# SPDX-License-Identifier: GPL-2.0-only
"""Lints the folders of many hosts in one run, with one process and with several, and says how that
compares to a run for each host.

    python -m bench.hosts
    python -m bench.hosts --hosts 100 --sample 5 --jobs 1,2

A run for each host is measured on a sample, spread over all, and reckoned up. Time is CPU time of
the run and its processes; memory is the largest resident set of any of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.fleet import write

ROOT: Final = Path(__file__).resolve().parent.parent
_GOOD: Final = (0, 1)


class Cost(NamedTuple):
    """Seconds of CPU, seconds that passed, and MiB of the largest process."""

    cpu: float
    wall: float
    memory: float


def lint(inputs: Sequence[str], *options: str, good: Sequence[int] = _GOOD) -> Cost:
    """What a run costs. Ends the benchmark where its exit code is none of the good ones."""
    command = [sys.executable, "-m", "ctlint", "lint", *inputs, "--isolated", "-q", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment
        )
        # The usage of this run and of the processes that it has waited for.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in good:
            errors.seek(0)
            sys.stderr.buffer.write(errors.read())
            sys.exit(f"{' '.join(command[:6])}: exit code {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def measure(folder: Path, hosts: int, sample: int, jobs: Sequence[int]) -> None:
    """Writes the hosts, and prints a table."""
    write(folder, hosts)
    names = sorted(str(path) for path in folder.iterdir())
    chosen = names[:: max(1, len(names) // sample)][:sample]
    alone = [lint([name]) for name in chosen]
    one_by_one = Cost(
        sum(one.cpu for one in alone) * hosts / len(alone),
        sum(one.wall for one in alone) * hosts / len(alone),
        max(one.memory for one in alone),
    )
    print(f"{hosts:,} hosts")
    print(f"  {'':<34}{'CPU s':>9}{'s':>9}{'ratio':>8}{'MiB':>8}")
    _print(f"one by one ({len(alone)} measured)", one_by_one, one_by_one)
    for number in jobs:
        name = f"one run, --jobs {number}"
        _print(name, lint([str(folder)], "--jobs", str(number)), one_by_one)
    report = str(folder) + ".json"
    options = ("--format", "json", "--output", report, "--jobs", str(max(jobs)))
    _print(f"the same, as JSON, --jobs {max(jobs)}", lint([str(folder)], *options), one_by_one)
    print(f"  JSON: {Path(report).stat().st_size / (1 << 20):,.0f} MiB")


def _print(name: str, cost: Cost, yardstick: Cost) -> None:
    ratio = cost.cpu / yardstick.cpu
    print(f"  {name:<34}{cost.cpu:>9.1f}{cost.wall:>9.1f}{ratio:>8.2f}{cost.memory:>8.0f}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--jobs", default="1,2", help="numbers of processes, with commas")
    arguments = parser.parse_args()
    jobs = [int(word) for word in arguments.jobs.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "hosts", arguments.hosts, arguments.sample, jobs)


if __name__ == "__main__":
    main()
