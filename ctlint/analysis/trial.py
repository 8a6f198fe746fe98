# SPDX-License-Identifier: GPL-2.0-only
"""A rule set with changes, asked again about what it lost before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ctlint.analysis.blame import blame
from ctlint.analysis.coordinates import PATHS
from ctlint.analysis.first_packets import first_after_expiry
from ctlint.analysis.losses import Cause, Kind, RoleReport, Stranding, Survey
from ctlint.analysis.opening import (
    CLASSES,
    WHOSE,
    FirstPackets,
    Opening,
    all_packets,
    paths_of,
    surely_lost,
    translated_of,
)
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.swept import Swept
from ctlint.analysis.variant import Change, Insertion, altered
from ctlint.finding import Role
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule import AnyMatch, Match, Rule
from ctlint.ir.rule_ref import RuleRef
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.ready import Question
from ctlint.model.netfilter.tern import Tern
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags


class Packet(NamedTuple):
    """A packet that an end may send next."""

    sender: Dir
    kind: Kind


class Outcome(NamedTuple):
    """What becomes of the packets of a stranding: which pass now (``is_certain``: all of them,
    whatever undecided matches say), and which are still lost, each with the causes. ``is_whole``:
    all connections were asked, not samples.
    """

    passing: tuple[Packet, ...]
    left: dict[Packet, tuple[Cause, ...]]
    is_certain: bool
    is_whole: bool


class Trial:
    """One rule set with changes. Methods raise TooLargeError."""

    def __init__(self, chains: ChainStore, settings: Settings, changes: tuple[Change, ...]) -> None:
        self.changes = changes
        self.before = chains
        self.chains = chains.altered(altered(chains.ruleset, changes))
        self._loose = settings.value(TCP_LOOSE) != 0
        self._kernel = settings.kernel
        self._first = FirstPackets(loose=self._loose, kernel=self._kernel)
        self._sweepers: dict[Role, Sweeper] = {}
        self._known: dict[tuple[Role, Dir], list[tuple[TcpFlags, Swept]]] = {}
        self._concerned: dict[TcpFlags, tuple[Rule, ...]] = {}
        places = (paths_of(chains.ruleset, *_place(change)) for change in changes)
        self._paths = tuple(dict.fromkeys(path for paths in places for path in paths))

    @property
    def asked(self) -> int:
        """How many rules were asked."""
        return sum(sweeper.rules for sweeper in self._sweepers.values())

    def outcome(self, stranding: Stranding, report: RoleReport) -> Outcome:
        """What becomes of the packets that a cause lost."""
        if report.survey is None:
            return self._of_samples(stranding)
        passing, left, is_certain = [], {}, True
        for packet, before in _lost(stranding, report.survey).items():
            swept = self._swept(report.survey, packet.sender, packet.kind.flags)
            still = surely_lost(swept, before, report.survey.sweeper.space.nothing)
            if still.is_empty():
                passing.append(packet)
                is_certain = is_certain and (before & swept.elsewhere()).is_empty()
            else:
                sweeper = self._sweeper(report.survey)
                ends = self._first.ends(sweeper, packet.sender, packet.kind.flags, still)
                left[packet] = tuple(dict.fromkeys(map(self.as_before, _causes(ends, still))))
        return Outcome(tuple(passing), left, is_certain, is_whole=True)

    def mends(self, stranding: Stranding, survey: Survey) -> bool:
        """Whether nothing is lost to the cause any more."""
        lost = _lost(stranding, survey)
        nothing = survey.sweeper.space.nothing
        # What the changes cannot touch is lost still: no need to ask of the rest.
        if not lost or not all(self._touches(stranding.role, *packet) for packet in lost):
            return False
        return all(
            surely_lost(self._swept(survey, sender, kind.flags), before, nothing).is_empty()
            for (sender, kind), before in lost.items()
        )

    def _of_samples(self, stranding: Stranding) -> Outcome:
        causes: dict[Packet, dict[Cause, None]] = {}
        is_certain = True
        for case in stranding.cases:
            for lost in case.lost:
                if lost.cause not in (stranding.cause, *stranding.alike):
                    continue
                known = causes.setdefault(Packet(lost.sender, lost.kind), {})
                fate = first_after_expiry(
                    self.chains,
                    case.connection,
                    lost.sender,
                    lost.kind,
                    loose=self._loose,
                    kernel=self._kernel,
                )
                if fate.delivered is Tern.FALSE and fate.ends[-1].cause is not None:
                    known[self.as_before(fate.ends[-1].cause)] = None
                is_certain = is_certain and fate.delivered is not Tern.UNKNOWN
        passing = tuple(packet for packet, known in causes.items() if not known)
        left = {packet: tuple(known) for packet, known in causes.items() if known}
        return Outcome(passing, left, is_certain, is_whole=False)

    def loses_ack(self, stranding: Stranding, fin: Packet) -> Cause | None:
        """What loses the answer to a FIN that passes now: without it the FIN is not done."""
        fate = first_after_expiry(
            self.chains,
            stranding.case.connection,
            fin.sender.other,
            Kind.ACK,
            loose=self._loose,
            kernel=self._kernel,
        )
        cause = fate.ends[-1].cause
        if fate.delivered is not Tern.FALSE or cause is None:
            return None
        return self.as_before(cause)

    def as_before(self, cause: Cause) -> Cause:
        """The same with its place in the rule set without the changes."""
        if not isinstance(cause, RuleRef):
            return cause
        rules = self.before.ruleset.tables[cause.table].chains[cause.chain].rules
        for position, rule in enumerate(rules, 1):
            if rule is cause.rule:
                return cause._replace(position=position)
        return cause

    def _swept(self, survey: Survey, sender: Dir, flags: TcpFlags) -> Swept:
        """What becomes of packets with these flags now."""
        role = survey.sweeper.coordinates.role
        before = self._first.swept(survey.sweeper, sender, flags)
        concerned = self._concerning(flags)
        if not concerned or PATHS[role][sender] not in self._paths:
            return before
        known = self._known.setdefault((role, sender), [])
        for other, swept in known:
            # Nothing told them apart before, and what is new does not either.
            alike = self._first.swept(survey.sweeper, sender, other) is before
            if alike and self._concerning(other) == concerned:
                return swept
        swept = self._first.swept_anew(self._sweeper(survey), sender, flags)
        known.append((flags, swept))
        return swept

    def _sweeper(self, survey: Survey) -> Sweeper:
        role = survey.sweeper.coordinates.role
        if role not in self._sweepers:
            self._sweepers[role] = survey.sweeper.over(self.chains)
        return self._sweepers[role]

    def _touches(self, role: Role, sender: Dir, kind: Kind) -> bool:
        return PATHS[role][sender] in self._paths and bool(self._concerning(kind.flags))

    def _concerning(self, flags: TcpFlags) -> tuple[Rule, ...]:
        """The rules that come or go which packets with these flags can match, without what these
        ask of flags.
        """
        if flags not in self._concerned:
            ctstate = self._first.ctstate(flags)
            found = {
                id(rule): rule
                for change in self.changes
                for chains in (self.before, self.chains)
                for rule in _matching(chains, change, flags, ctstate)
            }
            self._concerned[flags] = tuple(map(_without_flags, found.values()))
        return self._concerned[flags]

    # What is let through

    def openings(self, surveys: dict[Role, Survey]) -> Iterator[Opening]:
        """What was dropped before and may pass now, path by path, as far as they were surveyed."""
        for path in self._paths:
            survey = surveys.get(WHOSE[path])
            if survey is not None:
                yield from self._of_path(path, survey)

    def _of_path(self, path: Path, survey: Survey) -> Iterator[Opening]:
        found: list[tuple[PacketSet, list[tuple[CtState, str]]]] = []
        nothing = survey.sweeper.space.nothing
        everything = all_packets(survey.sweeper.coordinates)
        for name, flags in CLASSES:
            if not self._concerning(flags):
                continue
            before = self._first.swept(survey.sweeper, Dir.ORIGINAL, flags)
            was_lost = surely_lost(before, everything, nothing)
            if was_lost.is_empty():
                continue
            after = self._swept(survey, Dir.ORIGINAL, flags)
            more = was_lost - surely_lost(after, was_lost, nothing)
            _add(found, more, self._first.ctstate(flags), name)
        for packets, kinds in found:
            translated: tuple[RuleRef, ...] = ()
            is_invalid = any(ctstate is CtState.INVALID for ctstate, _ in kinds)
            if is_invalid and "nat" in self.before.ruleset.tables:
                syn = self._first.opening(survey.sweeper)
                translated = translated_of(path, packets, syn, survey.sweeper)
            yield Opening(path, tuple(kinds), packets, translated)


def openings_of_loose(surveys: Mapping[Role, Survey], kernel: KernelProfile) -> Iterator[Opening]:
    """What may pass with nf_conntrack_tcp_loose=1 and is dropped with 0. Raises TooLargeError."""
    strict, loose = (FirstPackets(loose=on, kernel=kernel) for on in (False, True))
    for path, role in WHOSE.items():
        if role not in surveys:
            continue
        sweeper = surveys[role].sweeper
        nothing, everything = sweeper.space.nothing, all_packets(sweeper.coordinates)
        found: list[tuple[PacketSet, list[tuple[CtState, str]]]] = []
        for name, flags in CLASSES:
            if strict.ctstate(flags) is loose.ctstate(flags):
                continue
            was_lost = surely_lost(strict.swept(sweeper, Dir.ORIGINAL, flags), everything, nothing)
            after = loose.swept(sweeper, Dir.ORIGINAL, flags)
            _add(
                found, was_lost - surely_lost(after, was_lost, nothing), loose.ctstate(flags), name
            )
        for packets, kinds in found:
            yield Opening(path, tuple(kinds), packets)


def _add(
    found: list[tuple[PacketSet, list[tuple[CtState, str]]]],
    more: PacketSet,
    ctstate: CtState,
    name: str,
) -> None:
    """Adds a kind of packet to those of the same set."""
    if more.is_empty():
        return
    same = next((kinds for packets, kinds in found if packets == more), None)
    if same is None:
        found.append((more, [(ctstate, name)]))
    else:
        same.append((ctstate, name))


def _lost(stranding: Stranding, survey: Survey) -> dict[Packet, PacketSet]:
    """The connections of which a cause loses a packet, by packet."""
    found: dict[Packet, PacketSet] = {}
    for cause in (stranding.cause, *stranding.alike):
        for sender, kind, packets in survey.lost.get(cause, ()):
            packet = Packet(sender, kind)
            found[packet] = found[packet] | packets if packet in found else packets
    return found


def _matching(
    chains: ChainStore, change: Change, flags: TcpFlags, ctstate: CtState
) -> Iterator[Rule]:
    """The rules of a change that such packets can match."""
    table, chain = _place(change)
    own = set(map(id, change.rules))
    if not isinstance(change, Insertion):
        own.add(id(change.ref.rule))
    for state in (None,) if table == "raw" else (int(ctstate), int(CtState.UNTRACKED)):
        ready = chains.specialise(table, chain, Question(TCP, int(flags), state))
        for each in ready.rules if ready is not None else ():
            if id(each.ref.rule) in own:
                yield each.ref.rule


def _without_flags(rule: Rule) -> Rule:
    matches: list[AnyMatch] = []
    for match in rule.matches:
        if isinstance(match, Match):
            rest = (o for o in match.options if o.name not in ("tcp-flags", "syn"))
            matches.append(match._replace(options=tuple(rest)))
        else:
            matches.append(match)
    return rule._replace(matches=tuple(matches))


def _place(change: Change) -> tuple[str, str]:
    if isinstance(change, Insertion):
        return change.table, change.chain
    return change.ref.table, change.ref.chain


def _causes(swept: Swept, among: PacketSet) -> Iterator[Cause]:
    for end, (ctstate, bounds) in swept.ends.items():
        if end.cause is not None and not (bounds.nominal & among).is_empty():
            yield blame(end, ctstate)
