# SPDX-License-Identifier: GPL-2.0-only
"""Matches: each condition of a rule as a predicate over a transit.

One module for each kind of match; a match without a row in any is undecided, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.ir.rule import AnyMatch, Match, UnknownMatch
from ctlint.model.netfilter.matches import (
    addresses,
    bpf,
    connections,
    content,
    entries,
    head,
    header,
    link,
    lots,
    moment,
    protocols,
    rates,
    recent,
    routing,
    sets,
    sockets,
    tracking,
    transport,
)
from ctlint.model.netfilter.matches.predicate import Predicate, Row, Rows, constant, undecided
from ctlint.model.netfilter.transit import Facts

__all__ = ["Predicate", "constant", "predicates", "undecided"]


def predicates(match: AnyMatch, facts: Facts) -> tuple[Predicate, ...]:
    """The conditions of a match in the order in which the kernel asks them; all must hold."""
    if isinstance(match, UnknownMatch):
        return (undecided(f"ctlint does not know the match {match.name!r}"),)
    row = _ROWS.get(match.name)
    if row is None:
        return (undecided(_WHY_NOT.get(match.name, _NOT_MODELLED)),)
    return tuple(row(match, facts))


def _comment(match: Match, facts: Facts) -> Iterator[Predicate]:
    del match, facts
    return iter(())


_OWN: Final[Rows] = {"comment": _comment}

_ROWS: Final[dict[str, Row]] = {
    **_OWN,
    **addresses.ROWS,
    **bpf.ROWS,
    **connections.ROWS,
    **content.ROWS,
    **entries.ROWS,
    **head.ROWS,
    **header.ROWS,
    **link.ROWS,
    **lots.ROWS,
    **moment.ROWS,
    **protocols.ROWS,
    **rates.ROWS,
    **recent.ROWS,
    **routing.ROWS,
    **sets.ROWS,
    **sockets.ROWS,
    **tracking.ROWS,
    **transport.ROWS,
}

_NOT_MODELLED: Final = "this match is not modelled"
_WHY_NOT: Final = {
    "cpu": "which processor handles the packet is not known",
    "nfacct": "whether the accounting object has a quota is not known",
    "osf": "the fingerprints that the kernel has are not known",
    "rateest": "depends on the rate of the packets before",
}
