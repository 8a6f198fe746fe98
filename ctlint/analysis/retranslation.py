# SPDX-License-Identifier: GPL-2.0-only
"""Where two ways of translating connections make other ends of them, whatever rules they are by."""

from __future__ import annotations

from typing import NamedTuple

from ctlint.analysis.coordinates import (
    CLIENT_ADDRESS,
    CLIENT_PORT,
    PATHS,
    SERVER_ADDRESS,
    SERVER_PORT,
    Coordinates,
)
from ctlint.analysis.rewriting import Rewritten, Translated
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule import Rule
from ctlint.ir.values import Range
from ctlint.model.netfilter.hooks import Path

Way = Translated | None
"""How connections are translated; None: not at all."""


class Apart(NamedTuple):
    """The connections of which two ways make other ends: for certain, and perhaps."""

    certain: PacketSet
    possible: PacketSet

    def __or__(self, other: Apart) -> Apart:
        return Apart(self.certain | other.certain, self.possible | other.possible)


def is_told(way: Way) -> bool:
    """Whether it is known which rule translates, and not only that one of many does."""
    return way is None or not way.alike


def said(rule: Rule) -> str:
    """What a rule asks and does, whatever its comment."""
    asked = tuple(match for match in rule.matches if match.name != "comment")
    return repr((asked, rule.target))


def rules_said(way: Way) -> frozenset[str]:
    """The same of all rules that are not told from those of a way."""
    if way is None:
        return frozenset()
    return frozenset(said(ref.rule) for ref in (*way.rules, *way.alike.values()))


def path_of(way: Way, coordinates: Coordinates) -> Path:
    """The path of the client's packets."""
    return PATHS[coordinates.role][0] if way is None else way.path


class Retranslation:
    """Compares ways that are told."""

    def __init__(self, coordinates: Coordinates) -> None:
        self._coordinates = coordinates
        space = coordinates.space
        self._nothing = Apart(space.nothing, space.nothing)
        self._everything = Apart(space.everything, space.everything)
        self._perhaps = Apart(space.nothing, space.everything)

    def leads_elsewhere(self, one: Way, other: Way) -> bool:
        """Whether two ways may give connections another server, and not another source alone."""
        if path_of(one, self._coordinates) is not path_of(other, self._coordinates):
            return True
        apart = self._ends(_server(one), _server(other), SERVER_ADDRESS, SERVER_PORT)
        return not apart.possible.is_empty()

    def apart(self, one: Way, other: Way) -> Apart:
        """Of all connections those of which these make other ends."""
        if path_of(one, self._coordinates) is not path_of(other, self._coordinates):
            return self._everything
        clients = self._ends(_client(one), _client(other), CLIENT_ADDRESS, CLIENT_PORT)
        servers = self._ends(_server(one), _server(other), SERVER_ADDRESS, SERVER_PORT)
        return clients | servers

    def _ends(
        self, one: Rewritten | None, other: Rewritten | None, address: str, port: str
    ) -> Apart:
        return self._addresses(one, other, address) | self._ports(one, other, port)

    def _addresses(self, one: Rewritten | None, other: Rewritten | None, part: str) -> Apart:
        space = self._coordinates.space
        if _address(one) == _address(other):
            return self._nothing
        if _stays(other):
            one, other = other, one
        assert other is not None
        if _stays(one):
            if other.is_of_host or other.addresses is None:
                # What is forwarded is of another host.
                return self._everything
            low, high = other.addresses
            if low == high:
                full = self._coordinates.family.full_mask
                those = space.everything - space.masked(part, low, full & ~other.kept)
                return Apart(those, those)
            return Apart(space.everything - space.between(part, low, high), space.everything)
        assert one is not None
        if one.addresses is None or other.addresses is None:
            # Which address an interface has is not known.
            return self._perhaps
        if one.kept or other.kept:
            same_net = (one.addresses.low ^ other.addresses.low) & ~one.kept == 0
            is_other = one.kept == other.kept and not same_net
            return self._everything if is_other else self._perhaps
        return self._perhaps if _meet(one.addresses, other.addresses) else self._everything

    def _ports(self, one: Rewritten | None, other: Rewritten | None, part: str) -> Apart:
        space = self._coordinates.space
        stays, goes = self._kept_ports(one, part), self._kept_ports(other, part)
        found = self._nothing
        for kept, rest, drawn in ((stays, goes, other), (goes, stays, one)):
            # One keeps the port, the other gives one of a range.
            those = kept - rest
            if drawn is not None and drawn.ports is not None:
                low, high = drawn.ports
                found = found | Apart(those - space.between(part, low, high), those)
        if one is None or other is None or one.ports is None or other.ports is None:
            return found
        neither = space.everything - stays - goes
        if not _meet(one.ports, other.ports):
            return found | Apart(neither, neither)
        is_same = one.ports == other.ports and (
            one.ports.low == one.ports.high or one.ref.rule.target == other.ref.rule.target
        )
        return found if is_same else found | Apart(space.nothing, neither)

    def _kept_ports(self, one: Rewritten | None, part: str) -> PacketSet:
        """The connections whose port stays."""
        space = self._coordinates.space
        if one is None or one.ports is None:
            return space.everything
        return space.between(part, *one.ports) if one.keeps_port else space.nothing


def _client(way: Way) -> Rewritten | None:
    return None if way is None else way.source


def _server(way: Way) -> Rewritten | None:
    return None if way is None else way.destination


def _stays(one: Rewritten | None) -> bool:
    return one is None or (one.addresses is None and not one.is_of_host)


def _address(one: Rewritten | None) -> object:
    """What is made of an address: two that are alike make the same of it."""
    if one is None or _stays(one):
        return None
    return one.addresses, one.kept, one.is_of_host


def _meet(one: Range, other: Range) -> bool:
    return one.low <= other.high and other.low <= one.high
