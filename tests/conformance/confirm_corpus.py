# SPDX-License-Identifier: GPL-2.0-only
"""Has ``ctlint confirm`` play what lint finds in real dumps, on the kernel of this machine, or on
another one, all in one virtual machine::

    python -m tests.conformance.confirm_corpus --dumps 25
    python -m tests.conformance.confirm_corpus --dumps 25 --kernel-image boot/vmlinuz-6.1.0-57-amd64

Exits with 1 where a certain finding is refuted, or differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ctlint.lab.kernel_vm import modules_beside
from ctlint.model.kernel.profiles import profile
from tests.conformance.corpus_scenarios import made_up_sets, names_in
from tests.conformance.lint_corpus import dumps_of
from tests.conformance.test_corpus import Dump
from tests.corpus import REPOSITORY

_MOST_RULES = 2_000
_SHOWN = 20


def chosen(count: int) -> list[Dump]:
    """Dumps from all of the corpus, evenly."""
    every = [dump for dump in dumps_of(None) if dump.text.count("\n-A ") <= _MOST_RULES]
    return [every[at * len(every) // count] for at in range(min(count, len(every)))]


def results(dumps: list[Dump], kernel: str, folder: Path) -> Iterator[Path]:
    """What lint says of each, but for what is less than certain."""
    for number, dump in enumerate(dumps):
        sets = folder / f"{number}.sets"
        named = names_in(dump.text, dump.family)
        made_up = made_up_sets(dump.text, dump.family, random.Random(dump.name), named)
        sets.write_text(made_up if dump.sets is None else dump.sets.read_text("utf-8"))
        words = ["lint", str(dump.path), "--isolated", "--format", "json", "--kernel", kernel]
        done = ctlint([*words, "--sets", str(sets)])
        if done.returncode > 1:
            _say(f"{dump.name}: {done.stderr.strip()}")
            continue
        said = json.loads(done.stdout)
        said["findings"] = [one for one in said["findings"] if one["confidence"] == "certain"]
        path = folder / f"{number}.json"
        path.write_text(json.dumps(said))
        _say(f"{dump.name}: {len(said['findings'])} certain")
        yield path


def ctlint(words: list[str]) -> subprocess.CompletedProcess[str]:
    """The command, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "ctlint", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Lints, plays and sums up."""
    parser = argparse.ArgumentParser(description="Confirm what lint finds in real dumps.")
    parser.add_argument("--dumps", type=int, default=25)
    parser.add_argument("--kernel-image", help="play in a virtual machine")
    given = parser.parse_args()
    release, machine = os.uname().release, []
    if given.kernel_image is not None:
        release = modules_beside(Path(given.kernel_image)).name
        machine = ["--kernel-image", given.kernel_image]
    with tempfile.TemporaryDirectory(prefix="confirm-corpus-") as name:
        folder = Path(name)
        paths = list(results(chosen(given.dumps), profile(release).name, folder))
        begin = time.monotonic()
        words = ["confirm", *map(str, paths), "--format", "json", "--report-dir", name]
        done = ctlint([*words, *machine])
        seconds = time.monotonic() - begin
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if not found:
        sys.stderr.write(done.stderr)
        return 2
    for one in [one for one in found[:-1] if one["status"] != "confirmed"][:_SHOWN]:
        told = one["problem"] or one["unmet"] or one["differences"]
        _say(f"{one['status']} {one['rule']} {one['file']}:{one['line']}: {told}")
    by_status = Counter(one["status"] for one in found[:-1])
    _say(f"{len(paths)} dumps, kernel {found[-1]['kernel']}, {seconds:.0f} s: {dict(by_status)}")
    return 1 if by_status["refuted"] + by_status["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
