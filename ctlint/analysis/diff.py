# SPDX-License-Identifier: GPL-2.0-only
"""Compares two firewalls: all families that both have, and all roles of the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from ctlint.analysis.difference_message import message
from ctlint.analysis.difference_replay import unmet
from ctlint.analysis.difference_scope import scope_of
from ctlint.analysis.difference_witness import Course, Courses
from ctlint.analysis.exposure import exposure
from ctlint.analysis.fate import Disposition
from ctlint.analysis.fault import AnalysisFault
from ctlint.analysis.location import cause_location
from ctlint.analysis.losses import Kind as PacketKind
from ctlint.analysis.losses import Lost, Nature
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
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule import Target
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.chains import ChainStore, RuleRef
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts
from ctlint.model.netfilter.traverse import EndlessWalkError, Open
from ctlint.wire.addresses import Family

_FAMILY_NAMES: Final = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
MAX_NAMED: Final = 100
"""Differences of one kind that are named for a role: a bound on time and on what is printed."""
NOT_COMPARED: Final = "connections that this rule translates are not compared"


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
    differences.sort(key=_order)
    sides = [
        Compared(each.settings.kernel.name, tuple(map(_summary, each.rulesets)), tuple(notes))
        for each, notes in zip((old, new), open_matches, strict=True)
    ]
    return DiffResult(sides[0], sides[1], tuple(differences), tuple(undecided))


def _summary(ruleset: Ruleset) -> InputSummary:
    return InputSummary(ruleset.file, ruleset.family, ruleset.rule_count, tuple(ruleset.tables))


_KIND_ORDER: Final = (
    Kind.NEWLY_STRANDED,
    Kind.NEWLY_DROPPED,
    Kind.NEWLY_ACCEPTED,
    Kind.NO_LONGER_STRANDED,
    Kind.OTHER_CAUSE,
)
_SURENESS: Final = tuple(Confidence)


def _order(each: Difference) -> tuple[object, ...]:
    """The most severe first, then the surest, then those of most ports."""
    place = each.new.location or each.old.location
    return (
        -each.severity.rank,
        _SURENESS.index(each.confidence),
        _KIND_ORDER.index(each.kind),
        -each.breadth,
        each.family,
        place.line if place else 0,
    )


@dataclass(slots=True)
class _Group:
    """Changes of one kind and one pair of causes."""

    first: Change
    packets: PacketSet
    steps: dict[tuple[Step, Step], Change] = field(default_factory=dict)


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
            groups = _grouped(comparison.changes(with_causes=with_causes))
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

    def _most(self, groups: Sequence[_Group]) -> Iterator[_Group]:
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
            name = getattr(ref.rule.target, "name", "")
            yield Undecided(cause_location(ruleset, ref), name, NOT_COMPARED)

    def _difference(self, group: _Group, coordinates: Coordinates) -> Difference | None:
        """None where only a host talks to itself."""
        changes = sorted(group.steps.values(), key=lambda change: _weight(change.step, self.role))
        decisive, connection = None, None
        for change in changes:
            connection = coordinates.connection(change.packets)
            if connection is not None:
                decisive = change
                break
        if decisive is None or connection is None:
            return None
        changes.remove(decisive)
        kind = decisive.kind
        courses = self._courses(decisive, connection)
        lost_in = courses[0] if kind.loser == "old" else courses[1]
        confidence = Confidence.POSSIBLE
        if decisive.is_certain:
            confidence = Confidence.CERTAIN if lost_in.ends == 1 else Confidence.LIKELY
        old, new = self._decisions(decisive)
        scope = scope_of(group.packets, coordinates)
        packets = tuple(dict.fromkeys(_packet(change) for change in (decisive, *changes)))
        return Difference(
            kind=kind,
            severity=self._severity(kind),
            confidence=confidence,
            message=message(kind, self.role, _packets_of(decisive), old, new, scope),
            family=self.family,
            role=self.role,
            old=old,
            new=new,
            packets=packets,
            scope=scope,
            breadth=_breadth(scope),
            old_witness=courses[0].witness,
            new_witness=courses[1].witness,
            stranded=self._stranded(decisive),
        )

    def _courses(self, change: Change, connection: Connection) -> tuple[Course, Course]:
        """The witnesses, which the model has played. Raises AnalysisFault."""
        title = f"{change.kind.value}, {self.role.value}"
        played = []
        for courses, name in zip(self.courses, ("old", "new"), strict=True):
            said = f"{title}: {name} rules"
            is_lost = change.kind is Kind.OTHER_CAUSE or change.kind.loser == name
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
        return played[0], played[1]

    def _decisions(self, change: Change) -> tuple[Decision, Decision]:
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

    def _severity(self, kind: Kind) -> Severity:
        if kind is Kind.NEWLY_STRANDED:
            return exposure(self.firewalls[1].settings).severity
        if kind in (Kind.NO_LONGER_STRANDED, Kind.OTHER_CAUSE):
            return Severity.NOTE
        if kind is Kind.NEWLY_ACCEPTED and self.role is Role.SERVER and self.is_all_open:
            return Severity.ERROR
        return Severity.WARNING

    def _stranded(self, change: Change) -> Stranded | None:
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
            nature=Nature.CATCH_ALL,
            dropped_by=end.cause,
        )
        side = 0 if change.kind.loser == "old" else 1
        return stranded_by(lost, self.role, self.firewalls[side].settings)


def _grouped(changes: Iterator[Change]) -> list[_Group]:
    groups: dict[tuple[object, ...], _Group] = {}
    for change in changes:
        loss = change.loss
        key = (
            change.kind,
            change.is_certain,
            change.step.phase,
            _key(loss.end.cause),
            loss.end.disposition,
            _key(change.other),
        )
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(change, change.packets)
        else:
            group.packets = group.packets | change.packets
        steps = change.step_of("old"), change.step
        known = group.steps.get(steps)
        if known is not None:
            change = known._replace(packets=known.packets | change.packets)
        group.steps[steps] = change
    return list(groups.values())


def _key(cause: Cause | None) -> tuple[object, ...] | None:
    if cause is None:
        return None
    return cause.table, cause.chain, cause.position if isinstance(cause, RuleRef) else None


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
    return getattr(item.ref.rule.target, "name", "")
