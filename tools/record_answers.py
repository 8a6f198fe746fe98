# SPDX-License-Identifier: GPL-2.0-only
"""Plays scenarios on the kernel of this machine and records its answers for tests/answers.

    python tools/record_answers.py SCENARIOS.jsonl -o tests/answers/6.18.44/NAME.jsonl.xz

The input has one scenario a line (docs/scenario.md). A recording is an input too: its scenarios are
then played again. The folder of the output names the kernel that answers, so it must be the release
of this one (or its beginning: "6.12.107" for "6.12.107+deb13-amd64"). Needs root.
"""

from __future__ import annotations

import json
import lzma
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ctlint.lab.lab import open_lab, why_unavailable
from ctlint.scenario.answer import to_json
from ctlint.scenario.reader import scenario_from_json


def read_scenarios(source: Path) -> Iterator[dict[str, Any]]:
    """The scenarios of a file as JSON knows them, those of a recording without its answers."""
    opened = lzma.open if source.suffix == ".xz" else open
    with opened(source, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                read = json.loads(line)
                yield read.get("scenario", read)


def write_whole(target: Path, data: bytes) -> None:
    """Puts a file in its place in one step, so that nobody reads a half of it."""
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
        draft.write(data)
    try:
        Path(draft.name).chmod(0o644)
        Path(draft.name).replace(target)
    except BaseException:
        Path(draft.name).unlink()
        raise


@click.command(help=__doc__)
@click.argument("scenarios", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False, path_type=Path))
def main(scenarios: Path, output: Path) -> None:
    """Records the answers to all scenarios of a file."""
    release = os.uname().release
    folder = output.absolute().parent
    if not release.startswith(folder.name) or not folder.name[:1].isdigit():
        raise click.UsageError(f"this kernel is {release}, but the folder is named {folder.name!r}")
    reason = why_unavailable()
    if reason is not None:
        raise click.ClickException(f"no kernel can be asked: {reason}")
    lines = []
    with open_lab() as lab:
        for source in read_scenarios(scenarios):
            answer = to_json(lab.play(scenario_from_json(source)), internals=True)
            kept = {
                name: answer[name]
                for name in ("packets", "entries", "missing_sysctls")
                if name in answer
            }
            lines.append(json.dumps({"scenario": source, **kept}, separators=(",", ":")) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    preset = 9 | lzma.PRESET_EXTREME
    write_whole(output, lzma.compress("".join(lines).encode(), preset=preset))
    click.echo(f"{len(lines)} scenarios answered by {release}: {output}")


if __name__ == "__main__":
    main()
