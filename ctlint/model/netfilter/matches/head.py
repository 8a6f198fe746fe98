# SPDX-License-Identifier: GPL-2.0-only
"""The head of a rule: ``-p -s -d -i -o -f``. Source: net/ipv4/netfilter/ip_tables.c."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache, partial
from typing import Final

from ctlint.ir.rule import Match, Option
from ctlint.ir.ruleset import Ruleset
from ctlint.model.netfilter.matches.predicate import (
    Predicate,
    Rows,
    constant,
    of_option,
    undecided,
)
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.addresses import Hostname, Net

_ADDRESS_UNKNOWN: Final = "the name is resolved when the rules are loaded"


def _address(option: Option, field: Field) -> Predicate:
    value = option.value
    if isinstance(value, Hostname):
        return undecided(f"{value}: {_ADDRESS_UNKNOWN}", frozenset({field}))
    assert isinstance(value, Net)
    family, address, mask = value
    exact = (field, address) if mask == family.full_mask else None
    if option.name == "source":
        return of_option(option, lambda t: t.packet.saddr & mask == address, field, exact=exact)
    return of_option(option, lambda t: t.packet.daddr & mask == address, field, exact=exact)


@lru_cache(maxsize=4096)
def _interface(option: Option, field: Field) -> Predicate:
    pattern: str = option.value
    attribute = "in_interface" if field is Field.IN_INTERFACE else "out_interface"
    why = "the interface of the packet is not known"
    if pattern.endswith("+"):
        prefix = pattern[:-1]

        def starts(transit: Transit) -> bool | None:
            name = getattr(transit, attribute)
            return None if name is None and prefix else str(name or "").startswith(prefix)

        return of_option(option, starts, field, why=why)

    def equals(transit: Transit) -> bool | None:
        name = getattr(transit, attribute)
        if name is None:
            return False if pattern == "lo" else None
        return bool(name == pattern)

    return of_option(option, equals, field, exact=(field, pattern), why=why)


def _ip(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        if option.name in _ADDRESSES:
            yield _address(option, _ADDRESSES[option.name])
        elif option.name in _INTERFACES:
            yield _interface(option, _INTERFACES[option.name])
        elif option.name == "protocol":
            yield _protocol(option)
        else:
            # Conntrack needs whole packets: defragmentation comes before every rule.
            yield constant(option.negated)


@cache
def _protocol(option: Option) -> Predicate:
    """One predicate for all rules: a question then decides it once."""
    return of_option(option, partial(_is_protocol, option.value), Field.PROTOCOL)


def _is_protocol(number: int, transit: Transit) -> bool:
    return number in (0, transit.packet.protocol)


def interfaces_of(ruleset: Ruleset) -> tuple[str, ...]:
    """The interfaces, or patterns of their names, that rules ask for; each once, as they come."""
    tables = ruleset.tables.values()
    found = dict.fromkeys(name for table in tables for name in table.parts.interfaces)
    return tuple(name for name in found if name != "+")


_ADDRESSES: Final = {"source": Field.SADDR, "destination": Field.DADDR}
_INTERFACES: Final = {
    "in-interface": Field.IN_INTERFACE,
    "out-interface": Field.OUT_INTERFACE,
}
ROWS: Final[Rows] = {"ip": _ip}
