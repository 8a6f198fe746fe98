# SPDX-License-Identifier: GPL-2.0-only
"""Conditions that only a concrete packet on a box decides, not a whole class of packets."""

from __future__ import annotations

from collections.abc import Callable

from ctlint.ir.rule import Option
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.matches.predicate import Predicate, of_option
from ctlint.model.netfilter.transit import Field, Transit
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet


def of_packet(
    option: Option,
    test: Callable[[Packet], bool | None],
    why: str,
    part: HeaderField | None = None,
) -> Predicate:
    """A predicate on what stands in a packet: in the ``part`` of its header, if given."""
    return of_option(
        option,
        lambda transit: (
            None if transit.box is None and part not in transit.known else test(transit.packet)
        ),
        Field.HEADER,
        why=why,
    )


def of_box(
    option: Option,
    test: Callable[[Transit, Box], bool | None],
    *reads: Field,
    why: str,
    remembers: bool = False,
) -> Predicate:
    """A predicate on the box, as the packet meets it."""
    return of_option(
        option,
        lambda transit: None if transit.box is None else test(transit, transit.box),
        Field.BOX,
        *reads,
        why=why,
        remembers=remembers,
    )


def settled(option: Option, truth: bool, why: str) -> Predicate:
    """A predicate that every concrete packet decides in the same way."""
    return of_option(
        option,
        lambda transit: None if transit.box is None else truth,
        Field.BOX,
        why=why,
    )
