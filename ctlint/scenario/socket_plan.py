# SPDX-License-Identifier: GPL-2.0-only
"""What a socket script has played: hosts, links, and what programs do when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from ctlint.ir.span import Span
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.world.line import Manner, Side
from ctlint.scenario.scenario import Scenario
from ctlint.scenario.socket_claim import Claim
from ctlint.wire.moments import SECOND, Micros

USUAL_PORT: Final = 80
USUAL_BACKLOG: Final = 4096
"""Of a server of which the script does not say it: what listen(2) is mostly given today."""

LONGEST: Final[Micros] = 100 * 365 * 86_400 * SECOND
"""A script may last so long, a hundred years."""

AFTERWARDS: Final[Micros] = 86_400 * SECOND
"""Where a script says no `until`, it is followed so long behind its last statement, a day."""

MOST_REPEATS: Final = 200_000
"""So often a part of a script may be repeated, all together."""


MOST_STEPS: Final = 10_000
"""Of a test."""

MOST_CONNECTIONS: Final = 1_000
"""That a test names or counts: more are repeated."""

MOST_REPEATED: Final = 1_000_000
"""So many steps may be done by repetitions, all together."""


class Listen(NamedTuple):
    """A server listens. `accepts`: whether it ever accepts."""

    port: int
    backlog: int
    manner: Manner
    accepts: bool


class Connect(NamedTuple):
    """A client connects: from a port that connect(2) chooses, from `local_port`, bound before (0:
    bind(2) chooses it), or, where `reuses_port`, from that of its connection before.
    """

    client: str
    port: int
    local_port: int | None
    reuses_port: bool
    label: str
    manner: Manner


class Call(NamedTuple):
    """A call on a socket: `what` is send, shutdown, close, abort, keepalive or linger2.

    `numbers` are its operands, spans in seconds. `label` is the connection.
    """

    what: str
    side: Side
    label: str
    numbers: tuple[int, ...] = ()


class Kill(NamedTuple):
    """The programs of one side of a host end; `host` is its name."""

    host: str
    side: Side


class SetSysctls(NamedTuple):
    """Other settings of hosts; `local_ports` is ip_local_port_range."""

    hosts: tuple[str, ...]
    sysctls: Mapping[str, int]
    local_ports: tuple[int, int] | None


class SetLink(NamedTuple):
    """Other links of hosts; what is None stays. `loss` is in parts of a million."""

    hosts: tuple[str, ...]
    delay: Micros | None
    loss: int | None


class Flush(NamedTuple):
    """All entries of the box go."""


class Pass(NamedTuple):
    """Time goes on, from `since` to the moment of its step."""

    since: Micros


class Repeat(NamedTuple):
    """The same again, `every` so often. The moments of `steps` count from when each begins."""

    number: int
    every: Micros
    steps: tuple[Step, ...]


Act: TypeAlias = Listen | Connect | Call | Kill | SetSysctls | SetLink | Flush | Pass | Repeat


class Step(NamedTuple):
    """Something done at a moment. `label` is the connection that it and its claims are about;
    empty without any.
    """

    at: Micros
    act: Act
    label: str
    claims: tuple[Claim, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A host. `uptime` is how long it has run when the script begins, by lot where
    that is None."""

    name: str
    kernel: KernelProfile | None
    sysctls: Mapping[str, int]
    local_ports: tuple[int, int] | None
    delay: Micros
    loss: int
    uptime: Micros | None


@dataclass(frozen=True, slots=True)
class Plan:
    """One test of a socket script.

    `box` holds the rules, the wiring and the box's sysctls, and no packets. `hosts` are the clients
    and then the server. `until` is the moment up to which it is followed.
    """

    name: str | None
    box: Scenario
    box_kernel: KernelProfile | None
    hosts: tuple[HostPlan, ...]
    steps: tuple[Step, ...]
    until: Micros
    seed: int
    span: Span

    @property
    def expected(self) -> int:
        """Of so many statements anything is expected."""
        return sum(1 for step in self.steps if step.claims)
