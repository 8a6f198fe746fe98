# SPDX-License-Identifier: GPL-2.0-only
"""Measures ctlint against what an operator already runs, `iptables-legacy-restore --test`.

Every figure is the CPU time, user and system, of a whole process. The programs of a group run in
turn, A B C A B C, so that a slow spell of the machine hits all of them; ratios are of medians.
Needs root: the real restore runs in a network namespace of its own, which is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BYTECODE = tempfile.TemporaryDirectory()


class Run(NamedTuple):
    """One process: seconds of CPU, and its largest resident set in MiB."""

    cpu: float
    memory: float


class Program(NamedTuple):
    """A command line and the exit codes that mean that it did its work."""

    name: str
    arguments: Sequence[str]
    good: tuple[int, ...] = (0,)


def run(program: Program) -> Run:
    """Run a program once. Ends the benchmark where the program fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": BYTECODE.name}
    # An installed program has its bytecode; here it is made by the run that is not counted.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            program.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
        )
        # The usage of this one child: RUSAGE_CHILDREN knows the largest of all only.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in program.good:
            errors.seek(0)
            sys.stderr.buffer.write(errors.read())
            sys.exit(f"{program.name}: exit code {process.returncode}")
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(title: str, programs: Sequence[Program], times: int) -> None:
    """Run the programs in turn and print a table; the first is what the others are compared to."""
    for program in programs:
        run(program)  # Fills caches: the page cache, Python's bytecode.
    runs: list[list[Run]] = [[] for _ in programs]
    for _ in range(times):
        for program, found in zip(programs, runs, strict=True):
            found.append(run(program))
    print(f"\n{title}, {times} runs each")
    print(f"  {'':<34}{'CPU s: min':>11}{'median':>9}{'max':>9}{'ratio':>8}{'MiB':>8}")
    base = statistics.median(one.cpu for one in runs[0])
    for program, found in zip(programs, runs, strict=True):
        cpu = sorted(one.cpu for one in found)
        median = statistics.median(cpu)
        print(
            f"  {program.name:<34}{cpu[0]:>11.3f}{median:>9.3f}{cpu[-1]:>9.3f}"
            f"{median / base:>8.2f}{max(one.memory for one in found):>8.0f}"
        )


def generate(kind: str, rules: int, folder: Path) -> Path:
    """Write a dump of dumps.py to a file."""
    path = folder / f"{kind}{rules}"
    with path.open("wb") as stream:
        subprocess.run(
            [sys.executable, str(ROOT / "bench/dumps.py"), kind, str(rules)],
            stdout=stream,
            check=True,
        )
    return path


@contextmanager
def private_netns() -> Iterator[list[str]]:
    """A network namespace; gives the words that run a program inside."""
    name = f"ctlint-bench-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield ["ip", "netns", "exec", name]
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def lint(path: Path, name: str = "ctlint lint") -> Program:
    """Lint a dump by all rules; findings are no failure."""
    arguments = [sys.executable, "-m", "ctlint", "lint", "--format", "json", str(path)]
    return Program(name, arguments, (0, 1))


def main() -> None:
    """Run all benchmarks."""
    parser = argparse.ArgumentParser(description="Benchmarks of ctlint; see bench/README.md.")
    parser.add_argument("--quick", action="store_true", help="20,000 rules instead of 100,000")
    parser.add_argument("-n", type=int, help="runs of each program [default: 7, quick: 3]")
    arguments = parser.parse_args()
    times = arguments.n or (3 if arguments.quick else 7)
    rules = 20_000 if arguments.quick else 100_000
    with tempfile.TemporaryDirectory() as name, private_netns() as inside:
        folder = Path(name)
        sizes = {"kube": rules, "flat": rules, "acl": rules // 10}
        for kind, size in sizes.items():
            path = generate(kind, size, folder)
            restore = [*inside, "iptables-legacy-restore", "--test", str(path)]
            parse = [sys.executable, str(ROOT / "bench/parse_dump.py"), str(path)]
            measure(
                f"{kind}, {size:,} rules",
                [
                    Program("iptables-legacy-restore --test", restore),
                    Program("parse alone", parse),
                    lint(path),
                ],
                times,
            )
        for kind in ("kube", "acl"):
            steps = [sizes[kind] // part for part in (100, 10, 1)]
            measure(
                f"Growth of ctlint lint, {kind}",
                [lint(generate(kind, size, folder), f"{size:,} rules") for size in steps],
                times,
            )
        tracker = str(ROOT / "bench/track.py")
        measure(
            "Tracker, 5 x 172,000 packets",
            [
                Program("look-up alone", [sys.executable, tracker, "--look-up"]),
                Program("tracker", [sys.executable, tracker]),
            ],
            times,
        )
        print("\nWay through kube")
        subprocess.run(
            [sys.executable, "-m", "bench.route", "--services", "500", str(rules // 12)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        print("\nWorld")
        connections = 10_000 if arguments.quick else 50_000
        subprocess.run(
            [sys.executable, "-m", "bench.world", "--connections", str(connections)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        measure(
            "Start-up",
            [
                Program("python -c pass", [sys.executable, "-c", "pass"]),
                Program("ctlint --version", [sys.executable, "-m", "ctlint", "--version"]),
                lint(generate("flat", 200, folder), "ctlint lint, 200 rules"),
            ],
            3 * times,
        )


if __name__ == "__main__":
    main()
