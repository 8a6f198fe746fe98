# SPDX-License-Identifier: GPL-2.0-only
"""Matches: each condition of a rule as a predicate over a transit.

One module for each kind of match; a match without a row in any is undecided, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.ir.rule import AnyMatch, Match, UnknownMatch
from ctlint.model.netfilter.matches import addresses, head, sets, tracking, transport
from ctlint.model.netfilter.matches.predicate import Predicate, Row, Rows, constant, undecided
from ctlint.model.netfilter.transit import Facts

__all__ = ["Predicate", "predicates"]


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


def _extension_header(match: Match, facts: Facts) -> Iterator[Predicate]:
    # Packets here have no IPv6 extension headers, and conntrack puts fragments together first.
    del match, facts
    yield constant(False)


_OWN: Final[Rows] = {
    "comment": _comment,
    "dst": _extension_header,
    "frag": _extension_header,
    "hbh": _extension_header,
    "rt": _extension_header,
}

_ROWS: Final[dict[str, Row]] = {
    **_OWN,
    **addresses.ROWS,
    **head.ROWS,
    **sets.ROWS,
    **tracking.ROWS,
    **transport.ROWS,
}

_NOT_MODELLED: Final = "this match is not modelled"
_WHY_NOT: Final = {
    "limit": "depends on how many packets came before",
    "hashlimit": "depends on how many packets came before",
    "recent": "depends on which packets came before",
    "connlimit": "depends on how many connections are open",
    "connbytes": "depends on what the connection has carried",
    "quota": "depends on how much went through before",
    "statistic": "is drawn by lot or counted",
    "time": "depends on the time of day",
    "mac": "the sender's MAC address is not known",
    "owner": "the socket's owner is not known",
    "socket": "depends on the sockets of the host",
    "rpfilter": "depends on the routing table",
    "physdev": "depends on the bridge",
    "policy": "depends on IPsec policies",
    "ttl": "the packet's TTL is not known",
    "hl": "the packet's hop limit is not known",
    "length": "the packet's length is not known",
    "string": "depends on the payload",
    "u32": "depends on the packet's bytes",
    "bpf": "runs a program",
    "tcpmss": "the TCP options of the packet are not known",
}
