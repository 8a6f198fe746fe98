# SPDX-License-Identifier: GPL-2.0-only
"""What targets that let a packet go on change: the packet, its mark, its entry, the box's memory.

Source: the kernel's net/netfilter/xt_*.c, Linux 6.18.
"""

from __future__ import annotations

from typing import Final

from ctlint.ir.rule import Target
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.alterations import ALTERATIONS
from ctlint.model.netfilter.set_target import apply_set, forget_sets
from ctlint.model.netfilter.targets import Action, set_connmark, template_of
from ctlint.model.netfilter.transit import Facts, Transit

_NO_BALANCE: Final = "the packet's checksum does not outlast this change of its prefix"
_WHY_NOT_ALTERED: Final = {
    "DNPT": _NO_BALANCE,
    "SNPT": _NO_BALANCE,
    "TCPMSS": "the MTU of the route is not known",
}


def apply_change(action: Action, target: Target, transit: Transit, facts: Facts) -> str | None:
    """Change a packet that is at a box; says what is missing where the change is not known."""
    if action is Action.ALTER or action is Action.READDRESS:
        assert transit.box is not None
        altered = ALTERATIONS[target.name](target, transit.packet, transit.box.host.mtu)
        if altered is None:
            return _WHY_NOT_ALTERED[target.name]
        transit.packet = altered
        return None
    if target.name == "SET":
        apply_set(target, transit, facts)
        return None
    if action is Action.CONNMARK:
        if transit.mark is None and target.get("set-xmark") is None:
            return "the packet's mark is not known"
        set_connmark(target, transit)
        return None
    return _instruct_conntrack(target, transit)


def forget_change(target: Target, transit: Transit) -> int | None:
    """A SET that may have been reached: what the sets hold is not known from here on. Returns the
    packet's mark, which is not known either where the target maps it.
    """
    forget_sets(target, transit)
    return None if target.get("map-mark") else transit.mark


def _instruct_conntrack(target: Target, transit: Transit) -> str | None:
    """Port of xt_ct_target() and notrack_tg(): who comes first has the say."""
    if transit.is_tracked or transit.template is not None:
        return None
    template = template_of(target, transit.mark)
    if template is None:
        return "the policy of timeouts is known by its name only"
    transit.template = template
    transit.ctstate = CtState.UNTRACKED if template.notrack else CtState.NEW
    return None
