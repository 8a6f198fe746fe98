# SPDX-License-Identifier: GPL-2.0-only
"""The fate of one packet: all tables at all hooks of its path."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from ctlint.analysis.translation import Bound, Translation
from ctlint.analysis.way import Ends, Way
from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Hook, Path, Stop
from ctlint.model.netfilter.nat import MANIP, Manip
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import EntryView, Field, Transit, confirmed
from ctlint.model.netfilter.traverse import Open, PolicyRef, Verdict, Walk, walk
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet


class Disposition(Enum):
    """How the way of a packet ends."""

    DELIVERED = "delivered"
    DROPPED_BY_RULE = "dropped by a rule"
    DROPPED_BY_POLICY = "dropped by a policy"
    REJECTED = "rejected"
    MISDIRECTED = "translated as another connection"
    UNDECIDED = "undecided"


class End(NamedTuple):
    """One way in which it may end. ``cause`` is None where the packet is delivered; ``via`` holds
    the rules that called the chain of the cause, the outermost first.
    """

    disposition: Disposition
    cause: RuleRef | PolicyRef | None = None
    hook: Hook | None = None
    via: tuple[RuleRef, ...] = ()


class Rewriting(NamedTuple):
    """The nat table of a hook has rewritten an end of the packet. ``is_back``: as the packets of
    the reply direction are, from what the rule made of it to what it was.
    """

    hook: Hook
    bound: Bound
    is_back: bool


class Circumstances(NamedTuple):
    """What is known of one packet beyond what all of its class have in common.

    ``translation`` is that of its connection, None where it has none; ``opens``: it is the first
    packet, so that the nat table's rules are asked; ``is_error``: an ICMP error of a connection.
    ``known`` are parts of its header, ``mark`` is what it has at first.
    """

    translation: Translation | None = None
    opens: bool = True
    is_error: bool = False
    known: frozenset[HeaderField] = frozenset()
    mark: int = 0


_ANY: Final = Circumstances()


@dataclass(slots=True)
class Fate:
    """What became of a packet: one end, or several where a match is undecided.

    ``translated`` are the rules that translate it, each with its hook, ``zoned`` those that choose
    the zone in which conntrack looks for its entry. ``ctstates`` holds what the first table behind
    conntrack saw at each hook. ``matched`` is the whole truth only where ``is_exact``: see Walk. Of
    an explanation,
    ``walks`` are the tables in order and ``seen`` the packet as each found it with what was not
    known of it, ``rewritings`` what NAT changed, with the number of walks before it, and ``packet``
    is what became of it where it was delivered. ``unknown`` is what is not known of that one, with
    the reasons; ``ends_at_host``: it was for this host.
    """

    ends: list[End] = field(default_factory=list)
    ctstates: dict[Hook, CtState] = field(default_factory=dict)
    matched: list[str] = field(default_factory=list)
    open: list[Open] = field(default_factory=list)
    translated: list[tuple[RuleRef, Hook]] = field(default_factory=list)
    zoned: list[RuleRef] = field(default_factory=list)
    walks: list[tuple[Hook, str, Walk]] = field(default_factory=list)
    seen: list[tuple[Transit, Mapping[Field, str]]] = field(default_factory=list)
    rewritings: list[tuple[int, Rewriting]] = field(default_factory=list)
    packet: Packet | None = None
    unknown: Mapping[Field, str] = field(default_factory=dict)
    ends_at_host: bool = False
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
    circumstances: Circumstances = _ANY,
) -> Fate:
    """Send a packet that conntrack calls ``ctstate`` along its path.

    Raw tables see it before conntrack does: as INVALID, for it has no entry yet.
    """
    fate = Fate()
    translation = circumstances.translation
    transit = Transit(packet, CtState.INVALID, mark=circumstances.mark, known=circumstances.known)
    way = Way(ends, is_nft=chains.ruleset.is_nft)
    sight = _Sight(chains, translation, entry)
    for stop in way:
        hook = stop.hook
        way.show(transit, hook)
        if stop.tracked:
            untracked = fate.was_untracked
            transit.ctstate = CtState.UNTRACKED if untracked else ctstate
            transit.entry = None if untracked else entry
            if entry is not None and hook is Hook.POSTROUTING and way.ends.path is Path.LOOPBACK:
                # Whoever sees the packet after this hook sees a confirmed entry.
                entry = confirmed(entry)
            if hook not in fate.ctstates:
                fate.ctstates[hook] = transit.ctstate
                if hook is Hook.FORWARD and HeaderField.TTL in transit.known:
                    transit.packet = transit.packet._replace(ttl=max(transit.packet.ttl - 1, 0))
        is_nat = stop.table == "nat"
        is_asked = not is_nat or (transit.ctstate is CtState.NEW and circumstances.opens)
        goes_on = True
        if is_asked and chains.ruleset.chain(stop.table, hook.value) is not None:
            if transit.known:
                transit.known -= _altered(chains.ruleset, stop.table)
            if explain:
                fate.seen.append((dataclasses.replace(transit), sight.chains.unknown))
            result = walk(sight.chains, stop.table, stop.chain, transit, explain=explain)
            goes_on = _record(fate, stop, result, transit, explain=explain)
        if not goes_on:
            return fate
        if is_nat and translation is not None and entry is not None and not fate.was_untracked:
            unfollowed = translation.unfollowed
            if unfollowed is not None and unfollowed.hook is hook:
                fate.ends.append(End(Disposition.UNDECIDED, unfollowed.ref, hook))
                return fate
            sight.pass_nat(hook, fate, transit, is_error=circumstances.is_error)
            if circumstances.opens:
                entry = translation.view_behind(hook, entry)
            if hook is translation.turn and sight.direction is Dir.ORIGINAL:
                way.turn(translation.path, hook)
    fate.ends.append(End(Disposition.DELIVERED))
    fate.packet = transit.packet
    fate.unknown = sight.chains.unknown
    fate.ends_at_host = way.ends.path in (Path.IN, Path.LOOPBACK)
    return fate


class _Sight:
    """What can be seen of a packet on its way: NAT may give it an address that is not known."""

    def __init__(
        self, chains: ChainStore, translation: Translation | None, entry: EntryView | None
    ) -> None:
        self.chains = self._all = chains
        self.direction = Dir.ORIGINAL if entry is None else entry.direction
        self._translation = translation
        self._done: frozenset[Manip] = frozenset()
        self._look()

    def pass_nat(self, hook: Hook, fate: Fate, transit: Transit, *, is_error: bool) -> None:
        """The nat table of a hook rewrites the packet as its entry says."""
        translation, manip = self._translation, MANIP[hook]
        assert translation is not None
        self._done |= {manip}
        bound = translation.bound(self.direction, manip)
        if bound is None:
            return
        transit.packet = translation.translate(
            transit.packet, self.direction, manip, is_error=is_error
        )
        is_back = self.direction is Dir.REPLY
        fate.rewritings.append((len(fate.walks), Rewriting(hook, bound, is_back)))
        self._look()

    def _look(self) -> None:
        translation = self._translation
        if translation is not None:
            self.chains = self._all.blind(translation.unknown(self.direction, self._done))


def _record(fate: Fate, stop: Stop, result: Walk, transit: Transit, *, explain: bool) -> bool:
    """Add what a table did; tells whether the packet may go on."""
    fate.matched += result.matched
    fate.is_exact = fate.is_exact and result.is_exact
    fate.open += result.open
    fate.translated += ((ref, stop.hook) for ref in result.translated)
    fate.zoned += result.zoned
    if explain:
        fate.walks.append((stop.hook, stop.table, result))
    if stop.table == "raw":
        # On lo raw is asked again: NOTRACK then still works on a packet without an entry.
        fate.was_untracked = transit.ctstate is CtState.UNTRACKED
        if stop.tracked:
            fate.ctstates[stop.hook] = transit.ctstate
    goes_on = not result.outcomes
    for verdict, cause, via in result.outcomes:
        if verdict is Verdict.ACCEPT:
            goes_on = True
        elif verdict is Verdict.ELSEWHERE:
            fate.ends.append(End(Disposition.UNDECIDED, cause, stop.hook, via))
        elif isinstance(cause, PolicyRef):
            fate.ends.append(End(Disposition.DROPPED_BY_POLICY, cause, stop.hook))
        else:
            fate.ends.append(End(_LOST[verdict], cause, stop.hook, via))
    return goes_on


_TOS: Final = frozenset({HeaderField.DSCP, HeaderField.TOS})
_OPTIONS: Final = frozenset({HeaderField.LENGTH, HeaderField.OPTIONS})
_ALTERED: Final = {
    "DSCP": _TOS,
    "ECN": frozenset({HeaderField.TOS}),
    "HL": frozenset({HeaderField.TTL}),
    "TCPMSS": _OPTIONS,
    "TCPOPTSTRIP": _OPTIONS,
    "TOS": _TOS,
    "TTL": frozenset({HeaderField.TTL}),
}


def _altered(ruleset: Ruleset, table: str) -> set[HeaderField]:
    """What rules of a table may change in a header."""
    found: set[HeaderField] = set()
    for chain in ruleset.tables[table].chains.values():
        for rule in chain.rules:
            if isinstance(rule.target, Target):
                found |= _ALTERED.get(rule.target.name, frozenset())
    return found
