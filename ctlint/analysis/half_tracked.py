# SPDX-License-Identifier: GPL-2.0-only
"""Connections of which NOTRACK takes one direction: the packets of the other are INVALID.

Where the SYN is not tracked, its SYN/ACK finds no entry and is INVALID. Where the SYN/ACK is not,
the entry stays in SYN_SENT, in which the client's ACK is INVALID (measured on 6.18).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.first_packets import handshake
from ctlint.analysis.flows import Bounds, Flows, Key, Kindred, all_of, exactly
from ctlint.analysis.losses import Cause, RoleReport
from ctlint.analysis.regions import ACK, SYN, SYN_ACK
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stage import HANDSHAKE, stage
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.swept import Swept
from ctlint.analysis.witness import Witnesses
from ctlint.finding import PacketKind, Role, Witness
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.targets import Action, action
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.traverse import EndlessWalkError
from ctlint.scenario.scenario import DIR_NAMES

MAX_TRIED: Final = 40
"""Connections of each role that are looked at by themselves."""


class HalfTracked(NamedTuple):
    """A connection that cannot be opened because one direction is tracked. ``untracks`` is the rule
    that takes the other, ``loses`` what drops the tracked packet, ``packet`` that packet. ``pair``
    takes that one too where it comes in by another interface, ``by``; None where nothing does.
    """

    role: Role
    untracks: RuleRef
    loses: Cause
    packet: PacketKind
    witness: Witness
    pair: RuleRef | None
    by: str


class _Shown(NamedTuple):
    """The packet of a handshake that is lost, by its number, and the rules."""

    number: int
    untracks: RuleRef
    loses: Cause
    packet: PacketKind


def half_tracked(
    chains: ChainStore,
    settings: Settings,
    witnesses: Witnesses,
    reports: Iterable[RoleReport],
) -> Iterator[HalfTracked]:
    """For each role and each rule that takes one direction, one connection that it hinders.
    What the reports' sweeps have found is not asked again.
    """
    untracking = _untracking(chains)
    if not untracking:
        return
    for report in reports:
        role = report.role
        if role is Role.LOOPBACK:
            continue
        seen: set[RuleRef] = set()
        for connection in islice(_hindered(chains, report), MAX_TRIED):
            found = _shown(chains, settings, connection, untracking)
            if found is not None and found.untracks not in seen:
                seen.add(found.untracks)
                # Rule sets may be large, and most connections show the same rule.
                scenario = _scenario(witnesses, settings, connection, found.number + 1)
                answer = {"packet": found.number, "ctstate": "INVALID", "delivered": False}
                witness = Witness(scenario, [answer])
                pair, by = _pair(chains, settings, connection, found, untracking)
                yield HalfTracked(
                    role, found.untracks, found.loses, found.packet, witness, pair, by
                )


def _untracking(chains: ChainStore) -> dict[str, RuleRef]:
    """The rules of raw that have packets not tracked, by their names."""
    raw = chains.ruleset.tables.get("raw")
    refs = (
        RuleRef("raw", chain.name, position, rule)
        for chain in (raw.chains.values() if raw is not None else ())
        for position, rule in enumerate(chain.rules, 1)
        if action(rule.target) is Action.UNTRACK
    )
    return {str(ref): ref for ref in refs}


def _sweepers(chains: ChainStore, report: RoleReport) -> Iterator[Sweeper]:
    """What is asked: the sweeper that has answered before, then one that has its memory free."""
    if report.survey is not None:
        sweeper = report.survey.sweeper
        # Another question, with a bound of its own.
        sweeper.rules = 0
        yield sweeper
    yield Sweeper(chains, Coordinates(report.role, chains.ruleset.family, chains.interfaces))


def _hindered(chains: ChainStore, report: RoleReport) -> Iterator[Connection]:
    """Connections of which a packet of the handshake is lost, as it would not be if both directions
    were tracked.
    """
    for sweeper in _sweepers(chains, report):
        try:
            yield from _hindered_by(sweeper, report.role)
        except TooLargeError:
            continue
        except EndlessWalkError:
            return
        return


def _hindered_by(sweeper: Sweeper, role: Role) -> Iterator[Connection]:
    """The same by one sweeper. Raises TooLargeError and EndlessWalkError."""
    coordinates = sweeper.coordinates
    any_one = Connection(role, coordinates.family, 0, 0, 0, 0, "", "")
    first = any_one.entry(Dir.ORIGINAL)
    answer = any_one.entry(Dir.REPLY, confirmed=True, replied=True)
    later = any_one.entry(Dir.ORIGINAL, confirmed=True, replied=True, assured=True)
    established = CtState.ESTABLISHED
    nothing = sweeper.space.nothing
    syn = Kindred(Dir.ORIGINAL, SYN, CtState.NEW, first, opens=True)
    syn_ack = Kindred(Dir.REPLY, SYN_ACK, established, answer)
    ack = Kindred(Dir.ORIGINAL, ACK, established, later)
    opened = sweeper.send(syn, _plain(coordinates.possible()))
    no_entry = _passed(opened, nothing, untracked=True)
    yield from _lost(coordinates, sweeper, no_entry, syn_ack)
    answered = sweeper.send(syn_ack, _plain(_passed(opened, nothing, untracked=False)))
    no_answer = _passed(answered, nothing, untracked=True)
    yield from _lost(coordinates, sweeper, no_answer, ack)


def _lost(
    coordinates: Coordinates, sweeper: Sweeper, among: PacketSet, packet: Kindred
) -> Iterator[Connection]:
    """For each way of losing it, a connection whose packet is lost as INVALID and passes as
    ESTABLISHED.
    """
    if among.is_empty():
        return
    nothing = sweeper.space.nothing
    alike = sweeper.send(packet, _plain(among))
    fine = all_of(alike.passed, nothing).nominal - alike.elsewhere()
    invalid = packet._replace(ctstate=CtState.INVALID, entry=None, tells_ends=True)
    swept = sweeper.send(invalid, _plain(fine))
    lost = fine - all_of(swept.passed, nothing).possible
    for _, bounds in swept.ends.values():
        connection = _pick(coordinates, bounds, lost)
        if connection is not None:
            yield connection


def _pick(coordinates: Coordinates, bounds: Bounds, lost: PacketSet) -> Connection | None:
    return coordinates.connection(bounds.nominal & lost)


def _plain(connections: PacketSet) -> Flows:
    """Connections that NAT does not translate."""
    return {Key(): exactly(connections)}


def _passed(swept: Swept, nothing: PacketSet, *, untracked: bool) -> PacketSet:
    found = nothing
    for key, each in swept.passed.items():
        if key.is_untracked is untracked and key.translated is None:
            found = found | each.nominal
    return found


def _shown(
    chains: ChainStore,
    settings: Settings,
    connection: Connection,
    untracking: dict[str, RuleRef],
) -> _Shown | None:
    """The connection's handshake, packet by packet, up to the one that is lost."""
    loose = settings.value(TCP_LOOSE) != 0
    untracks: RuleRef | None = None
    opening = handshake(chains, connection, loose=loose, kernel=settings.kernel)
    for number, ((sender, fate), packet) in enumerate(zip(opening, HANDSHAKE, strict=False)):
        if fate.delivered is Tern.UNKNOWN or fate.translated or fate.zoned:
            return None
        taken = [untracking[name] for name in fate.matched if name in untracking]
        if fate.delivered is Tern.TRUE:
            if fate.was_untracked and taken:
                untracks = taken[0]
            continue
        end = fate.ends[-1]
        ctstate = None if end.hook is None else fate.ctstates.get(end.hook)
        if untracks is None or end.cause is None or ctstate is not CtState.INVALID:
            return None
        entry = "none" if number == 1 else "SYN_SENT"
        kind = PacketKind(str(packet["flags"]), DIR_NAMES[sender], entry, "INVALID")
        return _Shown(number, untracks, end.cause, kind)
    return None


def _pair(
    chains: ChainStore,
    settings: Settings,
    connection: Connection,
    shown: _Shown,
    untracking: dict[str, RuleRef],
) -> tuple[RuleRef | None, str]:
    """The rule that takes the lost packet too, where its sender is behind another interface and so
    the connection is opened; and that interface.
    """
    if connection.role is not Role.FORWARD:
        return None, ""
    loose = settings.value(TCP_LOOSE) != 0
    coordinates = Coordinates(connection.role, connection.family, chains.interfaces)
    for name in coordinates.interfaces:
        if shown.packet.dir == "reply":
            other = connection._replace(reply_interface=name)
        else:
            other = connection._replace(orig_interface=name)
        opening = [
            fate for _, fate in handshake(chains, other, loose=loose, kernel=settings.kernel)
        ]
        if len(opening) <= shown.number or any(
            fate.delivered is not Tern.TRUE or fate.translated for fate in opening
        ):
            continue
        taken = [untracking[each] for each in opening[shown.number].matched if each in untracking]
        if taken and opening[shown.number].was_untracked:
            return taken[0], name
    return None, ""


def _scenario(
    witnesses: Witnesses, settings: Settings, connection: Connection, packets: int
) -> dict[str, Any]:
    rules, _ = witnesses.rules(connection, with_nat=False)
    return {
        "name": "a handshake of which one direction is tracked",
        "kernel": settings.kernel.name,
        **rules,
        **stage(connection),
        "packets": list(HANDSHAKE[:packets]),
    }
