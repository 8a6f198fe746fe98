# SPDX-License-Identifier: GPL-2.0-only
"""Values of JSON, each of the type that its place needs: anything else is a ScenarioError that
names the key, and what was meant.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeVar

from ctlint.scenario.document import Doubled
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.addresses import Family, parse_exact_address

_T = TypeVar("_T")

_SHOWN: Final = 60
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def read_object(
    value: object,
    keys: frozenset[str] | None,
    what: str,
    hints: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """An object that has none but these keys (None: any), each once. `hints` are said of some keys
    that it must not have.
    """
    if not isinstance(value, dict):
        raise ScenarioError(f"{what} must be an object, not {shown(value)}")
    if isinstance(value, Doubled):
        raise ScenarioError(f"{what} has the key {shown(value.key)} twice")
    if keys is None:
        if not all(isinstance(key, str) for key in value):
            raise ScenarioError(f"{what} has a key that is no text")
    elif not value.keys() <= keys:
        key = next(key for key in value if key not in keys)
        said = hints.get(key) or suggestion(key, keys)
        raise ScenarioError(f"{what} has an unknown key {shown(key)}{said}")
    return value


def require(given: Mapping[str, Any], key: str, what: str) -> Any:
    """The value of a key that must be there."""
    if key not in given:
        raise ScenarioError(f'{what} needs "{key}"')
    return given[key]


def suggestion(word: object, known: Iterable[str]) -> str:
    """What was meant by a word, else what is known, as the end of a message."""
    known = sorted(known)
    if isinstance(word, str) and len(word) <= _SHOWN:
        by_case = {each.lower(): each for each in known}
        close = difflib.get_close_matches(word.lower(), [*by_case], n=1, cutoff=0.6)
        if close:
            return f'; did you mean "{by_case[close[0]]}"?'
    return f"; known are {', '.join(known)}"


def read_choice(value: object, known: Mapping[str, _T], what: str) -> _T:
    """What one of these words stands for."""
    if isinstance(value, str) and value in known:
        return known[value]
    raise ScenarioError(f'"{what}" is {shown(value)}{suggestion(value, known)}')


def read_text(value: object, what: str) -> str:
    """A text that can be written as UTF-8."""
    if not isinstance(value, str):
        raise ScenarioError(f'"{what}" must be text, not {shown(value)}')
    # Half of a pair, as "\\ud800" alone: no character.
    if not value.isascii() and _SURROGATE.search(value):
        raise ScenarioError(f'"{what}" is no text: it has half of a surrogate pair')
    return value


def read_truth(value: object, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ScenarioError(f'"{what}" must be true or false, not {shown(value)}')
    return value


def read_whole(value: object, what: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    # bool is a subclass of int.
    if type(value) is int and low <= value <= high:
        return value
    raise ScenarioError(
        f'"{what[:_SHOWN]}" must be a whole number from {low} to {high}, not {shown(value)}'
    )


def read_address(value: object, what: str, family: Family) -> int:
    """An IP address of a family, in full."""
    try:
        text = read_text(value, what)
        if len(text) <= _SHOWN:
            return parse_exact_address(text, family)
    except ScenarioError:
        raise
    except ValueError:
        pass
    raise ScenarioError(f'"{what}" must be an IPv{family.value} address, not {shown(value)}')


def shown(value: object) -> str:
    """A value in a message, short whatever it is."""
    if isinstance(value, str):
        return json.dumps(value[:_SHOWN] + "…" * (len(value) > _SHOWN), ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_SHOWN else "a very large number"
    if isinstance(value, float | Decimal):
        return str(value)[:_SHOWN]
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else f"a {type(value).__name__}"
