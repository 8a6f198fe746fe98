# SPDX-License-Identifier: GPL-2.0-only
"""Changes that are told as one: those of one kind for one pair of causes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ctlint.analysis.comparison import Change, Step
from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.fate import Disposition
from ctlint.analysis.retranslation import Way, path_of
from ctlint.analysis.rewriting import Translated
from ctlint.analysis.side import Cause
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule_ref import RuleRef


@dataclass(slots=True)
class Group:
    """Changes of one kind and one pair of causes."""

    first: Change
    packets: PacketSet
    parts: dict[tuple[tuple[Step, Step], tuple[Way, Way]], Change] = field(default_factory=dict)

    def way(self, side: int) -> Way:
        """What NAT makes of all its connections on a side: of some it may translate the source
        too.
        """
        ways = list(dict.fromkeys(change.ways[side] for change in self.parts.values()))
        first = next((way for way in ways if way is not None), None)
        if first is None or len({_rules(way) for way in ways}) == 1:
            return first
        if first.destination is None:
            return None
        common = Translated(None, first.destination, first.path)
        common.alike = first.alike
        return common


def grouped(changes: Iterator[Change], coordinates: Coordinates) -> list[Group]:
    """All changes. What NAT makes of destinations parts them; what it makes of sources only where
    that is what differs.
    """
    groups: dict[tuple[object, ...], Group] = {}
    for change in changes:
        loss = change.loss
        key = (
            change.kind,
            change.is_certain,
            change.step.phase,
            _key(loss.end.cause),
            loss.end.disposition,
            _key(change.other),
            *(_way(change, way, coordinates) for way in change.ways),
        )
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(change, change.packets)
        else:
            group.packets = group.packets | change.packets
        part = (change.step_of("old"), change.step), change.ways
        known = group.parts.get(part)
        if known is not None:
            change = known._replace(packets=known.packets | change.packets)
        group.parts[part] = change
    return list(groups.values())


def _key(cause: Cause | None) -> tuple[object, ...] | None:
    if cause is None:
        return None
    return cause.table, cause.chain, cause.position if isinstance(cause, RuleRef) else None


def _way(change: Change, way: Way, coordinates: Coordinates) -> object:
    path = path_of(way, coordinates)
    if change.kind.is_of_nat or change.loss.end.disposition is Disposition.MISDIRECTED:
        return path, _rules(way)
    end = None if way is None else way.destination
    return path, None if end is None else _key(end.ref)


def _rules(way: Way) -> tuple[object, ...]:
    return () if way is None else tuple(map(_key, way.rules))
