# SPDX-License-Identifier: GPL-2.0-only
"""What the box made of a packet, as those see it who look on."""

from __future__ import annotations

from typing import Final

from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.status import TcpCt
from ctlint.model.conntrack.tuple import get_tuple
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.passage import Passage
from ctlint.model.netfilter.traverse import Open
from ctlint.model.world.chronicle import Fate, Rung
from ctlint.parse.printer import print_match
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP

_MAIN_HOOKS: Final = (Hook.LOCAL_OUT, Hook.FORWARD, Hook.LOCAL_IN, Hook.PREROUTING)
_OWN_OUTPUT: Final = (Hook.LOCAL_OUT, Hook.POSTROUTING, None)

CONNTRACK: Final = "conntrack"
"""What dropped a packet that no rule dropped."""


def has_left(passage: Passage) -> bool:
    """Whether a packet of the box's own came past its output: to a wire, or over lo to its input.

    A packet that does not is refused at once: the call that sent it fails with EPERM.
    """
    return passage.is_delivered or passage.reached not in _OWN_OUTPUT


def note_passage(rung: Rung, passage: Passage, tracker: Tracker, now: Micros) -> None:
    """Writes down what the box made of a packet, where it did not come through also its fate."""
    ctstates = passage.ctstates
    rung.ctstate = next((ctstates[hook] for hook in _MAIN_HOOKS if hook in ctstates), None)
    rung.rules = tuple(passage.matched)
    rung.entry = entry_at(tracker, rung.packet, now)
    if passage.open:
        rung.fate = Fate.UNDECIDED
    elif not passage.is_delivered:
        made = passage.told or any(not emitted.is_same for emitted in passage.out)
        rung.fate = Fate.REJECTED if made else Fate.DROPPED
        rung.cause = CONNTRACK if passage.cause is None else str(passage.cause.cause)


def entry_at(tracker: Tracker, packet: Packet, now: Micros) -> tuple[str, int] | None:
    """The state of a packet's entry and the seconds that it has to live, None without any."""
    if packet.protocol != TCP:
        return None
    half = tracker.find(get_tuple(packet), now)
    if half is None:
        return None
    return TcpCt(half[0].tcp.state).name, half[0].remaining(now)


def say_open(matches: tuple[Open, ...], family: Family) -> str:
    """Why a packet's way is not decided."""
    one = matches[0]
    words = [
        str(one.ref),
        *([] if one.match is None else [print_match(one.match, family)]),
        one.why,
    ]
    return ": ".join(words)
