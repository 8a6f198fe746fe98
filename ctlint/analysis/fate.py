# SPDX-License-Identifier: GPL-2.0-only
"""The fate of one packet: all tables at all hooks of its path."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.chains import ChainStore, RuleRef
from ctlint.model.netfilter.hooks import STOPS, Hook, Path
from ctlint.model.netfilter.host import AddressType
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import EntryView, Transit, confirmed
from ctlint.model.netfilter.traverse import Open, PolicyRef, Verdict, Walk, walk
from ctlint.wire.packet import Packet


class Disposition(Enum):
    """How the way of a packet ends."""

    DELIVERED = "delivered"
    DROPPED_BY_RULE = "dropped by a rule"
    DROPPED_BY_POLICY = "dropped by a policy"
    REJECTED = "rejected"
    UNDECIDED = "undecided"


class End(NamedTuple):
    """One way in which it may end. ``cause`` is None where the packet is delivered; ``via`` holds
    the rules that called the chain of the cause, the outermost first.
    """

    disposition: Disposition
    cause: RuleRef | PolicyRef | None = None
    hook: Hook | None = None
    via: tuple[RuleRef, ...] = ()


class Ends(NamedTuple):
    """Interfaces and address types of a packet's path; see Transit."""

    path: Path
    in_interface: str | None
    out_interface: str | None
    source_type: AddressType
    destination_type: AddressType


@dataclass(slots=True)
class Fate:
    """What became of a packet: one end, or several where a match is undecided.

    ``translated`` and ``zoned`` are the rules that translate it, or choose the zone in which
    conntrack looks for its entry. ``ctstates`` holds what the first table behind conntrack saw at
    each hook. ``matched`` is the whole truth only where ``is_exact``: see Walk.
    """

    ends: list[End] = field(default_factory=list)
    ctstates: dict[Hook, CtState] = field(default_factory=dict)
    matched: list[str] = field(default_factory=list)
    open: list[Open] = field(default_factory=list)
    translated: list[RuleRef] = field(default_factory=list)
    zoned: list[RuleRef] = field(default_factory=list)
    walks: list[tuple[Hook, str, Walk]] = field(default_factory=list)
    was_untracked: bool = False
    is_exact: bool = True

    @property
    def delivered(self) -> Tern:
        """Whether the packet gets through."""
        kinds = {end.disposition is Disposition.DELIVERED for end in self.ends}
        if len(kinds) > 1 or any(e.disposition is Disposition.UNDECIDED for e in self.ends):
            return Tern.UNKNOWN
        return Tern.of(kinds == {True})


_LOST = {Verdict.DROP: Disposition.DROPPED_BY_RULE, Verdict.REJECT: Disposition.REJECTED}


def send(
    chains: ChainStore,
    packet: Packet,
    ends: Ends,
    ctstate: CtState,
    entry: EntryView | None = None,
    *,
    explain: bool = False,
) -> Fate:
    """Send a packet that conntrack calls ``ctstate`` along its path.

    Raw tables see it before conntrack does: as INVALID, for it has no entry yet.
    """
    fate = Fate()
    transit = Transit(
        packet,
        CtState.INVALID,
        source_type=ends.source_type,
        destination_type=ends.destination_type,
    )
    for stop in STOPS[ends.path]:
        hook = stop.hook
        forwarded = ends.path is Path.FORWARD
        transit.in_interface = ends.in_interface if forwarded or hook in _HAS_IN else ""
        transit.out_interface = ends.out_interface if hook in _HAS_OUT else ""
        if stop.tracked:
            untracked = fate.was_untracked
            transit.ctstate = CtState.UNTRACKED if untracked else ctstate
            transit.entry = None if untracked else entry
            if entry is not None and hook is Hook.POSTROUTING and ends.path is Path.LOOPBACK:
                # Whoever sees the packet after this hook sees a confirmed entry.
                entry = confirmed(entry)
            fate.ctstates.setdefault(hook, transit.ctstate)
        if stop.table == "nat" and transit.ctstate is not CtState.NEW:
            continue
        if chains.ruleset.chain(stop.table, hook.value) is None:
            continue
        result = walk(chains, stop.table, stop.chain, transit, explain=explain)
        fate.matched += result.matched
        fate.is_exact = fate.is_exact and result.is_exact
        fate.open += result.open
        fate.translated += result.translated
        fate.zoned += result.zoned
        if explain:
            fate.walks.append((hook, stop.table, result))
        if stop.table == "raw":
            # On lo raw is asked again: NOTRACK then still works on a packet without an entry.
            fate.was_untracked = transit.ctstate is CtState.UNTRACKED
            if stop.tracked:
                fate.ctstates[hook] = transit.ctstate
        goes_on = not result.outcomes
        for verdict, cause, via in result.outcomes:
            if verdict is Verdict.ACCEPT:
                goes_on = True
            elif verdict is Verdict.ELSEWHERE:
                fate.ends.append(End(Disposition.UNDECIDED, cause, hook, via))
            elif isinstance(cause, PolicyRef):
                fate.ends.append(End(Disposition.DROPPED_BY_POLICY, cause, hook))
            else:
                fate.ends.append(End(_LOST[verdict], cause, hook, via))
        if not goes_on:
            return fate
    fate.ends.append(End(Disposition.DELIVERED))
    return fate


# A forwarded packet has its incoming interface in POSTROUTING too: since kernel 5.7, measured on
# 6.18. It shows in user chains only, for -i is refused in POSTROUTING itself.
_HAS_IN = frozenset({Hook.PREROUTING, Hook.LOCAL_IN, Hook.FORWARD})
_HAS_OUT = frozenset({Hook.FORWARD, Hook.LOCAL_OUT, Hook.POSTROUTING})
