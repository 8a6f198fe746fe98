# SPDX-License-Identifier: GPL-2.0-only
"""``-m statistic``, ``-m quota``. Source: net/netfilter/xt_statistic.c, xt_quota.c, Linux 6.18;
where the counter of ``statistic`` starts: libxt_statistic of iptables 1.8.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.ir.rule import Match
from ctlint.model.netfilter.matches.predicate import UNKNOWN, Predicate, Rows
from ctlint.model.netfilter.matches.remembered import of_rule
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.encoding import total_length

_BOX: Final = frozenset({Field.BOX})
_HIGHEST_LOT: Final = 0x7FFFFFFF


class _Left:
    """How much is left of a quota, or how far a counter is."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


def _statistic(match: Match, _: Facts) -> Iterator[Predicate]:
    mode = match.get("mode")
    assert mode is not None
    yield _random(match) if mode.value == "random" else _nth(match)


_DRAWN_FROM: Final = 1 << 31


def _random(match: Match) -> Predicate:
    """Port of the first part of statistic_mt: a number is drawn for each packet. Only 0 and 1 leave
    it no choice.
    """
    option = match.get("probability")
    assert option is not None
    probability, is_negated = option.value, option.negated

    def run(transit: Transit) -> Tern:
        box = transit.box
        if box is None:
            return UNKNOWN
        if probability in (0, 1):
            return Tern.of((probability == 1) is not is_negated)
        if box.lots is None:
            return UNKNOWN
        drawn = box.lots(0, _DRAWN_FROM - 1)
        return Tern.of((drawn < probability * _DRAWN_FROM) is not is_negated)

    return Predicate(run, _BOX, None, "is drawn by lot")


def _nth(match: Match) -> Predicate:
    every, packet = match.get("every"), match.get("packet")
    assert every is not None
    assert packet is not None
    last, is_negated = every.value - 1, every.negated
    first = last - packet.value

    def run(transit: Transit) -> Tern:
        box = transit.box
        if box is None:
            return UNKNOWN
        count = of_rule(box, transit, match, lambda: _Left(first))
        count.value = 0 if count.value == last else count.value + 1
        return Tern.of((count.value == 0) is not is_negated)

    return Predicate(run, _BOX, None, "depends on how many packets came before", remembers=True)


def _quota(match: Match, _: Facts) -> Iterator[Predicate]:
    """Port of quota_mt: a packet that is too long for what is left takes it all."""
    option = match.get("quota")
    assert option is not None
    quota, is_negated = option.value, option.negated

    def run(transit: Transit) -> Tern:
        box = transit.box
        if box is None:
            return UNKNOWN
        left = of_rule(box, transit, match, lambda: _Left(quota))
        length = total_length(transit.packet)
        fits = left.value >= length
        left.value = left.value - length if fits else 0
        return Tern.of(fits is not is_negated)

    yield Predicate(run, _BOX, None, "depends on how much went through before", remembers=True)


ROWS: Final[Rows] = {"quota": _quota, "statistic": _statistic}
