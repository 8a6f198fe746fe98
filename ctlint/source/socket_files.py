# SPDX-License-Identifier: GPL-2.0-only
"""Socket scripts from files, with the files that they name, and those of the incidents that ship
with ctlint.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctlint.resources import incidents_dir
from ctlint.scenario.reader import MAX_TEXT
from ctlint.scenario.rule_index import RuleIndex, index_rules
from ctlint.scenario.script_settings import Reference
from ctlint.scenario.socket_plan import Plan
from ctlint.scenario.socket_script import read_socket_script, socket_plans
from ctlint.source.errors import SourceError
from ctlint.source.files import read_document
from ctlint.source.scenario_files import (
    JSON_SUFFIXES,
    SCRIPT_SUFFIX,
    SOCKET_SUFFIX,
    ScenarioFile,
)
from ctlint.source.script_contents import contents_of
from ctlint.wire.addresses import Family

_LISTENS: Final = re.compile(r"^[ \t]*(?:[^#\n]*;[ \t]*)?server[ \t]+listen\b", re.MULTILINE)
_TITLE: Final = re.compile(r"^# (.+)$", re.MULTILINE)


def is_socket_script(path: str, text: str) -> bool:
    """Whether a text of that file is a socket script: by its name, else a server listens in it."""
    suffix = Path(path).suffix
    if suffix in (SOCKET_SUFFIX, SCRIPT_SUFFIX, *JSON_SUFFIXES):
        return suffix == SOCKET_SUFFIX
    return _LISTENS.search(text) is not None


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The tests of one file. `text` is what it holds, `name` what it is called in results."""

    path: str
    text: str
    name: str

    @property
    def title(self) -> str:
        """What it is about: the comment in its first lines, else its name."""
        return _title(self.text) or Path(self.path).name

    @property
    def lines(self) -> tuple[str, ...]:
        """Its lines."""
        return tuple(self.text.split("\n"))

    def plans(self) -> tuple[tuple[Plan, ...], tuple[str, ...]]:
        """Its tests, and the paths of the files that it names. Raises ParseError."""
        script = read_socket_script(self.text, self.path)
        contents, paths = contents_of(script.references, script.file)

        def index(reference: Reference | None, family: Family) -> RuleIndex:
            if reference is None:
                return index_rules("", "", family)
            return index_rules(contents[reference], paths[reference], family)

        return socket_plans(script, contents, index), tuple(paths.values())


def open_script(path: str) -> SocketFile | ScenarioFile:
    """What a file holds: a socket script, else a connection script or scenarios as JSON. Raises
    SourceError.
    """
    text = read_document(path, MAX_TEXT, "simulate")
    if is_socket_script(path, text):
        return SocketFile(path, text, path)
    return ScenarioFile(path, text)


def _title(text: str) -> str:
    return next((title for title in _TITLE.findall(text) if "SPDX" not in title), "")


@dataclass(frozen=True, slots=True)
class Incident:
    """A script that ships with ctlint. `title` is the comment in its first line."""

    name: str
    path: Path
    title: str

    def open(self) -> SocketFile:
        """The script itself, which is called by the name of the incident."""
        return SocketFile(str(self.path), self.path.read_text(encoding="utf-8"), self.path.name)


def incidents() -> Iterator[Incident]:
    """All of them, by name."""
    for path in sorted(incidents_dir().glob(f"*{SOCKET_SUFFIX}"), key=lambda path: path.stem):
        yield Incident(path.stem, path, _title(path.read_text(encoding="utf-8")))


def incident(name: str) -> Incident:
    """One of them. Raises SourceError, with what may have been meant."""
    known = {each.name: each for each in incidents()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    raise SourceError(f"there is no incident {name[:40]!r}", hint)
