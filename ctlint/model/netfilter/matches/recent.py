# SPDX-License-Identifier: GPL-2.0-only
"""``-m recent``. Source: net/netfilter/xt_recent.c, Linux 6.18."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.ir.rule import Match
from ctlint.model.netfilter.jiffies import HZ, jiffies
from ctlint.model.netfilter.matches.predicate import UNKNOWN, Predicate, Rows
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.addresses import Family, Hostname

MOST_ADDRESSES: Final = 100
"""How many addresses a list holds (the module's parameter ip_list_tot)."""

_FEW_STAMPS: Final = 32
"""How many times of an address are remembered for a rule that asks for no hits."""

_DEFAULT_NAME: Final = "DEFAULT"

_WHY: Final = "depends on which packets came before"


class _Seen:
    """An address of a list: its last TTL, and when it was seen. ``index`` is where the next stamp
    goes, less the turn at the end of ``stamps``.
    """

    __slots__ = ("index", "stamps", "ttl")

    def __init__(self, ttl: int, tick: int) -> None:
        self.ttl = ttl
        self.stamps = [tick]
        self.index = 1


class RecentList:
    """A list, which all rules share that name it; the first of them gives it its mask.

    ``seen`` is in the order in which the addresses were seen last. What the list holds is not known
    where its mask is a name.
    """

    def __init__(self, mask: int | Hostname | None) -> None:
        self.mask = mask
        self.most_stamps = 0
        self.seen: dict[tuple[Family, int], _Seen] = {}

    def make_room(self, hits: int) -> None:
        """Of recent_mt_check: for a rule that asks for so many hits. When rules are loaded, lists
        are empty.
        """
        most = 1 << (hits - 1).bit_length() if hits else _FEW_STAMPS
        self.most_stamps = max(self.most_stamps, most)

    def enter(self, key: tuple[Family, int], ttl: int, tick: int) -> None:
        """Port of recent_entry_init: the address that was not seen for longest gives way."""
        if len(self.seen) >= MOST_ADDRESSES:
            del self.seen[next(iter(self.seen))]
        self.seen[key] = _Seen(ttl, tick)

    def renew(self, key: tuple[Family, int], ttl: int, tick: int) -> None:
        """Port of recent_entry_update."""
        entry = self.seen[key] = self.seen.pop(key)
        entry.index %= self.most_stamps
        if entry.index < len(entry.stamps):
            entry.stamps[entry.index] = tick
        else:
            entry.stamps.append(tick)
        entry.index += 1
        entry.ttl = ttl

    def reap(self, since: int, spared: tuple[Family, int] | None) -> None:
        """Port of recent_entry_reap: forget the oldest address, where it was not seen since."""
        key, entry = next(iter(self.seen.items()))
        if key != spared and since > entry.stamps[entry.index - 1]:
            del self.seen[key]


def _mask_of(match: Match) -> int | Hostname | None:
    """The mask of a rule, None where it has none."""
    option = match.get("mask")
    if option is None:
        return None
    return option.value if isinstance(option.value, Hostname) else option.value.address


def recent_list(memory: Memory, match: Match) -> RecentList:
    """The list of a rule, with room for what the rule asks."""
    option = match.get("name")
    name = _DEFAULT_NAME if option is None else option.value
    found = memory.kept("recent", name, lambda: RecentList(_mask_of(match)))
    hits = match.get("hitcount")
    found.make_room(0 if hits is None else hits.value)
    return found


def _recent(match: Match, _: Facts) -> Iterator[Predicate]:
    """Port of recent_mt."""
    action = next(option for name in _ACTIONS if (option := match.get(name)) is not None)
    is_destination = match.get("rdest") is not None
    seconds, hits = (
        0 if (found := match.get(name)) is None else found.value for name in ("seconds", "hitcount")
    )
    reaps, compares_ttl = (match.get(name) is not None for name in ("reap", "rttl"))
    name, is_negated = action.name, action.negated

    def run(transit: Transit) -> Tern:
        box = transit.box
        if box is None:
            # Whatever the list holds, "set" always matches (iptables-extensions(8), recent).
            return Tern.of(not is_negated) if name == "set" else UNKNOWN
        table = recent_list(box.memory, match)
        if isinstance(table.mask, Hostname):
            return UNKNOWN
        packet, tick = transit.packet, jiffies(box.now)
        address = packet.daddr if is_destination else packet.saddr
        key = (packet.family, address if table.mask is None else address & table.mask)
        ttl = packet.ttl
        if transit.out_interface and not (transit.is_own or transit.is_kernels):
            # As it was before the packet was forwarded.
            ttl = ttl + 1 & 0xFF
        entry = table.seen.get(key)
        if entry is not None and compares_ttl and ttl and entry.ttl and entry.ttl != ttl:
            entry = None
        if name == "set":
            if entry is None:
                table.enter(key, ttl, tick)
            else:
                table.renew(key, ttl, tick)
            return Tern.of(not is_negated)
        if entry is None:
            return Tern.of(is_negated)
        if name == "remove":
            del table.seen[key]
            return Tern.of(not is_negated)
        since = tick - seconds * HZ
        hit = sum(not seconds or since <= stamp for stamp in entry.stamps)
        truth = (hit >= max(hits, 1)) is not is_negated
        renews = name == "update" and truth
        if reaps:
            table.reap(since, key if renews else None)
        if renews:
            table.renew(key, ttl, tick)
        return Tern.of(truth)

    mask = _mask_of(match)
    why = _WHY
    if isinstance(mask, Hostname):
        why += f" and on {mask}: the name is resolved when the rules are loaded"
    reads = {Field.BOX}
    if name != "set":
        reads |= {Field.HEADER, Field.DADDR if is_destination else Field.SADDR}
    yield Predicate(run, frozenset(reads), None, why, remembers=True)


_ACTIONS: Final = ("set", "rcheck", "update", "remove")

ROWS: Final[Rows] = {"recent": _recent}
