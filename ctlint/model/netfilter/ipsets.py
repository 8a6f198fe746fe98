# SPDX-License-Identifier: GPL-2.0-only
"""Which sets of ipset(8) can decide a match.

Source: net/netfilter/ipset of Linux 6.18 (ip_set_core.c, ip_set_hash_gen.h, ip_set_list_set.c).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ctlint.ir.ipset import Ipset
from ctlint.ir.rule import Match, Target
from ctlint.ir.ruleset import Ruleset
from ctlint.model.netfilter.transit import AddressSet
from ctlint.wire.addresses import Net
from ctlint.wire.networks import cover


def changed_sets(rulesets: Iterable[Ruleset]) -> frozenset[str]:
    """Names of the sets that rules add to or delete from (``-j SET``): a dump says nothing of what
    they hold when a packet comes.
    """
    return frozenset(
        option.value[0]
        for ruleset in rulesets
        for *_, rule in ruleset.rules()
        if isinstance(rule.target, Target) and rule.target.name == "SET"
        for option in rule.target.options
        if option.name in ("add-set", "del-set")
    )


def named_sets(ruleset: Ruleset) -> tuple[str, ...]:
    """Names of the sets that rules ask or change, in the order in which they name them."""
    found: dict[str, None] = {}
    for *_, rule in ruleset.rules():
        asked = (one for match in rule.matches if isinstance(match, Match) for one in match.options)
        done = rule.target.options if isinstance(rule.target, Target) else ()
        for option in (*asked, *done):
            if option.name in _NAMING:
                found[option.value[0]] = None
    return tuple(found)


_NAMING: Final = frozenset({"match-set", "add-set", "del-set", "map-set"})


def address_sets(sets: Mapping[str, Ipset], changed: Collection[str] = ()) -> dict[str, AddressSet]:
    """The sets of one address whose members are known; all others, and the ``changed``, are absent.

    A ``list:set`` holds what any of its members holds: an exception of one (``nomatch``) takes
    nothing from another. It is known where all its members are, and are of one family.
    """
    known = {
        ipset.name: AddressSet(ipset.members, ipset.exceptions)
        for ipset in sets.values()
        if ipset.unknown is None and ipset.type != "list:set" and ipset.name not in changed
    }
    lists: dict[str, AddressSet] = {}
    for ipset in sets.values():
        if ipset.type != "list:set" or ipset.unknown is not None or ipset.name in changed:
            continue
        parts = [known[name] for name in ipset.sets if name in known]
        families = {sets[name].family for name in ipset.sets if name in sets}
        if len(parts) == len(ipset.sets) and len(families) < 2:
            lists[ipset.name] = _union(parts)
    return known | lists


def _union(parts: list[AddressSet]) -> AddressSet:
    if not any(part.exceptions for part in parts):
        return AddressSet(tuple({net: None for part in parts for net in part.members}))
    nets: dict[Net, None] = {}
    for part in parts:
        if part.exceptions:
            nets |= dict.fromkeys(_without_exceptions(part))
        else:
            nets |= dict.fromkeys(part.members)
    return AddressSet(tuple(nets))


def _without_exceptions(part: AddressSet) -> list[Net]:
    """The same set as networks that need no exception. All its masks are prefixes (hash:net).

    One walk over the addresses: the innermost network that is open at a place decides there.
    """
    family = (part.members + part.exceptions)[0].family
    truths = dict.fromkeys(part.members, True) | dict.fromkeys(part.exceptions, False)
    found: list[Net] = []
    open_nets: list[tuple[int, bool]] = []
    place = 0

    def advance(end: int) -> None:
        """Close what ends before ``end`` and take what lies on the way."""
        nonlocal place
        while open_nets and open_nets[-1][0] <= end:
            last, truth = open_nets.pop()
            if truth:
                found.extend(cover(place, last - 1, family))
            place = max(place, last)
        if open_nets and open_nets[-1][1]:
            found.extend(cover(place, end - 1, family))
        place = max(place, end)

    for net in sorted(truths, key=lambda net: (net.address, net.mask)):
        advance(net.address)
        open_nets.append((net.address + (net.mask ^ family.full_mask) + 1, truths[net]))
    advance(1 << family.bits)
    return found
