# SPDX-License-Identifier: GPL-2.0-only
"""Targets: what a rule that matches does with the packet.

Source: the kernel's net/netfilter/xt_*.c and net/ipv4/netfilter/ipt_*.c; iptables-extensions(8).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from ctlint.ir.rule import AnyTarget, Goto, Jump, Target, UnknownTarget
from ctlint.model.conntrack.core import Template
from ctlint.model.conntrack.entry import Zone
from ctlint.model.netfilter.transit import Transit


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
    INSTRUCT = auto()
    """Says something to conntrack that changes no packet's way: a helper, events, timeouts."""
    ZONE = auto()
    """Sets the zone of conntrack in which the packet's entry is looked for."""
    ALTER = auto()
    """Changes the packet: its TTL, its type of service, its options."""
    READDRESS = auto()
    """Changes an address of the packet, but not its connection's: what stands behind it sees it."""
    REMEMBER = auto()
    """Adds the packet's addresses to a set, or takes them out of it."""
    TRANSLATE = auto()
    ELSEWHERE = auto()
    """Handed to something that decides on its own: a queue, a proxy, a target not known."""

    __hash__ = object.__hash__


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
    "SNPT": Action.READDRESS,
    "DNPT": Action.READDRESS,
    "TPROXY": Action.ELSEWHERE,
    "SYNPROXY": Action.ELSEWHERE,
    "CLUSTERIP": Action.ELSEWHERE,
}

TRANSLATING: Final = frozenset(name for name, does in _ACTIONS.items() if does is Action.TRANSLATE)
"""The targets that bind connections to what they translate them to: they load only in nat."""

_ZONES: Final = ("zone", "zone-orig", "zone-reply")

_ALL_BITS: Final = 0xFFFFFFFF

_ALTERING: Final = frozenset(
    {"CHECKSUM", "DSCP", "ECN", "HL", "TCPMSS", "TCPOPTSTRIP", "TOS", "TTL"}
)

# Targets that change or record something that no match reads, and let the packet go on.
_PASSING: Final = frozenset(
    {
        "AUDIT",
        "CLASSIFY",
        "CONNSECMARK",
        "IDLETIMER",
        "LED",
        "LOG",
        "NFLOG",
        "RATEEST",
        "SECMARK",
        "TEE",
        "TRACE",
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
    found = _ACTIONS.get(target.name)
    if found is not None:
        return found
    if target.name == "CT":
        if target.get("notrack"):
            return Action.UNTRACK
        is_zoned = any(target.get(name) for name in _ZONES)
        return Action.ZONE if is_zoned else Action.INSTRUCT
    if target.name == "SET":
        return Action.MARK if target.get("map-mark") else Action.REMEMBER
    if target.name in _ALTERING:
        return Action.ALTER
    return Action.CONTINUE if target.name in _PASSING else Action.ELSEWHERE


_WHY_ELSEWHERE: Final = {
    "QUEUE": "the program that reads the queue decides",
    "NFQUEUE": "the program that reads the queue decides, and whether there is one is not known",
    "TPROXY": "whether a socket of the box takes the connection is not known",
    "SYNPROXY": "the box answers in the server's place with sequence numbers that are not known",
    "SNPT": "what stands behind it sees another address",
    "DNPT": "what stands behind it sees another address",
    "CLUSTERIP": "which node of the cluster the box is may change at any time",
}


def why_elsewhere(target: AnyTarget | None) -> str:
    """What is missing where a target hands the packet to something that decides on its own."""
    name = target.name if isinstance(target, Target | UnknownTarget) else ""
    return _WHY_ELSEWHERE.get(name, f"ctlint does not know the target {name!r}")


HARMLESS: Final = frozenset({Action.CONTINUE, Action.ALTER, Action.INSTRUCT, Action.REMEMBER})
"""What lets the packet go on, and decides nothing by itself."""


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


def set_connmark(target: Target, transit: Transit) -> None:
    """Port of connmark_tg_shift(): move a mark between the packet and its entry."""
    view = transit.entry
    if view is None:
        return
    entry = view.entry
    shift = _shift(target)
    change = target.get("set-xmark")
    if change is not None:
        value, mask = change.value
        for option in target.options:
            if option.name in ("mask", "ctmask"):
                mask = option.value
        entry.mark = shift(entry.mark & ~mask & _ALL_BITS ^ value)
        return
    nfmask = ctmask = _ALL_BITS
    for option in target.options:
        if option.name in ("nfmask", "mask"):
            nfmask = option.value
        if option.name in ("ctmask", "mask"):
            ctmask = option.value
    if transit.mark is None:
        return
    if target.get("save-mark"):
        entry.mark = entry.mark & ~ctmask & _ALL_BITS ^ shift(transit.mark & nfmask)
    else:
        transit.mark = transit.mark & ~nfmask & _ALL_BITS ^ shift(entry.mark & ctmask)


def _shift(target: Target) -> Callable[[int], int]:
    left = target.get("left-shift-mark")
    if left is not None:
        return lambda mark: mark << left.value & _ALL_BITS
    right = target.get("right-shift-mark")
    if right is not None:
        return lambda mark: mark >> right.value
    return lambda mark: mark


def template_of(target: Target, mark: int | None) -> Template | None:
    """What ``CT`` and ``NOTRACK`` say to conntrack; None where that is not known (a policy of
    timeouts is known by name only). Port of xt_ct_tg_check().
    """
    if target.name == "NOTRACK" or target.get("notrack"):
        return Template(notrack=True)
    if target.get("timeout"):
        return None
    number: int | None = 0
    is_original = is_reply = False
    for option in target.options:
        if option.name in _ZONES:
            number = mark if option.value == "mark" else option.value
            is_original |= option.name != "zone-reply"
            is_reply |= option.name != "zone-orig"
    named = target.get("helper")
    helper = None if named is None else named.value
    if not (is_original or is_reply):
        return Template(helper=helper)
    if number is None:
        return None
    return Template(Zone(number & 0xFFFF, is_original, is_reply), helper=helper)
