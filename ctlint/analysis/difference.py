# SPDX-License-Identifier: GPL-2.0-only
"""What differs between two firewalls, with its proof. The JSON form is a contract: docs/diff.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ctlint.analysis.fate import Disposition
from ctlint.finding import (
    Confidence,
    InputSummary,
    Location,
    Role,
    Severity,
    Stranded,
    Undecided,
    Witness,
)
from ctlint.ir.values import Range
from ctlint.wire.addresses import Family


class Kind(Enum):
    """How the fate of packets differs."""

    NEWLY_DROPPED = "newly-dropped"
    NEWLY_ACCEPTED = "newly-accepted"
    NEWLY_STRANDED = "newly-stranded"
    NO_LONGER_STRANDED = "no-longer-stranded"
    OTHER_CAUSE = "other-cause"
    NEWLY_TRANSLATED = "newly-translated"
    NO_LONGER_TRANSLATED = "no-longer-translated"
    TRANSLATED_OTHERWISE = "translated-otherwise"

    @property
    def is_of_nat(self) -> bool:
        """Whether no packet is lost, but NAT makes something else of the connections."""
        others = (Kind.NEWLY_TRANSLATED, Kind.NO_LONGER_TRANSLATED, Kind.TRANSLATED_OTHERWISE)
        return self in others

    @property
    def loser(self) -> str:
        """The side that loses the packet; where both do, the new one; empty where none does."""
        if self.is_of_nat:
            return ""
        gains = (Kind.NEWLY_ACCEPTED, Kind.NO_LONGER_STRANDED)
        return "old" if self in gains else "new"


class Phase(Enum):
    """When a packet is sent: to open its connection, with its connection's entry, without."""

    OPENING = "opening"
    OPEN = "open"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that fares otherwise: letters of its flags, its sender (``orig`` or ``reply``), when
    it is sent, and what the loser's conntrack calls it where it is lost.
    """

    phase: Phase
    dir: str
    flags: str
    ctstate: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one of the two firewalls does with the packet, and the rule or policy that decides.

    ``location`` is None where no table asks it there. ``translated_by`` are the NAT rules that
    translate the connection, and ``becomes`` says what they make of it.
    """

    disposition: Disposition
    location: Location | None
    rejects_with: str | None = None
    translated_by: tuple[Location, ...] = ()
    becomes: str = ""


class Scope(NamedTuple):
    """The connections concerned, seen from one side each: what their parts can be. Each is empty
    where it can be anything (None: too many ranges to tell).
    """

    ports: tuple[Range, ...] | None
    clients: tuple[str, ...] | None
    servers: tuple[str, ...] | None
    client_interfaces: tuple[str, ...]
    server_interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Packets that fare otherwise for one pair of causes. ``packets`` has the decisive one first.

    ``stranded`` is the socket that stays behind where they are lost. ``witness`` are the same
    packets played under both rule sets.
    """

    kind: Kind
    severity: Severity
    confidence: Confidence
    message: str
    family: Family
    role: Role
    old: Decision
    new: Decision
    packets: tuple[Packet, ...]
    scope: Scope
    breadth: int
    old_witness: Witness
    new_witness: Witness
    stranded: Stranded | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One side of a comparison: its kernel, and what was read of it."""

    kernel: str
    inputs: tuple[InputSummary, ...]
    undecided: tuple[Undecided, ...] = ()


@dataclass(frozen=True, slots=True)
class DiffResult:
    """All that differs. ``undecided`` is what was not compared; each side has its own too."""

    old: Compared
    new: Compared
    differences: tuple[Difference, ...]
    undecided: Sequence[Undecided] = ()

    def count(self, severity: Severity) -> int:
        """Differences of this severity."""
        return sum(1 for each in self.differences if each.severity is severity)
