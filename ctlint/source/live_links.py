# SPDX-License-Identifier: GPL-2.0-only
"""Interfaces, addresses and routes of the network namespace of this thread, as ip(8) tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ctlint.source.errors import SourceError
from ctlint.source.programs import printed, program

_MOST: Final = 10_000
"""Interfaces or routes of one family."""


class Link(NamedTuple):
    """An interface and its addresses, each with its prefix length."""

    name: str
    is_up: bool
    addresses: tuple[str, ...]


class Route(NamedTuple):
    """A route of the main table: ``default`` or a network, and the interface; both as ip prints
    them. ``via`` is the next hop, empty on a link.
    """

    destination: str
    interface: str
    via: str


class Links(NamedTuple):
    """What is connected. ``missing`` says what could not be read, and why."""

    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    missing: tuple[str, ...] = ()


def live_links() -> Links:
    """What is connected here."""
    missing: list[str] = []
    links = tuple(filter(None, map(_link, _told("addresses", missing, "address"))))
    routes = [
        route
        for family in ("-4", "-6")
        for route in map(_route, _told("routes", missing, family, "route"))
        if route is not None
    ]
    return Links(links, tuple(routes), tuple(dict.fromkeys(missing)))


def _told(what: str, missing: list[str], *words: str) -> Iterator[dict[str, Any]]:
    """The objects that ip prints."""
    path = program("ip")
    if path is None:
        missing.append(f"{what}: needs the program ip")
        return
    try:
        said = printed([path, "-j", *words])
        # It prints nothing where there is nothing.
        found = json.loads(said.text) if said.text.strip() and not said.complaint else []
    except (SourceError, ValueError, RecursionError) as error:
        missing.append(f"{what}: {error}")
        return
    if said.complaint:
        missing.append(f"{what}: ip: {said.complaint}")
        return
    if isinstance(found, list):
        yield from (one for one in found[:_MOST] if isinstance(one, dict))


def _link(one: dict[str, Any]) -> Link | None:
    name, flags, found = one.get("ifname"), one.get("flags"), one.get("addr_info")
    if not isinstance(name, str):
        return None
    addresses = [
        f"{each['local']}/{each['prefixlen']}"
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, dict) and "local" in each and "prefixlen" in each
    ]
    return Link(name, isinstance(flags, list) and "UP" in flags, tuple(addresses))


def _route(one: dict[str, Any]) -> Route | None:
    destination, interface = one.get("dst"), one.get("dev")
    if not (isinstance(destination, str) and isinstance(interface, str)):
        return None
    via = one.get("gateway")
    return Route(destination, interface, via if isinstance(via, str) else "")
