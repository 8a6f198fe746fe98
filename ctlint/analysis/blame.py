# SPDX-License-Identifier: GPL-2.0-only
"""What a lost packet is lost to: the rule or policy that a person would name."""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.fate import Disposition, End, Fate
from ctlint.analysis.losses import (
    Cause,
    Kind,
    Lost,
    Nature,
)
from ctlint.analysis.rewriting import Rewritten, Translated, rewritten
from ctlint.analysis.translated import Arrival
from ctlint.finding import Role
from ctlint.ir.rule import Match
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.tern import Tern
from ctlint.wire.tcp_flags import TcpFlags


def misled(fate: Fate, connection: Connection, sender: Dir) -> tuple[Tern, RuleRef | None, Hook]:
    """Whether a rule translates the packet, which: it goes on as one of another connection."""
    packet = connection.packet(sender, TcpFlags.SYN)
    found: tuple[Tern, RuleRef | None, Hook] = (Tern.FALSE, None, Hook.PREROUTING)
    for ref, hook in fate.translated:
        new = rewritten(ref, hook, connection.family)
        if new is None or (new.is_of_host and connection.role is Role.LOOPBACK):
            found = (Tern.UNKNOWN, ref, hook)
            continue
        is_source = new.manip is Manip.SRC
        address = packet.saddr if is_source else packet.daddr
        port = packet.sport if is_source else packet.dport
        if connection.ends(sender).path in (Path.IN, Path.OUT):
            new = new.of_own_packet()
        if _keeps(new, address, port):
            continue
        given = new.addresses
        is_drawn = given is not None and given.low != given.high and address in given
        if fate.is_exact and not is_drawn:
            return Tern.TRUE, ref, hook
        found = (Tern.UNKNOWN, ref, hook)
    return found


def _keeps(new: Rewritten, address: int, port: int | None) -> bool:
    """Whether a rule makes of an end what it is already."""
    if new.is_of_host:
        return False
    if new.addresses is not None:
        low, high = new.addresses
        if low != high or (address ^ low) & ~new.kept:
            return False
    return new.ports is None or (new.keeps_port and port in new.ports)


def as_another(sender: Dir, kind: Kind, ref: RuleRef, hook: Hook) -> Lost:
    """A packet that makes a new entry and is translated: the other end does not know its ends."""
    return Lost(
        sender,
        kind,
        CtState.NEW,
        ref,
        hook,
        rejected=False,
        nature=Nature.TRANSLATION,
        dropped_by=ref,
    )


def untranslated(sender: Dir, kind: Kind, translated: Translated, arrival: Arrival | None) -> Lost:
    """A packet of a translated connection that does not reach the other end as one of it."""
    first = translated.destination or translated.source
    assert first is not None
    named = arrival.answer.ctstate if arrival is not None else None
    ctstate = CtState[named] if named is not None else CtState.INVALID
    return Lost(
        sender,
        kind,
        ctstate,
        first.ref,
        first.hook,
        rejected=False,
        nature=Nature.TRANSLATION,
        dropped_by=first.ref,
        stays_here=arrival is not None and arrival.stays_here,
    )


def lost_by(sender: Dir, kind: Kind, fate: Fate) -> Lost:
    """How a packet is lost whatever the open matches say: the last end is the certain one."""
    end = fate.ends[-1]
    assert end.cause is not None
    assert end.hook is not None
    ctstate = fate.ctstates.get(end.hook, CtState.INVALID)
    rejected = end.disposition is Disposition.REJECTED
    cause, nature = blame_for(end, ctstate)
    sole = len(fate.ends) == 1
    return Lost(sender, kind, ctstate, cause, end.hook, rejected, nature, end.cause, sole)


def blame(end: End, ctstate: CtState) -> Cause:
    """The rule or policy to name for a loss."""
    return blame_for(end, ctstate)[0]


def blame_for(end: End, ctstate: CtState) -> tuple[Cause, Nature]:
    """The rule to name for a loss, and how it loses: the innermost that asks for the packet."""
    assert end.cause is not None
    if end.disposition is Disposition.MISDIRECTED:
        return end.cause, Nature.TRANSLATION
    rejected = end.disposition is Disposition.REJECTED
    explicit = Nature.INVALID_REJECT if rejected else Nature.INVALID_DROP
    path = [*end.via, *([end.cause] if isinstance(end.cause, RuleRef) else [])]
    for ref in reversed(path):
        asked = _asks(ref)
        own = ref is end.cause
        if ctstate is CtState.INVALID and asked.states and (own or asked.states <= _NO_ENTRY):
            return ref, explicit
        if ctstate is CtState.NEW and asked.flags:
            return ref, Nature.NEW_NOT_SYN
    return end.cause, Nature.CATCH_ALL


class _Asked(NamedTuple):
    """The ctstates that a rule lets through, where it names any, and whether it names flags."""

    states: frozenset[str]
    flags: bool


_ALL_STATES: Final = frozenset({"INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED"})
_NO_ENTRY: Final = frozenset({"INVALID", "UNTRACKED"})


def _asks(ref: RuleRef) -> _Asked:
    states: frozenset[str] = frozenset()
    flags = False
    for match in ref.rule.matches:
        if not isinstance(match, Match):
            continue
        for option in match.options:
            if option.name in ("ctstate", "state"):
                named = frozenset(option.value)
                states = _ALL_STATES - named if option.negated else named
            elif option.name in ("syn", "tcp-flags"):
                flags = True
    return _Asked(states, flags)
