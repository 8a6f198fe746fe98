# SPDX-License-Identifier: GPL-2.0-only
"""Baselines from files: docs/baseline.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from ctlint.finding import Identity, Severity
from ctlint.lint.baseline import Baseline, Known, gathered
from ctlint.source.errors import SourceError
from ctlint.source.files import read_document

BASELINE_FORMAT: Final = 1
"""The version of the form that is read: that which `ctlint lint` writes."""

MAX_BASELINE: Final = 64 << 20
"""Bytes."""

MAX_MARKS: Final = 4_000_000
"""Commas, brackets and braces: each may cost 100 bytes of memory and more."""

MAX_COUNT: Final = 1_000_000_000

_KEYS: Final = (*Identity._fields, "severity", "count")
_SEVERITIES: Final = tuple(severity.value for severity in Severity)
_MARK: Final = re.compile(r"[,\[{]")
_WRITE_ONE: Final = "`ctlint lint --write-baseline FILE` writes one"
_WRITE_AGAIN: Final = "another ctlint has written it: write it again with this one"


def read_baseline(path: str) -> Baseline:
    """The baseline in a file. Raises SourceError for one that cannot be read, is none, or has
    another version.
    """
    name = "./-" if path == "-" else path
    text = read_document(name, MAX_BASELINE, "lint --baseline")
    if sum(1 for _ in _MARK.finditer(text)) > MAX_MARKS:
        raise SourceError(f"{path}: more than {MAX_MARKS:,} values", _WRITE_ONE)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno}:{error.colno}"
        raise SourceError(f"{place}: a baseline is JSON, and this is not", _WRITE_ONE) from None
    except (ValueError, RecursionError):
        raise SourceError(f"{path}: a baseline is JSON, and this is not", _WRITE_ONE) from None
    return gathered(_entries(_checked(document, path), path))


def _checked(document: Any, path: str) -> list[Any]:
    """The entries of a baseline of ours."""
    if not isinstance(document, dict) or document.get("tool") != "ctlint":
        raise SourceError(f"{path}: no baseline of ctlint", _WRITE_ONE)
    version = document.get("version")
    if type(version) is not int or version != BASELINE_FORMAT:
        shown = repr(version)[:40]
        raise SourceError(
            f"{path}: a baseline of version {shown}, not {BASELINE_FORMAT}", _WRITE_AGAIN
        )
    entries = document.get("findings")
    if not isinstance(entries, list):
        raise SourceError(f'{path}: a baseline has a list "findings"', _WRITE_AGAIN)
    return entries


def _entries(entries: list[Any], path: str) -> Iterator[tuple[Identity, Known]]:
    for number, entry in enumerate(entries, 1):

        def refuse(what: str, number: int = number) -> SourceError:
            return SourceError(f"{path}: finding {number}: {what}", _WRITE_AGAIN)

        if not isinstance(entry, dict) or set(entry) != set(_KEYS):
            raise refuse(f"an entry has {', '.join(_KEYS)}")
        count = entry["count"]
        if type(count) is not int or not 1 <= count <= MAX_COUNT:
            raise refuse('"count" is no number')
        words = [entry[key] for key in _KEYS if key != "count"]
        if not all(isinstance(word, str) for word in words):
            raise refuse("a value is no text")
        *parts, severity = words
        if severity not in _SEVERITIES:
            raise refuse('"severity" is none')
        identity = Identity(*parts)
        family = identity.family.upper()
        yield identity._replace(family=family), Known(count, Severity(severity))
