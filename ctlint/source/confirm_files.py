# SPDX-License-Identifier: GPL-2.0-only
"""What a file holds that ``ctlint confirm`` is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ctlint.scenario.reader import MAX_TEXT
from ctlint.source.dumps import first_line, is_dump
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, read_document
from ctlint.source.lint_results import lint_result
from ctlint.source.scenario_files import JSON_SUFFIXES, SOCKET_SUFFIX, is_script

_OPENS_JSON: Final = re.compile(r"\s*[{\[]")


@dataclass(frozen=True, slots=True)
class LintResultFile:
    """What `ctlint lint --format json` has printed."""

    path: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScenarioText:
    """Scenarios as JSON, or a connection script."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Rules:
    """A dump of rules, or the folder of a host, of which there is no `text`."""

    path: str
    texts: Mapping[str, str] = field(default_factory=dict)


def confirm_file(path: str) -> LintResultFile | ScenarioText | Rules:
    """What a path is: a folder is a host's; JSON with findings is a lint result, other JSON holds
    scenarios; a file whose first line opens a table is a dump. Raises SourceError for all else.
    """
    try:
        if path != STANDARD_INPUT and Path(path).is_dir():
            return Rules(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path!r}: {error}") from error
    if Path(path).suffix == SOCKET_SUFFIX:
        hint = "ctlint simulate plays it"
        raise SourceError(f"{path}: a socket script, which is not played on the live kernel", hint)
    text = read_document(path, MAX_TEXT, "confirm")
    result = lint_result(text, path)
    if result is not None:
        return LintResultFile(path, result)
    if is_dump(text):
        return Rules(path, {path: text})
    is_json = Path(path).suffix in JSON_SUFFIXES or _OPENS_JSON.match(text)
    if is_json or is_script(path, text):
        return ScenarioText(path, text)
    if not text.strip():
        raise SourceError(f"{path}: empty")
    start = first_line(text)[:60]
    raise SourceError(
        f"{path}: this is neither rules nor witnesses nor a scenario: it begins with {start!r}",
        "give what iptables-save or `ctlint lint --format json` prints, a scenario "
        "(docs/scenario.md) or a connection script (docs/scripts.md)",
    )
