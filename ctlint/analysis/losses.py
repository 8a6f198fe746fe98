# SPDX-License-Identifier: GPL-2.0-only
"""What is lost of connections, and to what: the values that the search for it deals in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from ctlint.analysis.connection import Connection
from ctlint.analysis.stage import home_of
from ctlint.analysis.sweep import Sweeper
from ctlint.finding import Confidence, Role
from ctlint.headerspace.space import PacketSet
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.traverse import Open, PolicyRef
from ctlint.wire.tcp_flags import TcpFlags

MAX_PORT: Final = 65535
ALL_PORTS: Final = Range(1, MAX_PORT)


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
    translating: dict[RuleRef, None] = field(default_factory=dict)
    always: dict[Cause, Kind] = field(default_factory=dict)
    ports: dict[tuple[Role, Cause], set[Range]] = field(default_factory=dict)
    survey: Survey | None = None
    was_sampled: bool = False
    left_out: int = 0
    was_cut: bool = False
    ran_out: bool = False
