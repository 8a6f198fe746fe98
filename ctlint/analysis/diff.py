# SPDX-License-Identifier: GPL-2.0-only
"""Compares two firewalls: all families that both have, and all roles of the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from ctlint.analysis.comparison import Change, Comparison, Step
from ctlint.analysis.connection import Connection
from ctlint.analysis.consequence import stranded_by
from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.difference import (
    Compared,
    Decision,
    Difference,
    DiffResult,
    Kind,
    Packet,
    Phase,
    Scope,
)
from ctlint.analysis.difference_groups import Group, grouped
from ctlint.analysis.difference_message import message, say_translation
from ctlint.analysis.difference_order import distinct, order
from ctlint.analysis.difference_replay import unmet
from ctlint.analysis.difference_scope import scope_of
from ctlint.analysis.difference_witness import Course, Courses
from ctlint.analysis.exposure import exposure
from ctlint.analysis.fate import Disposition
from ctlint.analysis.fault import AnalysisFault
from ctlint.analysis.location import cause_location
from ctlint.analysis.losses import Kind as PacketKind
from ctlint.analysis.losses import Lost, Nature
from ctlint.analysis.retranslation import Way
from ctlint.analysis.settings import Settings
from ctlint.analysis.side import Cause, Side
from ctlint.analysis.stage import home_of
from ctlint.finding import (
    Confidence,
    InputSummary,
    Location,
    Role,
    Severity,
    Stranded,
    Undecided,
)
from ctlint.headerspace.space import TooLargeError
from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import EndlessWalkError, Open
from ctlint.wire.addresses import Family

_FAMILY_NAMES: Final = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
MAX_NAMED: Final = 100
"""Differences of one kind that are named for a role: a bound on time and on what is printed."""
NOT_COMPARED: Final = "what this rule makes of connections is not told: they are not compared"
NOT_PLAYED: Final = "what differs of connections that this rule translates cannot be played"


class Firewall(NamedTuple):
    """The rule sets of a host and what they run under."""

    rulesets: Sequence[Ruleset]
    settings: Settings
    facts: Facts

    def of(self, family: Family) -> Ruleset | None:
        """Its rule set of a family."""
        return next((each for each in self.rulesets if each.family is family), None)


class FamiliesDifferError(Exception):
    """One firewall has rules of one family alone, the other of the other alone."""


def diff(old: Firewall, new: Firewall, *, with_causes: bool = False) -> DiffResult:
    """All that differs. ``with_causes``: also what is lost before and now to another cause.

    Raises FamiliesDifferError, BadSettingError, and AnalysisFault where a witness does not show it.
    """
    families = [family for family in Family if old.of(family) and new.of(family)]
    if not families:
        raise FamiliesDifferError
    undecided: list[Undecided] = []
    differences: list[Difference] = []
    open_matches: tuple[list[Undecided], list[Undecided]] = ([], [])
    for family in Family:
        one, other = old.of(family), new.of(family)
        if one is not None and other is not None:
            for role in Role:
                pair = _Pair(old, new, one, other, role)
                differences += pair.differences(with_causes=with_causes)
                undecided += pair.undecided
                for notes, more in zip(open_matches, pair.notes, strict=True):
                    notes += (note for note in more if note not in notes)
        elif alone := one or other:
            why = f"only one side has {_FAMILY_NAMES[family]} rules: they are not compared"
            undecided.append(Undecided(Location(alone.file, 1), "", why))
    differences = sorted(distinct(differences), key=order)
    sides = [
        Compared(each.settings.kernel.name, tuple(map(_summary, each.rulesets)), tuple(notes))
        for each, notes in zip((old, new), open_matches, strict=True)
    ]
    return DiffResult(sides[0], sides[1], tuple(differences), tuple(undecided))


def _summary(ruleset: Ruleset) -> InputSummary:
    return InputSummary(ruleset.file, ruleset.family, ruleset.rule_count, tuple(ruleset.tables))


class _Pair:
    """Two rule sets of one family, for one role."""

    def __init__(
        self, old: Firewall, new: Firewall, one: Ruleset, other: Ruleset, role: Role
    ) -> None:
        self.role = role
        self.family = one.family
        self.firewalls = (old, new)
        self.rulesets = (one, other)
        self.chains = (ChainStore(one, old.facts), ChainStore(other, new.facts))
        self.courses = (
            Courses(self.chains[0], old.settings),
            Courses(self.chains[1], new.settings),
        )
        self.is_all_open = False
        """Whether the new rules let every connection of the role be opened."""
        self.undecided: list[Undecided] = []
        self.notes: tuple[list[Undecided], list[Undecided]] = ([], [])

    def differences(self, *, with_causes: bool) -> list[Difference]:
        try:
            patterns = dict.fromkeys(name for one in self.chains for name in one.interfaces)
            coordinates = Coordinates(self.role, self.family, tuple(patterns))
            sides = [
                Side(chains, firewall.settings, coordinates)
                for chains, firewall in zip(self.chains, self.firewalls, strict=True)
            ]
            comparison = Comparison(sides[0], sides[1], coordinates)
            self.is_all_open = comparison.is_all_open()
            groups = grouped(comparison.changes(with_causes=with_causes), coordinates)
            found = [
                difference
                for group in self._most(groups)
                if (difference := self._difference(group, coordinates)) is not None
            ]
        except TooLargeError:
            self._leave_out("all connections together are too many sets")
            return []
        except EndlessWalkError as error:
            self._leave_out(str(error))
            return []
        for index, side in enumerate(sides):
            self.notes[index].extend(self._notes(index, side))
        return found

    def _most(self, groups: Sequence[Group]) -> Iterator[Group]:
        """As many of each kind as are named; what is left out is said."""
        counts: dict[tuple[Kind, bool], int] = {}
        for group in groups:
            key = group.first.kind, group.first.is_certain
            counts[key] = counts.get(key, 0) + 1
            if counts[key] <= MAX_NAMED:
                yield group
        for (kind, _), count in counts.items():
            if count > MAX_NAMED:
                place = Location(self.rulesets[1].file, 1)
                more = f"{count - MAX_NAMED:,} more differences of the kind {kind.value}"
                said = f"role {self.role.value}: {more} are not named"
                self.undecided.append(Undecided(place, "", said))

    def _leave_out(self, why: str) -> None:
        place = Location(self.rulesets[1].file, 1)
        said = f"role {self.role.value}: not compared: {why}"
        self.undecided.append(Undecided(place, "", said))

    def _notes(self, index: int, side: Side) -> Iterator[Undecided]:
        """What a side leaves open."""
        ruleset = self.rulesets[index]
        for item in side.surveyor.open:
            yield Undecided(cause_location(ruleset, item.ref), _name(item), item.why)
        for ref in side.translating:
            yield Undecided(cause_location(ruleset, ref), _target(ref), NOT_COMPARED)

    def _difference(self, group: Group, coordinates: Coordinates) -> Difference | None:
        """None where only a host talks to itself, or it cannot be played."""
        changes = sorted(group.parts.values(), key=lambda change: _weight(change.step, self.role))
        decisive, connections = None, None
        for change in changes:
            connections = coordinates.connections(change.packets, change.ways)
            if connections is not None:
                decisive = change
                break
        courses = None
        if decisive is not None and connections is not None:
            courses = self._courses(decisive, connections)
        if decisive is None or connections is None or courses is None:
            self._note_unplayed(changes[0])
            return None
        changes.remove(decisive)
        kind = decisive.kind
        role = connections[decisive.way is not decisive.ways[0]].final_role
        lost_in = courses[0] if kind.loser == "old" else courses[1]
        confidence = Confidence.POSSIBLE
        if decisive.is_certain:
            confidence = Confidence.CERTAIN if lost_in.ends == 1 else Confidence.LIKELY
        old, new = (
            self._with_nat(side, decision, group.way(side))
            for side, decision in enumerate(self._deciding(decisive))
        )
        scope = scope_of(group.packets, coordinates, role)
        packets = tuple(dict.fromkeys(_packet(change) for change in (decisive, *changes)))
        return Difference(
            kind=kind,
            severity=self._severity(decisive, role),
            confidence=confidence,
            message=message(kind, role, _packets_of(decisive), old, new, scope),
            family=self.family,
            role=role,
            old=old,
            new=new,
            packets=packets,
            scope=scope,
            breadth=_breadth(scope),
            old_witness=courses[0].witness,
            new_witness=courses[1].witness,
            stranded=self._stranded(decisive, role),
        )

    def _note_unplayed(self, change: Change) -> None:
        for index, way in enumerate(change.ways):
            for ref in way.rules if way is not None else ():
                place = cause_location(self.rulesets[index], ref)
                note = Undecided(place, _target(ref), NOT_PLAYED)
                if note not in self.notes[index]:
                    self.notes[index].append(note)

    def _courses(
        self, change: Change, connections: Sequence[Connection]
    ) -> tuple[Course, Course] | None:
        """The witnesses, which the model has played; None where it cannot. Raises AnalysisFault."""
        title = f"{change.kind.value}, {self.role.value}"
        played: list[Course] = []
        is_misdirected = change.loss.end.disposition is Disposition.MISDIRECTED
        before = change.other_loss
        if before is not None and before.end.disposition is Disposition.MISDIRECTED:
            is_misdirected = True
        with_nat = is_misdirected or any(way is not None for way in change.ways)
        both = zip(self.courses, ("old", "new"), connections, strict=True)
        for courses, name, connection in both:
            said = f"{title}: {name} rules"
            is_lost = change.kind is Kind.OTHER_CAUSE or change.kind.loser == name
            found: Course | None
            if with_nat:
                found = courses.played(connection, change.step_of(name), said)
                if found is None:
                    return None
            else:
                arrives = not is_lost if change.is_certain else None
                found = courses.course(connection, change.step_of(name), said, arrives=arrives)
            missing = unmet(found.witness)
            scenario, expect = found.witness.scenario, list(found.witness.expect)
            if missing:
                raise AnalysisFault(f"{said} do not give it", scenario, expect, missing)
            if change.is_certain and found.arrives is Tern.of(is_lost):
                wanted = "lost" if is_lost else "not lost"
                raise AnalysisFault(f"{said}: of that one alone not", scenario, wanted, expect)
            played.append(found)
        one, other = played
        if change.kind.is_of_nat and change.is_certain and one.server_sees == other.server_sees:
            scenario, expect = other.witness.scenario, list(other.witness.expect)
            raise AnalysisFault(f"{title}: both translate alike", scenario, "otherwise", expect)
        return one, other

    def _with_nat(self, index: int, decision: Decision, way: Way) -> Decision:
        """The decision with what NAT makes of the connection there."""
        if way is None:
            return decision
        places = tuple(cause_location(self.rulesets[index], ref) for ref in way.rules)
        return replace(decision, translated_by=places, becomes=say_translation(way, self.family))

    def _deciding(self, change: Change) -> tuple[Decision, Decision]:
        if change.kind.is_of_nat:
            refs = (None if way is None else way.rules[0] for way in change.ways)
            old, new = (
                self._decision(index, ref, Disposition.DELIVERED) for index, ref in enumerate(refs)
            )
            return old, new
        loser = 0 if change.kind.loser == "old" else 1
        lost = self._decision(loser, change.loss.end.cause, change.loss.end.disposition)
        if change.other_loss is not None:
            end = change.other_loss.end
            return self._decision(0, end.cause, end.disposition), lost
        passed = self._decision(1 - loser, change.other, Disposition.DELIVERED)
        return (lost, passed) if loser == 0 else (passed, lost)

    def _decision(self, index: int, cause: Cause | None, disposition: Disposition) -> Decision:
        if cause is None:
            return Decision(disposition, None)
        rejects_with = None
        target = cause.rule.target if isinstance(cause, RuleRef) else None
        if disposition is Disposition.REJECTED and isinstance(target, Target):
            option = target.get("reject-with")
            rejects_with = None if option is None else str(option.value)
        return Decision(disposition, cause_location(self.rulesets[index], cause), rejects_with)

    def _severity(self, change: Change, role: Role) -> Severity:
        kind = change.kind
        if kind.is_of_nat:
            return Severity.WARNING if change.leads_elsewhere else Severity.NOTE
        if kind is Kind.NEWLY_STRANDED:
            return exposure(self.firewalls[1].settings).severity
        if kind in (Kind.NO_LONGER_STRANDED, Kind.OTHER_CAUSE):
            return Severity.NOTE
        if kind is Kind.NEWLY_ACCEPTED and role is Role.SERVER is self.role and self.is_all_open:
            return Severity.ERROR
        return Severity.WARNING

    def _stranded(self, change: Change, role: Role) -> Stranded | None:
        step, end = change.step, change.loss.end
        kind = PacketKind(step.flags) if step.phase is Phase.EXPIRED else None
        if kind is None or kind is PacketKind.ACK or change.kind is Kind.OTHER_CAUSE:
            return None
        if end.disposition is Disposition.REJECTED or end.cause is None or end.hook is None:
            # A RST may close the socket.
            return None
        lost = Lost(
            step.sender,
            kind,
            change.loss.ctstate,
            end.cause,
            end.hook,
            rejected=False,
            nature=(
                Nature.TRANSLATION
                if end.disposition is Disposition.MISDIRECTED
                else Nature.CATCH_ALL
            ),
            dropped_by=end.cause,
        )
        side = 0 if change.kind.loser == "old" else 1
        return stranded_by(lost, role, self.firewalls[side].settings)


_KINDS: Final = (PacketKind.FIN, PacketKind.RST, PacketKind.DATA, PacketKind.ACK)
_NAMES: Final = {Dir.ORIGINAL: "orig", Dir.REPLY: "reply"}


def _weight(step: Step, role: Role) -> tuple[int, bool]:
    """The order of packets: as they are sent; of open connections, what strands the host first."""
    if step.phase is Phase.OPENING:
        return 0, False
    return _KINDS.index(PacketKind(step.flags)), step.sender is not home_of(role)


def _packet(change: Change) -> Packet:
    return _packets_of(change)[1]


def _packets_of(change: Change) -> tuple[Packet, Packet]:
    """The packet that decides before, and the one that does now."""
    ctstates = (change.other_loss or change.loss).ctstate, change.loss.ctstate
    steps = change.step_of("old"), change.step
    old, new = (
        Packet(step.phase, _NAMES[step.sender], step.flags.letters, ctstate.name or "")
        for step, ctstate in zip(steps, ctstates, strict=True)
    )
    return old, new


def _breadth(scope: Scope) -> int:
    if not scope.ports:
        return 0xFFFF
    return sum(high - low + 1 for low, high in scope.ports)


def _name(item: Open) -> str:
    if item.match is not None:
        return item.match.name
    return _target(item.ref)


def _target(ref: RuleRef) -> str:
    return getattr(ref.rule.target, "name", "")
