# SPDX-License-Identifier: GPL-2.0-only
"""The files that scripts name: rule sets and ipsets, beside the script."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ctlint.parse.errors import ParseError, Problem
from ctlint.scenario.rulesets import ipsets_of, ruleset_of
from ctlint.scenario.scenario import ScenarioError
from ctlint.scenario.script_settings import Reference
from ctlint.source.dumps import require_dump
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT, read_text
from ctlint.wire.addresses import Family

_FAMILIES: Final = {"rules": Family.IPV4, "rules6": Family.IPV6}


def contents_of(
    references: Iterable[Reference], script: str
) -> tuple[dict[Reference, str], dict[Reference, str]]:
    """The texts of the files that a script names, and their paths, which are relative to it. Raises
    ParseError at the place of a name that leads nowhere.
    """
    contents: dict[Reference, str] = {}
    paths: dict[Reference, str] = {}
    folder = Path() if script == STANDARD_INPUT else Path(script).parent
    problems: list[Problem] = []
    for reference in references:
        if reference.path == STANDARD_INPUT:
            problems.append(Problem(reference.span, "a script's files have names"))
            continue
        path = str(folder / reference.path)
        try:
            text = read_text(path)
            if reference.kind in _FAMILIES:
                require_dump(text, path)
                ruleset_of(text, _FAMILIES[reference.kind])
            else:
                ipsets_of(text)
        except SourceError as error:
            problems.append(Problem(reference.span, error.message, error.hint))
        except ScenarioError as error:
            hint = "rules names a dump of IPv4, rules6 one of IPv6"
            problems.append(Problem(reference.span, f"{path} {error.message}", hint))
        except ParseError as error:
            raise error.of_file(path) from None
        else:
            contents[reference], paths[reference] = text, path
    if problems:
        raise ParseError(tuple(problems))
    return contents, paths
