# SPDX-License-Identifier: GPL-2.0-only
"""What many rules together may be about, at a glance: from the least to the greatest value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ctlint.ir.rule import Match, Rule
from ctlint.ir.values import Range
from ctlint.wire.addresses import Family, Net

_FIELDS: Final = {
    "ip": {"destination": (0, "daddr"), "source": (2, "saddr")},
    "tcp": {"dport": (1, "dport"), "sport": (3, "sport")},
}
"""What of a rule is looked at, by match and option: of several the first in this order."""

_LAST: Final = 3
_VALUES: Final = (Net, Range)


class Hull(NamedTuple):
    """Ranges of fields, one of which holds the value of each packet that a rule matches; but for
    the rules at these places, which speak of other things.
    """

    ranges: Mapping[str, Range]
    others: Sequence[int]


def hull(rules: Iterable[Rule]) -> Hull:
    """The hull of rules."""
    least: dict[str, int] = {}
    greatest: dict[str, int] = {}
    others: list[int] = []
    for at, rule in enumerate(rules):
        told = _told(rule)
        if told is None:
            others.append(at)
            continue
        name, value = told
        if isinstance(value, Net):
            low = value.address
            high = low | value.mask ^ _ALL_BITS[value.family]
        else:
            low, high = value
        if name not in least:
            least[name], greatest[name] = low, high
            continue
        if low < least[name]:
            least[name] = low
        if high > greatest[name]:
            greatest[name] = high
    return Hull({name: Range(low, greatest[name]) for name, low in least.items()}, others)


_ALL_BITS: Final = {family: family.full_mask for family in Family}


def joined(one: Range, other: Range | None) -> Range:
    """The least range that holds both."""
    if other is None:
        return one
    return Range(min(one.low, other.low), max(one.high, other.high))


def _told(rule: Rule) -> tuple[str, Net | Range] | None:
    """What a rule says of the field that is looked at; None where it says nothing of any."""
    best = _LAST
    found: tuple[str, Net | Range] | None = None
    for match in rule.matches:
        fields = _FIELDS.get(match.name)
        if fields is None or not isinstance(match, Match):
            continue
        for name, value, negated in match.options:
            told = fields.get(name)
            if told is None or negated or not isinstance(value, _VALUES):
                continue
            rank, field = told
            if rank <= best:
                best, found = rank, (field, value)
    return found
