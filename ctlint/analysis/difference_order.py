# SPDX-License-Identifier: GPL-2.0-only
"""In which order differences are told, and each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctlint.analysis.difference import Difference, Kind
from ctlint.finding import Confidence


def distinct(differences: Sequence[Difference]) -> list[Difference]:
    """Each once: NAT leads what calls the host itself and what calls through it to the same end."""
    found: dict[object, Difference] = {}
    for each in differences:
        decided = each.kind, each.confidence, each.role, each.old, each.new
        found.setdefault((*decided, each.packets, each.scope), each)
    return list(found.values())


_KIND_ORDER: Final = (
    Kind.NEWLY_STRANDED,
    Kind.NEWLY_DROPPED,
    Kind.NEWLY_ACCEPTED,
    Kind.NO_LONGER_STRANDED,
    Kind.TRANSLATED_OTHERWISE,
    Kind.NEWLY_TRANSLATED,
    Kind.NO_LONGER_TRANSLATED,
    Kind.OTHER_CAUSE,
)
_SURENESS: Final = tuple(Confidence)


def order(each: Difference) -> tuple[object, ...]:
    """The most severe first, then the surest, then those of most ports."""
    place = each.new.location or each.old.location
    return (
        -each.severity.rank,
        _SURENESS.index(each.confidence),
        _KIND_ORDER.index(each.kind),
        -each.breadth,
        each.family,
        place.line if place else 0,
    )
