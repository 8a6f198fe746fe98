# SPDX-License-Identifier: GPL-2.0-only
"""Sets of ipset(8) as a dump gives them."""

from __future__ import annotations

from dataclasses import dataclass

from ctlint.ir.span import Span
from ctlint.wire.addresses import Family, Net


@dataclass(frozen=True, slots=True)
class Ipset:
    """A set, as it was when it was dumped.

    ``type`` is ipset's name of it (``hash:net``); ``family`` is None for types without addresses.
    A set of one address (``hash:ip``, ``hash:net``, ``bitmap:ip``) has ``members`` and, from
    elements with ``nomatch``, ``exceptions``; ``sets`` names the members of a ``list:set``.
    ``unknown`` says why the elements are not known here, and is None where they are.
    """

    name: str
    type: str
    family: Family | None
    span: Span
    members: tuple[Net, ...] = ()
    exceptions: tuple[Net, ...] = ()
    sets: tuple[str, ...] = ()
    unknown: str | None = None
