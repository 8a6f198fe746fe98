# SPDX-License-Identifier: GPL-2.0-only
"""What ctlint says of a rule set, with its proof. The JSON form is a contract: docs/json.md."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

from ctlint.wire.addresses import Family

_COUNTERS: Final = re.compile(
    r"^[ \t]*\[[0-9]+:[0-9]+\][ \t]*|[ \t]+\[[0-9]+:[0-9]+\]$"
    r"|[ \t]+(?:-c|--set-counters)[ \t]+[0-9]+[ \t]+[0-9]+(?![^ \t])"
)


def bare_text(text: str) -> str:
    """A rule or policy without its counters and without blanks around it."""
    return _COUNTERS.sub("", text).strip()


class Severity(Enum):
    """How much a finding matters; see :attr:`rank`."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """Order: an error is 2, a warning 1, a note 0."""
        return {"error": 2, "warning": 1, "note": 0}[self.value]


class Confidence(Enum):
    """How sure the loss is, computed from the rules: CERTAIN where no undecided match matters;
    LIKELY where the packet is lost for certain, but perhaps to an undecided rule before the one
    that is named; POSSIBLE where it is undecided whether the connection can be established.
    """

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Role(Enum):
    """Where the host with the rules stands in the connection."""

    CLIENT = "client"
    SERVER = "server"
    FORWARD = "forward"
    LOOPBACK = "loopback"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in an input: a rule, a policy line, or a sysctl line.

    ``position`` counts the rules of the chain from 1; it is None for a policy. ``table`` and
    ``chain`` are None outside of rule sets. ``text`` is the line as it stands in the input.
    """

    file: str
    line: int
    column: int = 1
    end_column: int = 1
    table: str | None = None
    chain: str | None = None
    position: int | None = None
    text: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class PacketKind:
    """A kind of packet: TCP flags as letters, direction relative to the connection's client,
    the state of its entry (``none`` after expiry), and the ctstate that rules see.
    """

    flags: str
    dir: str
    entry: str
    ctstate: str


@dataclass(frozen=True, slots=True)
class Stranded:
    """A socket that stays behind, for ``seconds`` at least and ``at_most`` so many: that hangs on
    the round trip. Both are None where nothing ends its state.
    """

    end: str
    state: str
    seconds: int | None
    at_most: int | None


@dataclass(frozen=True, slots=True)
class Witness:
    """A scenario that shows the loss, and the answers that it must give (docs/scenario.md)."""

    scenario: Mapping[str, Any]
    expect: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines of an input to replace: ``delete`` lines from ``line`` on go, ``insert`` come in their
    place, without line ends. With nothing to delete they come before that line.
    """

    file: str
    line: int
    delete: int
    insert: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits of inputs that were found to help. ``is_safe``: they let through nothing but FIN and
    RST that open no connection and that no NAT concerns; else a person must weigh them.
    ``leaks``: they let through what NAT should have translated, and does not without an entry.
    """

    description: str
    edits: tuple[Edit, ...]
    is_safe: bool
    leaks: bool = False


class AllowedBy(Enum):
    """What allows a finding: a comment in its rule, a comment line above it, the configuration; or
    a baseline hides it.
    """

    RULE = "rule"
    COMMENT = "comment"
    CONFIG = "config"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Why a finding does not count: the reason that was given, and where it stands."""

    by: AllowedBy
    reason: str
    file: str
    line: int


class Identity(NamedTuple):
    """What a finding is known by across runs, also when counters change or lines move. ``text`` is
    that of the rule, policy or setting, without counters; what a finding has not is empty.
    """

    rule: str
    role: str
    family: str
    table: str
    chain: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ctlint found: one cause, for one role.

    ``packet`` is the decisive packet, ``packets`` all kinds lost for this cause, the decisive one
    first. ``ports`` are the service ports concerned as ranges, empty for all. ``further`` are the
    lines of further rules that it is about, where the same is allowed at each of them as at the
    first. ``host`` is the input that it was found in, by the name under which it is read; empty for
    what is about no host. Findings about a setting alone have no packet, no role and no witness.
    """

    rule: str
    name: str
    severity: Severity
    confidence: Confidence
    message: str
    remedy: str
    location: Location
    family: Family | None = None
    related: tuple[Location, ...] = ()
    role: Role | None = None
    packet: PacketKind | None = None
    packets: tuple[PacketKind, ...] = ()
    ports: tuple[str, ...] = ()
    stranded: Stranded | None = None
    witness: Witness | None = None
    fix: Fix | None = None
    suppressed: Suppressed | None = None
    further: tuple[int, ...] = ()
    host: str = ""

    @property
    def identity(self) -> Identity:
        """What it is known by."""
        where = self.location
        return Identity(
            self.rule,
            self.role.value if self.role else "",
            self.family.name if self.family else "",
            where.table or "",
            where.chain or "",
            bare_text(where.text),
        )

    @property
    def fingerprint(self) -> str:
        """The identity in 32 hexadecimal digits."""
        text = "\x1f".join(self.identity).encode("utf-8", "surrogateescape")
        return hashlib.sha256(text).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Undecided:
    """Something that could change an answer and that ctlint does not decide."""

    location: Location
    match: str
    why: str


@dataclass(frozen=True, slots=True)
class InputSummary:
    """What was read of one rule set. ``facts``: what was told of its host, by key (docs/facts.md).
    ``host`` is the input that it is of.
    """

    file: str
    family: Family
    rules: int
    tables: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""


class SkipReason(Enum):
    """Why nothing is said of an input: it cannot be read or understood, or to look at it ended in
    a fault of ctlint's own.
    """

    UNREADABLE = "unreadable"
    FAULT = "fault"


class Trouble(NamedTuple):
    """What is wrong with an input. ``file``, ``line`` and ``column`` are empty and 0 where the
    message names its place itself.
    """

    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else ""
        return place + self.message


@dataclass(frozen=True, slots=True)
class Skipped:
    """An input of which a run says nothing, and why: one trouble at least."""

    host: str
    reason: SkipReason
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What a baseline did in a run: how many findings it hides, and what it has that is found no
    more, with how often.
    """

    file: str
    hidden: int
    gone: Mapping[Identity, int]


@dataclass(frozen=True, slots=True)
class LintResult:
    """All that one run found. ``kernel`` is the profile's name, ``config`` the file of the
    configuration; it is empty where there is none. ``baseline`` is None where there is none.
    ``skipped`` are the inputs that it says nothing about.
    """

    kernel: str
    inputs: tuple[InputSummary, ...]
    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...] = ()
    config: str = ""
    baseline: Compared | None = None
    skipped: tuple[Skipped, ...] = ()

    def count(self, severity: Severity) -> int:
        """Findings of this severity that are not suppressed."""
        return sum(1 for f in self.findings if f.severity is severity and f.suppressed is None)

    @property
    def allowed(self) -> int:
        """Findings that are allowed, without those that a baseline hides."""
        return sum(
            1
            for f in self.findings
            if f.suppressed is not None and f.suppressed.by is not AllowedBy.BASELINE
        )
