# SPDX-License-Identifier: GPL-2.0-only
"""Which closes are lost when conntrack has forgotten a connection.

For every role and every candidate connection that the rules let become established, each packet
that an end may send next is judged as the first that conntrack sees, and sent through the rules.
What is lost is grouped by cause: the rule or policy that lost it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from ctlint.analysis.candidates import Candidates
from ctlint.analysis.connection import Connection
from ctlint.analysis.coordinates import SERVER_PORT, Coordinates
from ctlint.analysis.fate import Disposition, End, Fate, send
from ctlint.analysis.regions import OPENING, SYN, SYN_ACK, Opened, Region, Surveyor
from ctlint.analysis.rewriting import Rewritten, Translated, rewritten
from ctlint.analysis.settings import TCP_LOOSE, Settings
from ctlint.analysis.stage import home_of
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.translated import Arrival, play
from ctlint.finding import Confidence, Role
from ctlint.headerspace.boxes import merged
from ctlint.headerspace.space import PacketSet, TooLargeError
from ctlint.ir.rule import Match
from ctlint.ir.values import Range
from ctlint.model.conntrack.first_packet import classify_first, classify_with_state
from ctlint.model.conntrack.status import CtState, Dir, TcpCt
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore, RuleRef
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.nat import Manip
from ctlint.model.netfilter.tern import Tern, conjunction
from ctlint.model.netfilter.transit import EntryView
from ctlint.model.netfilter.traverse import Open, PolicyRef
from ctlint.wire.addresses import Family
from ctlint.wire.tcp_flags import TcpFlags

MAX_STEPS: Final = 250_000
"""Rules given to walks for one role: a bound on time. What is left out is said."""

MANY_FAILED: Final = 400
FEW_TRIES: Final = 3
"""Behind so many connections that could not be established, so few are tried for each need: rules
that let few connections through would otherwise take the time of all.
"""


class Kind(Enum):
    """What an end may send next; the value holds its flags."""

    FIN = TcpFlags.FIN | TcpFlags.ACK
    RST = TcpFlags.RST | TcpFlags.ACK
    ACK = TcpFlags.ACK
    DATA = TcpFlags.PSH | TcpFlags.ACK

    @property
    def flags(self) -> TcpFlags:
        """The TCP flags."""
        return self.value


class Nature(Enum):
    """How a cause loses packets, as a person would say it."""

    TRANSLATION = "translates, but not without an entry"
    INVALID_DROP = "drops INVALID"
    INVALID_REJECT = "rejects INVALID"
    NEW_NOT_SYN = "drops NEW packets that are no SYN"
    CATCH_ALL = "drops what nothing before accepted"


Cause = RuleRef | PolicyRef


class Lost(NamedTuple):
    """One packet kind of one connection, lost for certain.

    ``cause`` is what a person would name: the rule that drops, or the rule that sends INVALID
    packets (or NEW ones that are no SYN) into a chain that drops; ``dropped_by`` is what drops.
    ``is_sole`` is false where an undecided match before it may lose the packet first.
    ``stays_here``: this host took the packet for its own, for NAT did not translate it.
    """

    sender: Dir
    kind: Kind
    ctstate: CtState
    cause: Cause
    hook: Hook
    rejected: bool
    nature: Nature
    dropped_by: Cause
    is_sole: bool = True
    stays_here: bool = False


@dataclass(slots=True)
class Case:
    """A connection that can be established, and what of it is lost."""

    connection: Connection
    confidence: Confidence
    lost: list[Lost]
    passed: set[tuple[Dir, Kind]]


@dataclass(slots=True)
class Stranding:
    """Everything that one cause loses for one role. ``decisive`` comes first in ``lost``; ``alike``
    are further rules of a row that lose the same (:mod:`ctlint.analysis.likeness`).
    """

    role: Role
    cause: Cause
    lost: list[Lost] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    ports: tuple[Range, ...] = ()
    alike: tuple[Cause, ...] = ()

    @property
    def decisive(self) -> Lost:
        """The packet that matters most."""
        return self.lost[0]

    @property
    def nature(self) -> Nature:
        """How the cause loses the decisive packet."""
        return self.decisive.nature

    @property
    def loses_only_resets(self) -> bool:
        """Whether RSTs are all that the cause loses."""
        return all(lost.kind is Kind.RST for lost in self.lost)

    @property
    def home(self) -> Dir:
        """The end that is the host itself; the client where neither is."""
        return home_of(self.role)

    @property
    def confidence(self) -> Confidence:
        """How sure the loss and its cause are."""
        confidence = self.case.confidence
        if confidence is Confidence.CERTAIN and not self.decisive.is_sole:
            return Confidence.LIKELY
        return confidence

    @property
    def case(self) -> Case:
        """A case in which the decisive packet is lost; a certain one where there is any."""
        key = (self.decisive.sender, self.decisive.kind)
        fitting = [
            case
            for case in self.cases
            if any((x.sender, x.kind) == key and x.cause == self.cause for x in case.lost)
        ]
        return min(fitting, key=lambda case: case.confidence is not Confidence.CERTAIN)


@dataclass(slots=True)
class Survey:
    """All connections of one role as sets: what they were asked with, and of which each cause
    loses a packet.
    """

    sweeper: Sweeper
    lost: dict[Cause, list[tuple[Dir, Kind, PacketSet]]] = field(default_factory=dict)


@dataclass(slots=True)
class RoleReport:
    """What was found for one role. ``survey`` is None where samples were tried.

    ``translating`` names the NAT rules whose connections were not followed, ``always`` the rules
    that lose a kind of packet of an open connection whatever its entry. ``ports`` are the service
    ports of all connections of which a cause loses a packet, by the role that the host has for them
    behind NAT. ``was_sampled``: the rules were too
    many for that, connections were tried; then ``left_out`` counts the candidates beyond the
    limits, ``was_cut`` says that candidates were not taken from all rules, ``ran_out`` that time
    ended the search.
    """

    role: Role
    cases: list[Case] = field(default_factory=list)
    strandings: list[Stranding] = field(default_factory=list)
    open: list[Open] = field(default_factory=list)
    translating: list[RuleRef] = field(default_factory=list)
    always: dict[Cause, Kind] = field(default_factory=dict)
    ports: dict[tuple[Role, Cause], set[Range]] = field(default_factory=dict)
    survey: Survey | None = None
    was_sampled: bool = False
    left_out: int = 0
    was_cut: bool = False
    ran_out: bool = False


def examine(chains: ChainStore, role: Role, settings: Settings) -> RoleReport:
    """Find the strandings of one role: of all connections, or of samples where that is too much."""
    report = RoleReport(role)
    examiner = _Examiner(chains, settings, report)
    try:
        examiner.survey()
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
    report.strandings = list(_group(report))
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

    def survey(self) -> None:
        """Judge a connection of each set of those that lose a packet in the same way.

        Raises TooLargeError where not all of the report is written.
        """
        coordinates = Coordinates(
            self.report.role, self.chains.ruleset.family, self.chains.interfaces
        )
        self.judged = coordinates.space.nothing
        sweeper = Sweeper(self.chains, coordinates)
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
            some = surveyor.translated[translated]
            self.judge_translated(coordinates, translated, some)
        self.note_open(surveyor.open)
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
        if connection is not None and not _is_martian(connection, translated):
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
        is_sure = is_certain and played.is_opened is True
        case = Case(connection, Confidence.CERTAIN if is_sure else Confidence.POSSIBLE, [], set())
        ports = opened.possible.values(SERVER_PORT)
        self.note_ports(connection.final_role, translated.rules[0], ports)
        for kind in Kind:
            for sender in Dir:
                arrival = played.arrivals.get((sender, kind.flags))
                is_close = kind in (Kind.FIN, Kind.RST)
                if arrival is not None and arrival.arrives:
                    if is_close:
                        raise DisagreementError(
                            connection,
                            f"nothing translates the {kind.name} of the {_END[sender]}",
                            "it arrives",
                        )
                    case.passed.add((sender, kind))
                elif is_close or (arrival is not None and arrival.arrives is False):
                    case.lost.append(_untranslated(sender, kind, translated, arrival))
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
            misled = _misled(fate, connection, sender)
            if misled is Tern.TRUE:
                return None
            if fate.was_untracked and flags in (SYN, SYN_ACK):
                # There is no established entry: what is lost may be lost for that.
                results.append(Tern.UNKNOWN)
            if misled is Tern.UNKNOWN:
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
                misled = _misled(fate, connection, sender)
                if misled is Tern.UNKNOWN:
                    self.note_translating(ref for ref, _ in fate.translated)
                elif misled is Tern.TRUE:
                    case.lost.append(_as_another(sender, kind, fate))
                elif fate.delivered is Tern.TRUE:
                    case.passed.add((sender, kind))
                elif fate.delivered is Tern.UNKNOWN:
                    self.note_open(fate.open)
                elif self.is_lost_alive(connection, sender, kind):
                    self.report.always.setdefault(_lost(sender, kind, fate).dropped_by, kind)
                else:
                    case.lost.append(_lost(sender, kind, fate))
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
        for ref in refs:
            if ref not in self.report.translating:
                self.report.translating.append(ref)


def handshake(
    chains: ChainStore, connection: Connection, *, loose: bool, kernel: KernelProfile
) -> Iterator[tuple[Dir, Fate]]:
    """The packets that open a connection and carry its first data, with a live entry.

    Where NOTRACK takes the client's SYN there is none: later packets are first packets, if they
    are tracked at all. Where it takes the SYN/ACK alone, the entry stays in SYN_SENT, in which the
    client's packets are INVALID (measured on 6.18).
    """
    no_entry = no_answer = False
    for sender, flags in OPENING:
        packet = connection.packet(sender, flags)
        view: EntryView | None
        if no_entry:
            ctstate = classify_first(flags, tcp_loose=loose, kernel=kernel).ctstate
            view = connection.picked_up(sender)
        elif flags == SYN:
            ctstate, view = CtState.NEW, connection.entry(sender)
        elif no_answer:
            state = TcpCt.SYN_SENT
            ctstate = classify_with_state(flags, sender, state, kernel, seen_reply=False)
            view = connection.entry(sender, confirmed=True, replied=sender is Dir.REPLY)
        else:
            ctstate = CtState.ESTABLISHED
            assured = flags != SYN_ACK
            view = connection.entry(sender, confirmed=True, replied=True, assured=assured)
        if ctstate is CtState.INVALID:
            view = None
        fate = send(chains, packet, connection.ends(sender), ctstate, view)
        no_entry = no_entry or (flags == SYN and fate.was_untracked)
        no_answer = no_answer or (flags == SYN_ACK and fate.was_untracked)
        yield sender, fate


def first_after_expiry(
    chains: ChainStore,
    connection: Connection,
    sender: Dir,
    kind: Kind,
    *,
    loose: bool,
    kernel: KernelProfile,
    explain: bool = False,
) -> Fate:
    """The fate of a packet that finds no entry any more."""
    first = classify_first(kind.flags, tcp_loose=loose, kernel=kernel)
    entry = connection.picked_up(sender) if first.ctstate is CtState.NEW else None
    payload = 1 if kind is Kind.DATA else 0
    packet = connection.packet(sender, kind.flags, payload)
    return send(chains, packet, connection.ends(sender), first.ctstate, entry, explain=explain)


def _misled(fate: Fate, connection: Connection, sender: Dir) -> Tern:
    """Whether a rule translates the packet: it goes on as one of another connection."""
    packet = connection.packet(sender, TcpFlags.SYN)
    truths = []
    for ref, hook in fate.translated:
        new = rewritten(ref, hook, connection.family)
        if new is None or (new.is_of_host and connection.role is Role.LOOPBACK):
            truths.append(Tern.UNKNOWN)
            continue
        is_source = new.manip is Manip.SRC
        address = packet.saddr if is_source else packet.daddr
        port = packet.sport if is_source else packet.dport
        if connection.ends(sender).path in (Path.IN, Path.OUT):
            new = new.of_own_packet()
        if not _keeps(new, address, port):
            truths.append(Tern.TRUE if fate.is_exact else Tern.UNKNOWN)
    if Tern.TRUE in truths:
        return Tern.TRUE
    return Tern.UNKNOWN if truths else Tern.FALSE


def _keeps(new: Rewritten, address: int, port: int | None) -> bool:
    """Whether a rule makes of an end what it is already."""
    if new.is_of_host:
        return False
    if new.addresses is not None:
        low, high = new.addresses
        if low != high or (address ^ low) & ~new.kept:
            return False
    return new.ports is None or (new.keeps_port and port in new.ports)


def _as_another(sender: Dir, kind: Kind, fate: Fate) -> Lost:
    """A packet that makes a new entry and is translated: the other end does not know its ends."""
    ref, hook = fate.translated[0]
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


def _untranslated(sender: Dir, kind: Kind, translated: Translated, arrival: Arrival | None) -> Lost:
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


def _lost(sender: Dir, kind: Kind, fate: Fate) -> Lost:
    """How a packet is lost whatever the open matches say: the last end is the certain one."""
    end = fate.ends[-1]
    assert end.cause is not None
    assert end.hook is not None
    ctstate = fate.ctstates.get(end.hook, CtState.INVALID)
    rejected = end.disposition is Disposition.REJECTED
    cause, nature = _blame(end, ctstate)
    sole = len(fate.ends) == 1
    return Lost(sender, kind, ctstate, cause, end.hook, rejected, nature, end.cause, sole)


def blame(end: End, ctstate: CtState) -> Cause:
    """The rule or policy to name for a loss."""
    return _blame(end, ctstate)[0]


def _blame(end: End, ctstate: CtState) -> tuple[Cause, Nature]:
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


# Grouping


def _group(report: RoleReport) -> Iterator[Stranding]:
    groups: dict[tuple[Role, Cause], Stranding] = {}
    for case in report.cases:
        role = case.connection.final_role
        touched: dict[tuple[Role, Cause], None] = {}
        for lost in case.lost:
            key = role, lost.cause
            stranding = groups.get(key)
            if stranding is None:
                stranding = groups[key] = Stranding(role, lost.cause)
            if not any((x.sender, x.kind) == (lost.sender, lost.kind) for x in stranding.lost):
                stranding.lost.append(lost)
            touched[key] = None
        for key in touched:
            groups[key].cases.append(case)
    for stranding in groups.values():
        ways = (case.connection.translated for case in stranding.cases)
        alike = {key: ref for way in ways if way is not None for key, ref in way.alike.items()}
        stranding.alike = tuple(alike.values())
        stranding.lost.sort(key=lambda lost: _weight(stranding, lost))
        if report.was_sampled:
            stranding.ports = _ports(stranding, report.cases)
        else:
            found = merged(report.ports.get((stranding.role, stranding.cause), ()))
            stranding.ports = () if found == (ALL_PORTS,) else found
        yield stranding


def _weight(stranding: Stranding, lost: Lost) -> tuple[int, ...]:
    """Order of the packets of one cause: what strands a socket of the host itself comes first."""
    home = stranding.home
    own = lost.sender is home
    if lost.kind is Kind.FIN:
        rank = 0 if own else 2
    elif lost.kind is Kind.ACK:
        # The answer to a FIN that got through. Where none did, data say more: they are lost too,
        # and their sender retransmits.
        answers = any(
            (lost.sender.other, Kind.FIN) in case.passed
            for case in stranding.cases
            if any((x.sender, x.kind) == (lost.sender, lost.kind) for x in case.lost)
        )
        strands_home = not own or stranding.role in (Role.FORWARD, Role.LOOPBACK)
        rank = (1 if strands_home else 5) if answers else 7
    elif lost.kind is Kind.RST:
        rank = 3 if own else 4
    else:
        rank = 6
    return rank, int(lost.sender)


def _is_martian(connection: Connection, translated: Translated) -> bool:
    """Whether NAT leads what comes from elsewhere to an address of lo: routing drops it, unless
    route_localnet is set, which is not known here (ip_route_input_slow(), Linux 6.18).
    """
    end = translated.destination
    if connection.role in (Role.CLIENT, Role.LOOPBACK) or end is None:
        return False
    if end.addresses is None or end.kept:
        return False
    own = _LOOPBACK[connection.family]
    return end.addresses.low <= own.high and own.low <= end.addresses.high


_LOOPBACK: Final = {Family.IPV4: Range(0x7F000000, 0x7FFFFFFF), Family.IPV6: Range(1, 1)}
"""127.0.0.0/8 and ::1."""


def _ports(stranding: Stranding, cases: list[Case]) -> tuple[Range, ...]:
    """Service ports as ranges; empty for all.

    A connection that stands for any port speaks for all but those that were tried between the same
    ends and lose nothing to this cause.
    """
    affected = stranding.cases
    named = [case.connection.ports for case in affected if case.connection.ports is not None]
    anywhere = [case for case in affected if case.connection.ports is None]
    if not anywhere:
        return merged(named)
    hit = {id(case) for case in affected}
    spared = [
        {
            case.connection.ports
            for case in cases
            if case.connection.ports is not None
            and id(case) not in hit
            and case.confidence is Confidence.CERTAIN
            and _ends(case.connection) == _ends(one.connection)
        }
        for one in anywhere
    ]
    safe = merged(set.intersection(*spared))
    return _without(safe) if safe else ()


def _ends(connection: Connection) -> tuple[object, ...]:
    """What tells connections apart beyond the service port."""
    return connection._replace(reply_port=0, ports=None)


def _without(safe: tuple[Range, ...]) -> tuple[Range, ...]:
    """The ports from 1 to 65535 outside of these ranges."""
    left: list[Range] = []
    low = 1
    for ports in safe:
        if low < ports.low:
            left.append(Range(low, ports.low - 1))
        low = ports.high + 1
    if low <= MAX_PORT:
        left.append(Range(low, MAX_PORT))
    return tuple(left)


MAX_PORT: Final = 65535
ALL_PORTS: Final = Range(1, MAX_PORT)
