# SPDX-License-Identifier: GPL-2.0-only
"""Plays scenarios on the kernel of this machine and records its answers for tests/answers.

    python -m tools.record_answers SCENARIOS.json -o tests/answers/6.18.44/NAME.jsonl.xz
    python -m tools.record_answers --random-rules 1 -o tests/answers/6.18.44/random_rules.jsonl.xz

The input is a document of scenarios (docs/scenario.md). A recording is an input too: its scenarios
are then played again. With --random-rules the scenarios are random ones with rule sets, of that
seed (tests/conformance/random_rule_scenarios.py); what this kernel cannot load or play is left out.
The folder of the output names the kernel that answers: the full version number of its release
("6.12.107" of "6.12.107+deb13-amd64"), and what follows as far as that tells kernels apart
("6.0.0-1016-ubuntu"). Needs root.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from ctlint.lab.errors import CannotLoadError, LabError, LabUnavailable
from ctlint.lab.lab import Lab, open_lab
from ctlint.scenario.answer import to_json
from ctlint.scenario.document import ScenarioSyntaxError
from ctlint.scenario.reader import MAX_TEXT, read_scenarios
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.scenario.writer import scenario_to_json

_VERSION = re.compile(r"\d+(?:\.\d+)*", re.ASCII)


class CannotRecordError(click.ClickException):
    """What is wrong, in one line."""

    exit_code = 2


class Found(NamedTuple):
    """A scenario and where it begins: `file:line`."""

    where: str
    scenario: Scenario


def is_folder_of(folder: str, release: str) -> bool:
    """Whether a folder may hold what a kernel of that release answered."""
    version = _VERSION.match(release)
    if version is None or not folder.startswith(version[0]) or not release.startswith(folder):
        return False
    # The folder ends where a part of the release does.
    return not release[len(folder) : len(folder) + 1].isalnum() or folder == version[0]


def read_input(source: Path) -> Iterator[Found]:
    """The scenarios of a document or of a recording. Raises CannotRecordError."""
    text = _read_text(source)
    if _is_recording(text):
        for number, each in enumerate(text.split("\n"), 1):
            if each.strip():
                yield from _recorded(each, f"{source}:{number}")
        return
    scenarios = read_scenarios(text)
    try:
        for scenario in scenarios:
            yield Found(f"{source}:{scenarios.line}", scenario)
    except ScenarioSyntaxError as error:
        raise CannotRecordError(f"{source}:{error.line}: {error.message}") from None
    except ScenarioError as error:
        raise CannotRecordError(f"{source}:{scenarios.line}: {error}") from None


def _read_text(source: Path) -> str:
    try:
        with lzma.open(source) if source.suffix == ".xz" else source.open("rb") as file:
            # As many bytes as a document may have characters: ours have ASCII nearly alone.
            data = file.read(MAX_TEXT + 1)
        if len(data) > MAX_TEXT:
            raise CannotRecordError(f"{source}: longer than {MAX_TEXT >> 20} MiB")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise CannotRecordError(f"{source}: {error.strerror or error}") from None
    except (lzma.LZMAError, EOFError) as error:
        raise CannotRecordError(f"{source}: not a whole xz file: {error}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise CannotRecordError(f"{source}:{line}: not UTF-8") from None


def _is_recording(text: str) -> bool:
    """Whether the first line is a scenario with its answers."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "scenario" in value


def _recorded(line: str, where: str) -> Iterator[Found]:
    """The scenario of one line of a recording."""
    try:
        # Only the scenario is read as one: what is strict about it stays so.
        value = json.loads(line, object_pairs_hook=_once, parse_constant=_refuse)
        if not isinstance(value, dict) or "scenario" not in value:
            raise ScenarioError('a line of a recording has a "scenario"')
        for scenario in read_scenarios(json.dumps(value["scenario"])):
            yield Found(where, scenario)
    except json.JSONDecodeError as error:
        raise CannotRecordError(f"{where}: not JSON: {error.msg}") from None
    except ScenarioSyntaxError as error:
        raise CannotRecordError(f"{where}: {error.message}") from None
    except (ValueError, RecursionError) as error:
        raise CannotRecordError(f"{where}: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ScenarioError("a key stands there twice")
    return found


def _refuse(word: str) -> Any:
    raise ScenarioError(f"{word} is not a number that JSON has")


def record(scenarios: Iterable[Found], count: int | None = None) -> Iterator[str]:
    """The lines of a recording. Raises CannotRecordError.

    With `count`, so many of scenarios that may not all be playable: the first that are.
    """
    written = 0
    try:
        with open_lab() as lab:
            for where, scenario in scenarios:
                if written == count:
                    break
                try:
                    yield _line(lab, scenario)
                except (ScenarioError, CannotLoadError) as error:
                    if count is None:
                        raise CannotRecordError(f"{where}: {error}") from None
                except LabError as error:
                    raise CannotRecordError(f"{where}: {error}") from None
                else:
                    written += 1
    except LabUnavailable as error:
        raise CannotRecordError(f"no kernel can be asked: {error}") from None
    except LabError as error:
        raise CannotRecordError(f"the lab cannot be closed: {error}") from None


def _line(lab: Lab, scenario: Scenario) -> str:
    answer = to_json(lab.play(scenario), internals=True)
    kept: dict[str, Any] = {
        name: answer[name] for name in ("packets", "entries", "missing_sysctls") if name in answer
    }
    line: dict[str, Any] = {"scenario": scenario_to_json(scenario), **kept}
    return json.dumps(line, separators=(",", ":")) + "\n"


def random_rules(seed: int) -> Iterator[Found]:
    """Random scenarios with rule sets, without end."""
    # The tests are beside this folder, where they are at all.
    from tests.conformance.random_rule_scenarios import generate_steady

    for scenario in generate_steady(seed):
        yield Found(f"scenario {scenario.name}", scenario)


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
@click.argument("scenarios", required=False, type=click.Path(path_type=Path))
@click.option("--random-rules", "seed", type=int, help="play random scenarios of this seed")
@click.option("--count", type=click.IntRange(1), default=800, show_default=True)
@click.option("-o", "output", required=True, type=click.Path(path_type=Path))
def main(scenarios: Path | None, seed: int | None, count: int, output: Path) -> None:
    """Records the answers to all scenarios of a file, or to random ones."""
    if (scenarios is None) == (seed is None):
        raise click.UsageError("either SCENARIOS or --random-rules")
    release = os.uname().release
    folder = output.absolute().parent
    if not is_folder_of(folder.name, release):
        raise CannotRecordError(
            f"{output}: this kernel is {release}, but the folder is named {folder.name!r}"
        )
    if seed is not None:
        lines = list(record(random_rules(seed), count))
    else:
        assert scenarios is not None
        lines = list(record(list(read_input(scenarios))))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        preset = 9 | lzma.PRESET_EXTREME
        write_whole(output, lzma.compress("".join(lines).encode(), preset=preset))
    except OSError as error:
        raise CannotRecordError(f"{output}: {error.strerror}") from None
    click.echo(f"{len(lines)} scenarios answered by {release}: {output}")


if __name__ == "__main__":
    main()
