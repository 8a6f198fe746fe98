# SPDX-License-Identifier: GPL-2.0-only
"""What is said of one packet: a tree of values, which reports lay out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ctlint.analysis.fate import Disposition
from ctlint.analysis.socket_fate import SocketFate
from ctlint.analysis.tracking import Inquiry, Tracking
from ctlint.finding import Location
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.traverse import Verdict
from ctlint.wire.packet import Packet


class Failure(NamedTuple):
    """A condition that did not hold, as words of a rule, and what the packet is instead. For a
    condition that is not decided, ``why`` says why.
    """

    condition: str
    why: str


class RuleView(NamedTuple):
    """A rule that is worth showing. ``truth``: it matched, nearly matched, or is not decided;
    ``depth`` counts the chains that were entered to get there.
    """

    location: Location
    truth: Tern
    depth: int
    decides: bool
    failures: tuple[Failure, ...]


class Ending(NamedTuple):
    """One way in which the packet's way may end. ``cause`` is None where it is delivered; ``name``
    is the cause in the words of docs/scenario.md; ``via`` are the rules that called its chain.
    """

    disposition: Disposition
    cause: Location | None = None
    name: str | None = None
    via: tuple[Location, ...] = ()


class Rewrite(NamedTuple):
    """One end of the packet that a nat table rewrites: its address and port before and behind.

    ``after`` has None where that is not known; ``whose`` says then what the address is. ``rule`` is
    the one that the connection's first packet met, ``by_entry``: this packet follows its entry.
    """

    end: str
    before: tuple[int | None, int | None]
    after: tuple[int | None, int | None]
    whose: str
    rule: Location
    name: str
    by_entry: bool


class Phase(NamedTuple):
    """One table at one hook. ``ctstate`` is None where conntrack has not seen the packet yet.
    ``verdicts`` holds what the table may decide, each with its cause; ``passed`` counts the rules
    that did not match, shown or not, ``more`` the rules that matched and are not shown.
    ``rewrites`` is what NAT does to the packet here: where its entry says so, no rule is asked and
    there are no verdicts.
    """

    hook: Hook
    table: str
    ctstate: CtState | None
    rules: tuple[RuleView, ...]
    passed: int
    more: int
    verdicts: tuple[tuple[Verdict, Location, str], ...]
    rewrites: tuple[Rewrite, ...] = ()


class Result(NamedTuple):
    """How the packet's way ends, and what conntrack called it at the hook that decides.

    ``ctstate`` is None where the raw table lost it before. ``endings`` holds one, or several where
    a match is not decided.
    """

    ctstate: CtState | None
    endings: tuple[Ending, ...]

    @property
    def delivered(self) -> Tern:
        """Whether the packet gets through."""
        kinds = {ending.disposition for ending in self.endings}
        if kinds == {Disposition.DELIVERED}:
            return Tern.TRUE
        if Disposition.DELIVERED in kinds or Disposition.UNDECIDED in kinds:
            return Tern.UNKNOWN
        return Tern.FALSE


class Answer(NamedTuple):
    """What becomes of a packet that answers: the other end's ACK of a FIN that gets through without
    an entry, or the RST with which REJECT answers. ``what`` says which.
    """

    what: str
    packet: Packet
    result: Result
    socket: SocketFate | None


class Change(NamedTuple):
    """Something that could be otherwise, and what then becomes of the packet.

    ``result`` is None where that cannot be computed by sending it again; ``note`` says more.
    """

    label: str
    result: Result | None
    note: str = ""
    answer: Answer | None = None


class OpenMatch(NamedTuple):
    """A match on the packet's way that is not decided."""

    location: Location
    match: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is said of one packet. ``tracking`` is None where conntrack never saw it;
    ``untracked_by`` is the rule that took it out of tracking.
    """

    inquiry: Inquiry
    kernel: str
    tracking: Tracking | None
    untracked_by: Location | None
    phases: tuple[Phase, ...]
    nat: tuple[str, ...]
    result: Result
    socket: SocketFate | None
    answer: Answer | None
    changes: tuple[Change, ...]
    undecided: tuple[OpenMatch, ...]
