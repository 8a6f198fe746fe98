# SPDX-License-Identifier: GPL-2.0-only
"""``-m set``. Source: net/netfilter/xt_set.c, net/netfilter/ipset/."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ctlint.ir.rule import Match
from ctlint.model.netfilter.matches.predicate import Predicate, Rows, of_option, undecided
from ctlint.model.netfilter.transit import AddressSet, Facts, Field, Transit


def _set(match: Match, facts: Facts) -> Iterator[Predicate]:
    for option in match.options:
        if option.name != "match-set":
            yield undecided("the set's counters are not known")
            continue
        name, flags = option.value
        directions = flags if isinstance(flags, tuple) else (flags,)
        known = facts.sets.get(name)
        if known is None or len(directions) != 1:
            yield undecided(f"the members of the set {name!r} are not known")
        elif directions[0] == "src":
            yield of_option(option, partial(_is_source_in, known), Field.SADDR)
        else:
            yield of_option(option, partial(_is_destination_in, known), Field.DADDR)


def _is_source_in(known: AddressSet, transit: Transit) -> bool:
    return known.contains(transit.packet.saddr, transit.packet.family)


def _is_destination_in(known: AddressSet, transit: Transit) -> bool:
    return known.contains(transit.packet.daddr, transit.packet.family)


ROWS: Final[Rows] = {"set": _set}
