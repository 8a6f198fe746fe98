# SPDX-License-Identifier: GPL-2.0-only
"""What many rules together may be about, at a glance: from the least to the greatest value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ctlint.ir.rule import Match, Rule
from ctlint.ir.values import Range
from ctlint.wire.addresses import Net

_FIELDS: Final = {
    ("ip", "destination"): "daddr",
    ("tcp", "dport"): "dport",
    ("ip", "source"): "saddr",
    ("tcp", "sport"): "sport",
}
"""What of a rule is looked at, the first that it has."""


class Hull(NamedTuple):
    """Ranges of fields, one of which holds the value of each packet that a rule matches; but for
    the rules at these places, which speak of other things.
    """

    ranges: Mapping[str, Range]
    others: Sequence[int]


def hull(rules: Iterable[Rule]) -> Hull:
    """The hull of rules."""
    found: dict[str, Range] = {}
    others: list[int] = []
    for at, rule in enumerate(rules):
        ranges = dict(_ranges(rule))
        name = next((name for name in _FIELDS.values() if name in ranges), None)
        if name is None:
            others.append(at)
            continue
        found[name] = joined(ranges[name], found.get(name))
    return Hull(found, others)


def joined(one: Range, other: Range | None) -> Range:
    """The least range that holds both."""
    if other is None:
        return one
    return Range(min(one.low, other.low), max(one.high, other.high))


def _ranges(rule: Rule) -> Iterator[tuple[str, Range]]:
    for match in rule.matches:
        if not isinstance(match, Match):
            continue
        for option in match.options:
            name = _FIELDS.get((match.name, option.name))
            if name is None or option.negated:
                continue
            if match.name == "tcp":
                yield name, option.value
            elif isinstance(option.value, Net):
                net = option.value
                yield name, Range(net.address, net.address | net.mask ^ net.family.full_mask)
