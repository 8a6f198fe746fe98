# SPDX-License-Identifier: GPL-2.0-only
"""Which closes are lost when conntrack has forgotten a connection.

For every role and every candidate connection that the rules let become established, each packet
that an end may send next is judged as the first that conntrack sees, and sent through the rules.
What is lost is grouped by cause: the rule or policy that lost it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ctlint.analysis.blame import as_another, blame, lost_by, misled, untranslated
from ctlint.analysis.candidates import Candidates
from ctlint.analysis.common import Common
from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import SERVER_PORT, Coordinates
from ctlint.analysis.fate import send
from ctlint.analysis.first_packets import first_after_expiry, handshake
from ctlint.analysis.grouping import grouped
from ctlint.analysis.losses import (
    Case,
    Cause,
    Kind,
    RoleReport,
    Survey,
)
from ctlint.analysis.regions import OPENING, SYN, SYN_ACK, Opened, Region, Surveyor
from ctlint.analysis.rewriting import Translated
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.translated import is_martian, play
from ctlint.finding import Confidence, Role
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule_ref import RuleRef, ref_named
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.tern import Tern, conjunction
from ctlint.model.netfilter.traverse import Open

MAX_STEPS: Final = 250_000
"""Rules given to walks for one role: a bound on time. What is left out is said."""

MANY_FAILED: Final = 400
FEW_TRIES: Final = 3
"""Behind so many connections that could not be established, so few are tried for each need: rules
that let few connections through would otherwise take the time of all.
"""


_TAKEN: Final = "the address that it gives is taken for another host's, and may be this one's"
_MOST_TAKEN: Final = 24
_DRAWN: Final = "the port is drawn by lot anew: what finds no entry may get another"


def examine(
    chains: ChainStore, role: Role, settings: Settings, common: Common | None = None
) -> RoleReport:
    """Find the strandings of one role: of all connections, or of samples where that is too much.
    What the roles of these chains have in common is kept in ``common``.
    """
    report = RoleReport(role)
    examiner = _Examiner(chains, settings, report)
    try:
        examiner.survey(common or Common(chains))
    except TooLargeError:
        report = RoleReport(role, was_sampled=True)
        examiner = _Examiner(chains, settings, report)
        candidates = Candidates(chains, role, chains.ruleset.family)
        for group in candidates.groups():
            examiner.try_group(group)
            if report.ran_out:
                break
        report.left_out = candidates.left_out
        report.was_cut = candidates.was_cut
    report.strandings = list(grouped(report))
    return report


_END: Final = {Dir.ORIGINAL: "client", Dir.REPLY: "server"}


class DisagreementError(Exception):
    """A connection fares otherwise by itself than in the set of those like it: our fault.

    `expected` is what was found of the set, `got` what was found of the connection.
    """

    def __init__(self, connection: Connection, expected: str, got: str) -> None:
        super().__init__(f"of connections like one: {expected}; of that one: {got}")
        self.connection = connection
        self.expected = expected
        self.got = got


class _Examiner:
    def __init__(self, chains: ChainStore, settings: Settings, report: RoleReport) -> None:
        self.chains = chains
        self.report = report
        self.settings = settings
        self.kernel = settings.kernel
        self.loose = settings.value(TCP_LOOSE) != 0
        self.limit = chains.steps + MAX_STEPS
        self.seen: set[Connection] = set()
        self.failed = 0
        self.open: set[tuple[object, ...]] = set()
        self.judged: PacketSet
        self.alone: list[tuple[Case, PacketSet]] = []
        """The connections of the cases, all and each, where sets are looked at."""

    def survey(self, common: Common) -> None:
        """Judge a connection of each set of those that lose a packet in the same way.

        Raises TooLargeError where not all of the report is written.
        """
        coordinates = Coordinates(
            self.report.role,
            self.chains.ruleset.family,
            self.chains.interfaces,
            common.space_over,
        )
        self.judged = coordinates.space.nothing
        sweeper = Sweeper(self.chains, coordinates, common)
        surveyor = Surveyor(sweeper, loose=self.loose, kernel=self.kernel)
        opened = surveyor.established()
        found = [
            (kind, region)
            for sender in Dir
            for kind in Kind
            for region in surveyor.lost(opened, sender, kind.flags)
        ]
        survey = self.report.survey = Survey(sweeper)
        usual = opened.possible if opened.certain.is_empty() else opened.certain
        self.judge_one(coordinates, usual)
        ports: dict[int, tuple[Range, ...]] = {}
        for kind, region in found:
            cause = blame(region.end, region.ctstate)
            if id(region.possible) not in ports:
                # Packets that fare alike have regions in common.
                ports[id(region.possible)] = region.possible.values(SERVER_PORT)
            self.note_ports(self.report.role, cause, ports[id(region.possible)])
            survey.lost.setdefault(cause, []).append((region.sender, kind, region.possible))
            self.judge_region(coordinates, kind, region)
        # The plainest come first, so that they stand for their rules.
        for translated in sorted(surveyor.translated, key=lambda one: len(one.rules)):
            for part in surveyor.parts(surveyor.translated[translated]):
                self.judge_translated(coordinates, translated, part)
        self.note_open(surveyor.open)
        taken = list(sweeper.taken_for_another.values())[:_MOST_TAKEN]
        self.note_open(Open(ref, None, _TAKEN) for ref in taken)
        self.note_translating(surveyor.translating)
        self.report.always = {cause: Kind(flags) for cause, flags in surveyor.always.items()}

    def note_ports(self, role: Role, cause: Cause, ports: Iterable[Range]) -> None:
        self.report.ports.setdefault((role, cause), set()).update(ports)

    def judge_translated(
        self, coordinates: Coordinates, translated: Translated, opened: Opened
    ) -> None:
        """A case of the connections that NAT translates in one way: the close of each is lost."""
        is_certain = not opened.certain.is_empty()
        packets = opened.certain if is_certain else opened.possible
        connection = coordinates.connection(packets, translated)
        played = None
        if connection is not None and not is_martian(
            connection.role, connection.family, translated
        ):
            kinds = [(kind.flags, int(kind is Kind.DATA)) for kind in Kind]
            played = play(self.chains, connection, kinds, self.settings)
        if connection is None or played is None or (played.is_opened is False and not is_certain):
            self.note_translating(translated.rules)
            return
        if played.is_opened is False:
            raise DisagreementError(connection, "they can be opened", "it cannot be opened")
        if not is_certain and any(
            arrival.arrives and Kind(flags) in (Kind.FIN, Kind.RST)
            for (_, flags), arrival in played.arrivals.items()
        ):
            # Nothing translates this one: a match that is not decided of all is false of it.
            self.note_translating(translated.rules)
            return
        self.note_open(
            Open(ref_named(self.chains.ruleset, words), None, why)
            for words, why in played.open.items()
        )
        is_sure = is_certain and played.is_opened is True
        case = Case(connection, Confidence.CERTAIN if is_sure else Confidence.POSSIBLE, [], set())
        ports = opened.possible.values(SERVER_PORT)
        self.note_ports(connection.final_role, translated.rules[0], ports)
        for kind in Kind:
            for sender in Dir:
                arrival = played.arrivals.get((sender, kind.flags))
                is_close = kind in (Kind.FIN, Kind.RST)
                if arrival is not None and (arrival.arrives or arrival.is_by_lot):
                    if is_close:
                        raise DisagreementError(
                            connection,
                            f"nothing translates the {kind.name} of the {_END[sender]}",
                            "it arrives",
                        )
                    if translated.drawn:
                        self.note_open(Open(ref, None, _DRAWN) for ref in translated.drawn)
                    else:
                        case.passed.add((sender, kind))
                elif is_close or (arrival is not None and arrival.arrives is False):
                    case.lost.append(untranslated(sender, kind, translated, arrival))
        self.report.cases.append(case)

    def judge_one(self, coordinates: Coordinates, packets: PacketSet) -> Case | None:
        """A case of a set that holds what can be opened; None where only a host talks to itself."""
        if not (packets & self.judged).is_empty():
            for case, itself in self.alone:
                if not (packets & itself).is_empty():
                    return case
        connection = coordinates.connection(packets)
        if connection is None:
            return None
        established = self.establish(connection)
        if established is None:
            raise DisagreementError(connection, "they can be opened", "it cannot be opened")
        case = self.judge(connection, established)
        self.report.cases.append(case)
        itself = coordinates.only(connection)
        self.alone.append((case, itself))
        self.judged = self.judged | itself
        return case

    def judge_region(self, coordinates: Coordinates, kind: Kind, region: Region) -> None:
        """See that a connection of a region is among the cases. Raises DisagreementError."""
        packets = next(
            some for some in (region.sole, region.certain, region.possible) if not some.is_empty()
        )
        case = self.judge_one(coordinates, packets)
        if case is None:
            return
        if (region.sender, kind) in case.passed:
            name = f"the {kind.name} of the {_END[region.sender]}"
            raise DisagreementError(
                case.connection, f"{region.end.cause} loses {name}", f"{name} passes"
            )

    def try_group(self, group: list[Connection]) -> None:
        """Judge the first connection of the group that can be established."""
        most = len(group) if self.failed < MANY_FAILED else FEW_TRIES
        for connection in group[:most]:
            if self.chains.steps > self.limit:
                self.report.ran_out = True
                return
            established = self.establish(connection)
            if established is None:
                self.failed += 1
                continue
            if connection not in self.seen:
                self.seen.add(connection)
                self.report.cases.append(self.judge(connection, established))
            return

    def establish(self, connection: Connection) -> Confidence | None:
        """Whether the rules let the connection be opened and carry data; None: no."""
        results: list[Tern] = []
        opening = handshake(self.chains, connection, loose=self.loose, kernel=self.kernel)
        for (sender, fate), (_, flags) in zip(opening, OPENING, strict=False):
            is_misled, _, _ = misled(fate, connection, sender)
            if is_misled is Tern.TRUE:
                return None
            if fate.was_untracked and flags in (SYN, SYN_ACK):
                # There is no established entry: what is lost may be lost for that.
                results.append(Tern.UNKNOWN)
            if is_misled is Tern.UNKNOWN:
                self.note_open(fate.open)
                results.append(Tern.UNKNOWN)
            if fate.delivered is Tern.FALSE:
                return None
            if fate.delivered is Tern.UNKNOWN:
                self.note_open(fate.open)
            results.append(fate.delivered)
            if fate.zoned:
                # In another zone the packet would not find the entry of the others.
                self.note_open(Open(ref, None, "zones are not followed") for ref in fate.zoned)
                results.append(Tern.UNKNOWN)
        if conjunction(results) is Tern.TRUE:
            return Confidence.CERTAIN
        return Confidence.POSSIBLE

    def judge(self, connection: Connection, confidence: Confidence) -> Case:
        case = Case(connection, confidence, [], set())
        for sender in Dir:
            for kind in Kind:
                fate = first_after_expiry(
                    self.chains, connection, sender, kind, loose=self.loose, kernel=self.kernel
                )
                is_misled, ref, hook = misled(fate, connection, sender)
                if is_misled is Tern.UNKNOWN:
                    self.note_translating(ref for ref, _ in fate.translated)
                elif is_misled is Tern.TRUE:
                    assert ref is not None
                    case.lost.append(as_another(sender, kind, ref, hook))
                elif fate.delivered is Tern.TRUE:
                    case.passed.add((sender, kind))
                elif fate.delivered is Tern.UNKNOWN:
                    self.note_open(fate.open)
                elif self.is_lost_alive(connection, sender, kind):
                    self.report.always.setdefault(lost_by(sender, kind, fate).dropped_by, kind)
                else:
                    case.lost.append(lost_by(sender, kind, fate))
        return case

    def is_lost_alive(self, connection: Connection, sender: Dir, kind: Kind) -> bool:
        """Whether the packet is lost with its entry alive too: then expiry is not to blame."""
        packet = connection.packet(sender, kind.flags)
        entry = connection.entry(sender, confirmed=True, replied=True, assured=True)
        ends = connection.ends(sender)
        fate = send(self.chains, packet, ends, CtState.ESTABLISHED, entry)
        return fate.delivered is Tern.FALSE

    def note_open(self, items: Iterable[Open]) -> None:
        for item in items:
            key = (item.ref.table, item.ref.chain, item.ref.position, item.why)
            if key not in self.open:
                self.open.add(key)
                self.report.open.append(item)

    def note_translating(self, refs: Iterable[RuleRef]) -> None:
        self.report.translating |= dict.fromkeys(refs)
