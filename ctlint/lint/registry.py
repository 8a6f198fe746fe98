# SPDX-License-Identifier: GPL-2.0-only
"""Finds the rules: every file of a folder, by its place. No list to keep."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

from ctlint.lint.rule_api import (
    HEADINGS,
    MARK_ATTRIBUTE,
    RuleDefinitionError,
    RuleInfo,
    RuleMark,
)
from ctlint.resources import rules_dir

_PACKAGE: Final = "ctlint_rules"
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@cache
def shipped_rules() -> tuple[RuleInfo, ...]:
    """The rules that come with ctlint, by id. Raises RuleDefinitionError."""
    return load_rules(sorted(rules_dir().glob("ct*.py")))


def load_rules(paths: Iterable[Path]) -> tuple[RuleInfo, ...]:
    """The rules in these files, by id. Raises RuleDefinitionError."""
    found: dict[str, RuleInfo] = {}
    for path in paths:
        info = load_rule(path)
        if info.id in found or any(info.name == other.name for other in found.values()):
            raise RuleDefinitionError(f"{path.name}: {info.id} {info.name} is taken")
        found[info.id] = info
    return tuple(found[key] for key in sorted(found))


def load_rule(path: Path) -> RuleInfo:
    """The one rule in a file. Raises RuleDefinitionError."""
    module = _import(path)
    checks = [
        value
        for value in vars(module).values()
        if inspect.isfunction(value) and hasattr(value, MARK_ATTRIBUTE)
    ]
    if len(checks) != 1:
        raise RuleDefinitionError(f"{path.name}: {len(checks)} functions are marked with @rule")
    mark: RuleMark = getattr(checks[0], MARK_ATTRIBUTE)
    expected = f"{mark.id.lower()}_{mark.name.replace('-', '_')}"
    if path.stem != expected:
        raise RuleDefinitionError(f"{path.name}: the file of {mark.id} is {expected}.py")
    sections = page_sections(inspect.getdoc(module) or "", path.name)
    summary = re.split(r"(?<=\.)\s", sections[HEADINGS[0]].strip(), maxsplit=1)[0]
    return RuleInfo(
        mark.id,
        mark.name,
        mark.severity,
        mark.persona,
        mark.since,
        " ".join(summary.split()),
        MappingProxyType(sections),
        None if mark.of_run else checks[0],
        checks[0] if mark.of_run else None,
    )


def page_sections(page: str, where: str) -> dict[str, str]:
    """The sections of a page by heading. Raises RuleDefinitionError on other headings."""
    parts = _HEADING.split(page)
    headings = tuple(parts[1::2])
    if parts[0].strip() or headings != HEADINGS:
        raise RuleDefinitionError(
            f"{where}: the headings are {', '.join(headings)}; they must be {', '.join(HEADINGS)}"
        )
    return {heading: body.strip("\n") for heading, body in zip(headings, parts[2::2], strict=True)}


def _import(path: Path) -> ModuleType:
    name = f"{_PACKAGE}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RuleDefinitionError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
