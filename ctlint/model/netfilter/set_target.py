# SPDX-License-Identifier: GPL-2.0-only
"""``-j SET``. Source: set_target_v3() in net/netfilter/xt_set.c, Linux 6.18."""

from __future__ import annotations

from ctlint.ir.rule import Target
from ctlint.model.netfilter.jiffies import jiffies
from ctlint.model.netfilter.set_lookup import (
    add_to_set,
    delete_from_set,
    forget_set,
    is_in_set,
    sides,
)
from ctlint.model.netfilter.set_state import MAX_TIMEOUT, Request
from ctlint.model.netfilter.transit import Facts, Transit
from ctlint.wire.encoding import total_length

_ALL_BITS = (1 << 32) - 1
_NO_FACTS = Facts()


def apply_set(target: Target, transit: Transit, facts: Facts = _NO_FACTS) -> None:
    """Add the packet to a set, delete it from one, take its mark from one, in that order.

    ``transit.box`` must be there. The mark is None behind it where the set is not known.
    """
    box = transit.box
    assert box is not None
    sets = box.memory.sets
    tick, length = jiffies(box.now), total_length(transit.packet)
    if (option := target.get("add-set")) is not None:
        name, words = option.value
        seconds = target.get("timeout")
        request = Request(
            tick,
            length,
            timeout=None if seconds is None else min(seconds.value, MAX_TIMEOUT),
            replaces=target.get("exist") is not None,
        )
        add_to_set(sets, name, transit, sides(words), request, facts.mac)
    if (option := target.get("del-set")) is not None:
        name, words = option.value
        delete_from_set(sets, name, transit, sides(words), Request(tick, length), facts.mac)
    if (option := target.get("map-set")) is not None:
        name, words = option.value
        request = Request(tick, length)
        truth = is_in_set(sets, name, transit, sides(words), request, facts.mac)
        if target.get("map-mark") is None or truth is False:
            return
        if truth is None or transit.mark is None:
            transit.mark = None
        else:
            value, mask = request.mark
            transit.mark = transit.mark & ~mask & _ALL_BITS ^ value


def forget_sets(target: Target, transit: Transit) -> None:
    """A rule that may have matched: what it would change is not known from here on."""
    box = transit.box
    assert box is not None
    for option in target.options:
        if option.name in ("add-set", "del-set"):
            forget_set(box.memory.sets, option.value[0])
