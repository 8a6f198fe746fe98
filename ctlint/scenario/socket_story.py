# SPDX-License-Identifier: GPL-2.0-only
"""What became of the connections of a socket script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ctlint.model.endpoint.happening import Errno, Happening, HappeningKind
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.world.bounds import Ending, Why
from ctlint.model.world.chronicle import Event, Rung
from ctlint.model.world.line import Half, Line
from ctlint.scenario.socket_plan import Plan
from ctlint.wire.moments import Micros

_ERRORS = {
    HappeningKind.CONNECT_FAILED,
    HappeningKind.RESET,
    HappeningKind.TIMED_OUT,
}


@dataclass(slots=True)
class Stay:
    """A socket in a state, from `since` to `until`; None: it is in it when the run ends."""

    state: TcpState
    since: Micros
    until: Micros | None = None


@dataclass(slots=True)
class EndStory:
    """One end of a connection: the states that its socket was in, when it was gone, and what its
    program noticed, each time by the words of claims.
    """

    stays: list[Stay] = field(default_factory=list)
    gone: Micros | None = None
    noticed: list[tuple[Micros, str]] = field(default_factory=list)

    @property
    def last(self) -> Stay | None:
        """Where it stands in the end; None where there is no socket (any more)."""
        return self.stays[-1] if self.stays and self.gone is None else None

    def enter(self, at: Micros, state: TcpState) -> None:
        """It changes its state."""
        if self.stays:
            self.stays[-1].until = at
        self.stays.append(Stay(state, at))

    def leave(self, at: Micros) -> None:
        """The socket is gone."""
        self.gone = at
        if self.stays and self.stays[-1].until is None:
            self.stays[-1].until = at


@dataclass(slots=True)
class LineStory:
    """A connection. `connected` and `failed` are moments; `error` is that of connect()."""

    label: str
    client: str
    began: Micros
    line: Line | None = None
    connected: Micros | None = None
    failed: Micros | None = None
    error: Errno | None = None
    ends: tuple[EndStory, EndStory] = field(default_factory=lambda: (EndStory(), EndStory()))

    def tell(self, half: Half, happening: Happening) -> None:
        """Take down what happened to one of its sockets."""
        end, at, kind = self.ends[half.side], happening.at, happening.kind
        if kind is HappeningKind.STATE:
            assert happening.after is not None
            if happening.after is not TcpState.CLOSE:
                end.enter(at, happening.after)
        elif kind is HappeningKind.GONE:
            end.leave(at)
        elif kind is HappeningKind.CONNECTED:
            self.connected = at
        elif kind is HappeningKind.CONNECT_FAILED:
            self.failed, self.error = at, happening.error
        elif kind is HappeningKind.EOF:
            end.noticed.append((at, "EOF"))
        elif kind is HappeningKind.DATA:
            end.noticed.append((at, "data"))
        if kind in _ERRORS and happening.error is not None:
            end.noticed.append((at, happening.error.name))


@dataclass(slots=True)
class Tally:
    """Connections that are repeated: how many connected, and with which errors others failed."""

    begun: int = 0
    connected: int = 0
    failed: Counter[Errno | None] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Look:
    """What stood at the end of a wait: the states of both sockets, and the entry's."""

    states: tuple[TcpState | None, TcpState | None]
    entry: str | None


@dataclass(slots=True)
class Story:
    """A plan that was played.

    `events` are what happened, of which `left_out` more are not kept; `lines` are connections by
    their labels, those of a repetition by its step in `tallies`. `looks` are what stood at the end
    of each wait, by its step. `box_kernel` is that of the box, which may be a host.
    """

    plan: Plan
    box_kernel: KernelProfile
    kernels: dict[str, KernelProfile]
    ending: Ending
    events: Sequence[Event]
    left_out: int
    lines: dict[str, LineStory]
    tallies: dict[int, Tally]
    looks: dict[int, Look]
    packets: int
    missing_sysctls: tuple[str, ...]
    _rungs: dict[Line, list[Rung]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for event in self.events:
            if isinstance(event, Rung):
                self._rungs.setdefault(event.line, []).append(event)

    def rungs(self, line: LineStory) -> Sequence[Rung]:
        """The packets of a connection."""
        return () if line.line is None else self._rungs.get(line.line, ())

    @property
    def is_settled(self) -> bool:
        """Whether what is now stays for ever: nothing happens any more, or nothing that counts."""
        return self.ending.why in (Why.QUIET, Why.STEADY)
