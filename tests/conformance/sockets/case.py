# SPDX-License-Identifier: GPL-2.0-only
"""What a case of real sockets is: hosts, rules, settings, and what programs do when.

A case says nothing of what comes of it, and nothing of how it is run: the same description is
played on a kernel (`play.py`) and on the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Host(Enum):
    """A host of a case. Over lo, client and server are programs of one host, the client's."""

    CLIENT = "client"
    ROUTER = "router"
    SERVER = "server"


class Topology(Enum):
    """How the hosts are joined."""

    ROUTED = "client - router - server"
    DIRECT = "client - server"
    LOOPBACK = "lo"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done `at` so many seconds after the case began.

    `socket` is the name of a socket of the case; the client's and the server's are told apart by
    who made them (`Connect`, `Accept`).
    """

    at: float


@dataclass(frozen=True, slots=True)
class Listen(Step):
    """The server listens."""

    socket: str = "listener"
    port: int = 80
    backlog: int = 16


@dataclass(frozen=True, slots=True)
class Connect(Step):
    """The client connects to the server, from a port that it binds before (SO_REUSEADDR), or any
    (None).

    The call does not wait: how it ends is a notice.
    """

    socket: str
    local_port: int | None = 40000
    port: int = 80


@dataclass(frozen=True, slots=True)
class Accept(Step):
    """The server accepts one connection of a listener; EAGAIN where there is none."""

    socket: str
    listener: str = "listener"


@dataclass(frozen=True, slots=True)
class Send(Step):
    """A program sends bytes."""

    socket: str
    length: int


@dataclass(frozen=True, slots=True)
class Read(Step):
    """A program reads all that has come."""

    socket: str


@dataclass(frozen=True, slots=True)
class Shutdown(Step):
    """A program says that it will send no more (SHUT_WR), and keeps the socket."""

    socket: str


@dataclass(frozen=True, slots=True)
class Close(Step):
    """A program closes a socket."""

    socket: str


@dataclass(frozen=True, slots=True)
class Abort(Step):
    """A program closes a socket with SO_LINGER 0."""

    socket: str


@dataclass(frozen=True, slots=True)
class Kill(Step):
    """The process that owns a socket dies (SIGKILL)."""

    socket: str


@dataclass(frozen=True, slots=True)
class Keepalive(Step):
    """SO_KEEPALIVE with its three settings, in seconds and probes."""

    socket: str
    time: int
    interval: int
    probes: int


@dataclass(frozen=True, slots=True)
class Rules(Step):
    """A host's rules are replaced, by text as iptables-save prints it."""

    host: Host
    text: str


@dataclass(frozen=True, slots=True)
class Expire(Step):
    """All conntrack entries of a host are gone, as if their timers had run out."""

    host: Host


@dataclass(frozen=True, slots=True)
class Case:
    """A case by its name. `seconds`: how long it is watched. `about` is one sentence."""

    name: str
    about: str
    steps: tuple[Step, ...]
    seconds: float
    topology: Topology = Topology.ROUTED
    rules: Mapping[Host, str] = field(default_factory=dict)
    sysctls: Mapping[Host, Mapping[str, str]] = field(default_factory=dict)

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts that there are."""
        match self.topology:
            case Topology.ROUTED:
                return (Host.CLIENT, Host.ROUTER, Host.SERVER)
            case Topology.DIRECT:
                return (Host.CLIENT, Host.SERVER)
            case Topology.LOOPBACK:
                return (Host.CLIENT,)

    def host(self, wanted: Host) -> Host:
        """The host that plays this part."""
        return wanted if wanted in self.hosts else Host.CLIENT

    @property
    def is_quick(self) -> bool:
        """Whether the kernel can be asked while somebody waits."""
        return self.seconds <= 8


def filter_table(*rules: str) -> str:
    """A table filter as iptables-save prints it, with the policy ACCEPT."""
    chains = ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    return "*filter\n" + chains + "".join(f"{rule}\n" for rule in rules) + "COMMIT\n"
