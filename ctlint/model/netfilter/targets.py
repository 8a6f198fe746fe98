# SPDX-License-Identifier: GPL-2.0-only
"""Targets: what a rule that matches does with the packet.

Source: the kernel's net/netfilter/xt_*.c and net/ipv4/netfilter/ipt_*.c; iptables-extensions(8).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from ctlint.ir.rule import AnyTarget, Goto, Jump, Target, UnknownTarget


class Action(Enum):
    """What the walk does next."""

    CONTINUE = auto()
    ACCEPT = auto()
    DROP = auto()
    REJECT = auto()
    RETURN = auto()
    JUMP = auto()
    GOTO = auto()
    MARK = auto()
    CONNMARK = auto()
    UNTRACK = auto()
    ZONE = auto()
    """Sets the zone of conntrack in which the packet's entry is looked for."""
    TRANSLATE = auto()
    ELSEWHERE = auto()
    """Handed to something that decides on its own: a queue, a proxy, a target not known."""


_ACTIONS: Final = {
    "ACCEPT": Action.ACCEPT,
    "DROP": Action.DROP,
    "RETURN": Action.RETURN,
    "QUEUE": Action.ELSEWHERE,
    "NFQUEUE": Action.ELSEWHERE,
    "REJECT": Action.REJECT,
    "MARK": Action.MARK,
    "HMARK": Action.MARK,
    "CONNMARK": Action.CONNMARK,
    "NOTRACK": Action.UNTRACK,
    "DNAT": Action.TRANSLATE,
    "SNAT": Action.TRANSLATE,
    "MASQUERADE": Action.TRANSLATE,
    "REDIRECT": Action.TRANSLATE,
    "NETMAP": Action.TRANSLATE,
    "TPROXY": Action.ELSEWHERE,
    "SYNPROXY": Action.ELSEWHERE,
    "CLUSTERIP": Action.ELSEWHERE,
}

_ZONES: Final = ("zone", "zone-orig", "zone-reply")

_ALL_BITS: Final = 0xFFFFFFFF

# Targets that change or record something that no match here reads, and let the packet go on.
_PASSING: Final = frozenset(
    {
        "AUDIT",
        "CHECKSUM",
        "CLASSIFY",
        "CONNSECMARK",
        "DSCP",
        "ECN",
        "HL",
        "IDLETIMER",
        "LED",
        "LOG",
        "NFLOG",
        "RATEEST",
        "SECMARK",
        "TCPMSS",
        "TCPOPTSTRIP",
        "TEE",
        "TOS",
        "TRACE",
        "TTL",
        "ULOG",
    }
)


def action(target: AnyTarget | None) -> Action:
    """What a target does."""
    if target is None:
        return Action.CONTINUE
    if isinstance(target, Jump):
        return Action.JUMP
    if isinstance(target, Goto):
        return Action.GOTO
    if isinstance(target, UnknownTarget):
        return Action.ELSEWHERE
    if target.name == "CT":
        if target.get("notrack"):
            return Action.UNTRACK
        is_zoned = any(target.get(name) for name in _ZONES)
        return Action.ZONE if is_zoned else Action.CONTINUE
    if target.name == "SET":
        return Action.MARK if target.get("map-mark") else Action.CONTINUE
    if target.name in _PASSING:
        return Action.CONTINUE
    return _ACTIONS.get(target.name, Action.ELSEWHERE)


def set_mark(target: Target, mark: int | None) -> int | None:
    """The packet's mark behind a target that sets it; None where it is not known: HMARK takes it
    from a hash, SET from an ipset. Port of mark_tg().
    """
    change = target.get("set-xmark")
    if change is None:
        return None
    value, mask = change.value
    if mask == _ALL_BITS:
        return int(value)
    if mark is None:
        return None
    return int(mark & ~mask & _ALL_BITS ^ value)
