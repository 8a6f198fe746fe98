# SPDX-License-Identifier: GPL-2.0-only
"""Reads the routes that ``ip -j -4 route`` and ``ip -j -6 route`` print, and ``ip -j rule``.

They are JSON. Routes of other types than unicast lead to no interface.
"""

from __future__ import annotations

import json
from typing import Any, Final

from ctlint.ir.evidence import Route
from ctlint.ir.span import Span
from ctlint.parse.errors import ParseError, Problem
from ctlint.wire.addresses import Family, Net, parse_net

MAX_ROUTES: Final = 100_000
"""Of one text; a host with more has no route that a person would follow."""

_USUAL: Final = frozenset({"local", "main", "default"})


def parse_routes(text: str, file: str, family: Family) -> tuple[Route, ...]:
    """The routes of the main table. Raises ParseError for what is no JSON of ip."""
    found: list[Route] = []
    for one in _objects(text, file):
        target, interface = one.get("dst"), one.get("dev")
        if one.get("type", "unicast") != "unicast" or not isinstance(target, str):
            continue
        try:
            net = Net(family, 0, 0) if target == "default" else parse_net(target, family)
        except ValueError:
            raise _error(file, 1, 1, f"not a network: {target[:60]!r}") from None
        # A route by several ways has no interface of its own.
        found.append(Route(net, interface if isinstance(interface, str) else None))
    return tuple(found)


def has_usual_rules(text: str, file: str) -> bool:
    """Whether only the tables that are always there decide: there is no policy routing. Raises
    ParseError.
    """
    return all(
        one.get("src", "all") == "all" and one.get("table") in _USUAL
        for one in _objects(text, file)
    )


def _objects(text: str, file: str) -> list[dict[str, Any]]:
    if not text.strip():
        return []
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise _error(file, error.lineno, error.colno, error.msg) from None
    except (RecursionError, ValueError):
        raise _error(file, 1, 1, "this is nested too deeply, or has too long a number") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _error(file, 1, 1, "expected a list of objects")
    if len(found) > MAX_ROUTES:
        raise _error(file, 1, 1, f"more than {MAX_ROUTES:,} objects")
    return found


def _error(file: str, line: int, column: int, message: str) -> ParseError:
    hint = "this reads what `ip -j` prints"
    return ParseError((Problem(Span(file, line, column, column), message, hint),))
