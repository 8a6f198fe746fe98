# SPDX-License-Identifier: GPL-2.0-only
"""``-m set``. Source: net/netfilter/xt_set.c, net/netfilter/ipset/."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.ir.rule import Match
from ctlint.model.netfilter.jiffies import jiffies
from ctlint.model.netfilter.matches.predicate import UNKNOWN, Predicate, Rows
from ctlint.model.netfilter.set_lookup import Side, is_in_set, sides
from ctlint.model.netfilter.set_state import Comparison, Request
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import AddressSet, Facts, Field, Transit
from ctlint.wire.encoding import total_length

_COUNTERS: Final = "the set's counters and exceptions are not known"


def _set(match: Match, facts: Facts) -> Iterator[Predicate]:
    """Port of set_match_v4: one question, whatever the options."""
    option = match.get("match-set")
    assert option is not None
    name, words = option.value
    where, is_negated = sides(words), option.negated
    known = facts.sets.get(name) if len(where) == 1 else None
    packets, octets = (_comparison(match, unit) for unit in ("packets", "bytes"))
    compares = packets is not None or octets is not None
    counts = _is_updated(match, "update-counters")
    counts_below = _is_updated(match, "update-subcounters")
    inverts = match.get("return-nomatch") is not None

    def at_box(transit: Transit) -> Tern | None:
        """None where the box does not know the set."""
        box = transit.box
        if box is None or name not in box.memory.sets:
            return None
        request = Request(
            jiffies(box.now),
            total_length(transit.packet),
            counts=counts,
            counts_below=counts_below,
            inverts_exceptions=inverts,
            packets=packets,
            bytes_=octets,
        )
        truth = is_in_set(box.memory.sets, name, transit, where, request, facts.mac)
        return UNKNOWN if truth is None else Tern.of(truth is not is_negated)

    def run(transit: Transit) -> Tern:
        truth = at_box(transit)
        if truth is not None:
            return truth
        if known is None:
            return UNKNOWN
        is_member = _is_member(known, where[0], transit)
        if inverts:
            return UNKNOWN
        if is_member and compares:
            return UNKNOWN
        return Tern.of(is_member is not is_negated)

    why: str | None = None
    if known is None:
        why = f"the members of the set {name!r} are not known"
    elif compares or inverts:
        why = _COUNTERS
    reads = {Field.BOX}
    if known is not None:
        reads.add(Field.SADDR if where[0] is Side.SOURCE else Field.DADDR)
    remembers = compares or name in facts.counting_sets
    yield Predicate(run, frozenset(reads), None, why, remembers=remembers)


def _comparison(match: Match, unit: str) -> Comparison | None:
    """What a rule asks of the packets or bytes that an element has counted."""
    for relation in ("eq", "lt", "gt"):
        option = match.get(f"{unit}-{relation}")
        if option is not None:
            return Comparison("ne" if option.negated else relation, option.value)
    return None


def _is_updated(match: Match, name: str) -> bool:
    option = match.get(name)
    return option is None or not option.negated


def _is_member(known: AddressSet, side: Side, transit: Transit) -> bool:
    packet = transit.packet
    address = packet.saddr if side is Side.SOURCE else packet.daddr
    return known.contains(address, packet.family)


ROWS: Final[Rows] = {"set": _set}
