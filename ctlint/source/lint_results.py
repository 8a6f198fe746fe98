# SPDX-License-Identifier: GPL-2.0-only
"""Witnesses from what ``ctlint lint --format json`` has printed: docs/json.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctlint.finding import Confidence, Witness
from ctlint.source.errors import SourceError

LINT_FORMAT: Final = 1
"""The version of the form that is read: that which `ctlint lint` writes."""

MAX_MARKS: Final = 2_000_000
"""Commas, brackets and braces of a result: each may cost 100 bytes of memory and more."""

_MARK: Final = re.compile(r"[,\[{]")
_NAMES: Final = ("rule", "confidence", "location", "witness")


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A finding with its witness. `rule` is its id, `file` and `line` are where its cause stands;
    `number` is that among the findings.
    """

    number: int
    rule: str
    confidence: Confidence
    file: str
    line: int
    witness: Witness


def lint_result(text: str, path: str) -> Mapping[str, Any] | None:
    """The result of a lint run that a text holds; None where it is something else.

    Raises SourceError for a result that cannot be used.
    """
    if '"findings"' not in text or not text.lstrip().startswith("{"):
        return None
    marks = sum(1 for _ in _MARK.finditer(text))
    if marks > MAX_MARKS:
        raise SourceError(f"{path}: more than {MAX_MARKS:,} values", "confirm it in parts")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # Several documents, or none: who reads scenarios says what is wrong.
        return None
    if not isinstance(found, dict) or not isinstance(found.get("findings"), list):
        return None
    if found.get("version") != LINT_FORMAT:
        raise SourceError(
            f"{path}: a lint result of version {_shown(found.get('version'))}, not {LINT_FORMAT}",
            "another ctlint has written it: lint again with this one",
        )
    return found


def witnesses(result: Mapping[str, Any], path: str) -> Iterator[Witnessed | None]:
    """The witnesses of the findings; None for each finding that has none, as those about a setting.

    Raises SourceError for a finding that is not as docs/json.md says.
    """
    for number, finding in enumerate(result["findings"], 1):

        def refuse(what: str, number: int = number) -> SourceError:
            return SourceError(f"{path}: finding {number}: {what}")

        if not isinstance(finding, dict):
            raise refuse("is no object")
        missing = [name for name in _NAMES if name not in finding]
        if missing:
            raise refuse(f'has no "{missing[0]}"')
        witness = finding["witness"]
        if witness is None:
            yield None
            continue
        where = finding["location"]
        if not (
            isinstance(where, dict)
            and isinstance(where.get("file"), str)
            and type(where.get("line")) is int
        ):
            raise refuse('"location" has no file and line')
        if not isinstance(finding["rule"], str):
            raise refuse('"rule" is no text')
        try:
            confidence = Confidence(finding["confidence"])
        except (ValueError, TypeError):
            raise refuse(f'"confidence" is {_shown(finding["confidence"])}') from None
        yield Witnessed(
            number,
            finding["rule"],
            confidence,
            where["file"],
            where["line"],
            _witness(witness, refuse),
        )


def _witness(given: object, refuse: Any) -> Witness:
    if not isinstance(given, dict) or not isinstance(given.get("scenario"), dict):
        raise refuse('its "witness" has no scenario')
    expect = given.get("expect")
    if not isinstance(expect, list) or not expect:
        raise refuse('its "witness" expects nothing')
    for one in expect:
        if not isinstance(one, dict) or type(one.get("packet")) is not int or one["packet"] < 0:
            raise refuse('its "witness" expects something of no packet')
    if len(expect) > _MOST_EXPECTED or min(one["packet"] for one in expect) > _MOST_EXPECTED:
        raise refuse(f'its "witness" expects something behind {_MOST_EXPECTED} packets')
    return Witness(given["scenario"], expect)


_MOST_EXPECTED: Final = 1000


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"
