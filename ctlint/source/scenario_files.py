# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios from files: JSON, connection scripts with the files that they name, and the witnesses
in what ``ctlint lint --format json`` has printed.

A file is a script where its name ends in ``.ct``, JSON where it ends in ``.json`` or ``.jsonl``;
otherwise a script is what begins with a word of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from ctlint.analysis.replay import expectations
from ctlint.ir.span import Span
from ctlint.parse.connection_script import begins_as_script
from ctlint.parse.errors import ParseError, Problem
from ctlint.scenario.document import ScenarioSyntaxError
from ctlint.scenario.reader import (
    MAX_TEXT,
    ScenarioReader,
    read_scenarios,
    scenario_from_json,
)
from ctlint.scenario.rule_index import RuleIndex, index_rules
from ctlint.scenario.rulesets import rulesets_of
from ctlint.scenario.scenario import Scenario, ScenarioError
from ctlint.scenario.script import read_script, script_tests
from ctlint.scenario.script_settings import Reference
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, read_document
from ctlint.source.lint_results import Witnessed, lint_result, witnesses
from ctlint.source.script_contents import contents_of
from ctlint.wire.addresses import Family

SCRIPT_SUFFIX: Final = ".ct"
SOCKET_SUFFIX: Final = ".ctw"
"""Of socket scripts, which ctlint/source/socket_files.py reads."""

JSON_SUFFIXES: Final = (".json", ".jsonl")
_SUFFIXES: Final = (SCRIPT_SUFFIX, SOCKET_SUFFIX, *JSON_SUFFIXES)

_NAME_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Told:
    """A scenario, and where it is told: `line` counts from 1, `number` is that in its file.

    `places` are those of the steps of a script, without any in JSON. A witness is told where its
    finding stands.
    """

    scenario: Scenario
    file: str
    line: int
    number: int
    places: tuple[Span, ...] = ()

    @property
    def title(self) -> str:
        """What it is called where it has no name."""
        return f"{'test' if self.places else 'scenario'} {self.number}"

    def fault(self, error: ScenarioError) -> SourceError | ParseError:
        """What is wrong with it when it is played."""
        if self.places:
            index = error.packet
            place = self.places[index] if index is not None else Span(self.file, self.line)
            return ParseError((Problem(place, error.message),))
        return _fault(error, self.file, self.line, self.number, self.scenario.name)

    def rule_index(self) -> RuleIndex:
        """The rules of its family. Raises SourceError, or ParseError for a script.

        It must have some where it has rules of the other: nearly any expectation would be met.
        """
        family = self.scenario.topology.family
        try:
            found = rulesets_of(self.scenario)
        except ScenarioError as error:
            raise self.fault(error) from None
        if found and family not in found:
            said = 'IPv4, and has a "ruleset6" but no "ruleset"'
            if family is Family.IPV6:
                said = 'IPv6, and has a "ruleset" but no "ruleset6"'
            raise self.fault(ScenarioError(f"it is {said}"))
        return RuleIndex(found.values(), family)


def _fault(
    error: ScenarioError, file: str, line: int, number: int, name: str | None
) -> SourceError:
    where = f"{file}:{line}: scenario {number}"
    if name:
        name = name[:_NAME_SHOWN] + "…" * (len(name) > _NAME_SHOWN)
        where += f' "{name}"'
    return SourceError(f"{where}: {error}")


def scenario_files(path: str) -> tuple[str, ...]:
    """The file itself, or all scripts and scenarios of a folder and those inside it, sorted.

    Names that begin with a dot are left out, and links to folders are not followed. Raises
    SourceError where a folder holds none, or where it or one inside it cannot be read.
    """
    folder = Path(path)
    try:
        if path == STANDARD_INPUT or not folder.is_dir():
            return (path,)
        found = sorted(_below(folder))
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise SourceError(f"{path!r}: {error}") from error
    if not found:
        suffixes = ", ".join(_SUFFIXES)
        raise SourceError(f"{path}: no script and no scenario in this folder", f"names: {suffixes}")
    return tuple(map(str, found))


def _below(folder: Path) -> Iterator[Path]:
    """All that is named as a test, whether it can be read or not. Raises OSError for folders."""

    def refuse(error: OSError) -> NoReturn:
        raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = (each for each in folders if not each.startswith("."))
        for name in names:
            each = Path(parent, name)
            if not name.startswith(".") and each.suffix in _SUFFIXES:
                yield each


class ScenarioFile:
    """The scenarios of one file, each read when it is its turn.

    `script` is the text of a script, None for JSON. `named` are the paths of the files that it
    names, known with its first test.
    """

    def __init__(self, path: str, text: str | None = None) -> None:
        """`text` is what it holds, if it was read. Raises SourceError where it cannot be read."""
        self.path = path
        self.named: tuple[str, ...] = ()
        self._text = read_document(path, MAX_TEXT, "simulate") if text is None else text
        self.script = self._text if is_script(path, self._text) else None

    def __iter__(self) -> Iterator[Told]:
        """Raises SourceError, and ParseError for a script or the rules that it names."""
        return self._tests() if self.script is not None else self._scenarios()

    def _scenarios(self) -> Iterator[Told]:
        result = lint_result(self._text, self.path)
        if result is not None:
            del self._text
            for found in witnesses(result, self.path):
                if found is not None:
                    yield _of_witness(found)
            return
        reader = read_scenarios(self._text)
        del self._text
        try:
            for scenario in reader:
                yield Told(scenario, self.path, reader.line, reader.number)
                del scenario  # while the next is read, its memory is for that
        except ScenarioSyntaxError as error:
            where = f"{self.path}:{error.line}:{error.column}"
            raise SourceError(f"{where}: {error.message}", error.hint) from None
        except ScenarioError as error:
            raise self._unread(error, reader) from None

    def _unread(self, error: ScenarioError, reader: ScenarioReader) -> SourceError:
        if not reader.number:
            return SourceError(f"{self.path}: {error}")
        return _fault(error, self.path, reader.line, reader.number, error.name)

    def _tests(self) -> Iterator[Told]:
        script = read_script(self._text, self.path)
        contents, paths = contents_of(script.references, script.file)
        self.named = tuple(paths.values())

        def index(reference: Reference | None, family: Family) -> RuleIndex:
            if reference is None:
                return index_rules("", "", family)
            return index_rules(contents[reference], paths[reference], family)

        for number, test in enumerate(script_tests(script, contents, index), 1):
            yield Told(test.scenario, self.path, test.span.line, number, test.places)


def _of_witness(found: Witnessed) -> Told:
    """Raises SourceError."""
    document = {**found.witness.scenario, "expect": expectations(found.witness)}
    name = f"{found.rule}: {document.get('name') or 'witness'}"
    try:
        scenario = scenario_from_json({**document, "name": name})
    except ScenarioError as error:
        raise _fault(error, found.file, found.line, found.number, name) from None
    return Told(scenario, found.file, found.line, found.number)


def is_script(path: str, text: str) -> bool:
    """Whether a text of that file is a connection script, not JSON."""
    suffix = Path(path).suffix
    if suffix == SCRIPT_SUFFIX:
        return True
    return suffix not in JSON_SUFFIXES and begins_as_script(text)
