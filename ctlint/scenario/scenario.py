# SPDX-License-Identifier: GPL-2.0-only
"""What a scenario says, as values: docs/scenario.md gives the meaning of each.

All defaults are filled in by the reader, so that whoever plays a scenario sees only what happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, TypeAlias

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.transit import Facts
from ctlint.scenario.expectation import Expectation
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros
from ctlint.wire.packet import DEFAULT_TTL, TcpOptions
from ctlint.wire.tcp_flags import TcpFlags

_NO_FLAGS = TcpFlags(0)

NO_FACTS = Facts()
"""Nothing is known of the host but its rules and addresses."""

DIR_NAMES: Mapping[Dir, str] = {Dir.ORIGINAL: "orig", Dir.REPLY: "reply"}
"""How scenarios call the two ends of the flow."""


class ScenarioError(ValueError):
    """A scenario that cannot be read or played.

    `packet` is the index, from 0, of the packet (or operation) at fault; None where the fault is
    elsewhere. `name` is the scenario's, where it has one.
    """

    def __init__(self, message: str, packet: int | None = None, name: str | None = None) -> None:
        super().__init__(message if packet is None else f"packet {packet}: {message}")
        self.message = message
        self.packet = packet
        self.name = name


@dataclass(frozen=True, slots=True)
class Forward:
    """The box routes between two interfaces; the orig end is behind `left_if`.

    Addresses are written with their prefix length ("10.1.0.1/16"), of the scenario's family.
    """

    family: Family
    left_if: str
    left_addr: str
    right_if: str
    right_addr: str


@dataclass(frozen=True, slots=True)
class Host:
    """The end named by `role` is the box itself; the other is behind `interface`."""

    family: Family
    role: Dir
    interface: str
    addr: str


@dataclass(frozen=True, slots=True)
class Loopback:
    """Both ends are the box itself: packets go over lo."""

    family: Family


Topology: TypeAlias = Forward | Host | Loopback


@dataclass(frozen=True, slots=True)
class Flow:
    """The orig end's packets; addresses are integers of the topology's family."""

    saddr: int
    sport: int
    daddr: int
    dport: int


@dataclass(frozen=True, slots=True)
class Send:
    """One packet, sent by the end `sender`.

    `saddr` … `dport` are this packet's own, None where it uses the flow's. `protocol` is a number
    (6, 17, 1 or 58, others for the generic tracker). `seq`, `ack`, `window`, `options` and `flags`
    are those of TCP; `icmp_type`, `icmp_code`, `icmp_id` and `icmp_seq` those of ICMP. `quote`:
    the packet is an ICMP error that quotes the last packet that `sender` received from that end.
    `wait` passes before the packet; with `expire` the scenario's entries have expired before it.
    `ttl` is the hop limit of IPv6 too, `tos` its traffic class; `data` are the first bytes of the
    payload, of which `length` counts all: those behind are zeros.
    """

    sender: Dir
    protocol: int
    flags: TcpFlags = _NO_FLAGS
    seq: int = 0
    ack: int = 0
    window: int = 65535
    length: int = 0
    options: TcpOptions | None = None
    saddr: int | None = None
    sport: int | None = None
    daddr: int | None = None
    dport: int | None = None
    icmp_type: int = 0
    icmp_code: int = 0
    icmp_id: int = 0
    icmp_seq: int = 0
    quote: Dir | None = None
    has_bad_checksum: bool = False
    wait: Micros = 0
    expire: bool = False
    ttl: int = DEFAULT_TTL
    tos: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Expire:
    """The timers of all the scenario's entries run out."""

    op: ClassVar[str] = "expire"


@dataclass(frozen=True, slots=True)
class Flush:
    """All entries are deleted, as `conntrack -F` does."""

    op: ClassVar[str] = "flush"


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    span: Micros
    op: ClassVar[str] = "wait"


@dataclass(frozen=True, slots=True)
class SetSysctls:
    """Sysctls change, by their full names."""

    sysctls: Mapping[str, int]
    op: ClassVar[str] = "sysctl"


Step: TypeAlias = Send | Expire | Flush | Wait | SetSysctls


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. `kernel` is a profile's name, None for the newest.

    `sysctls` have full current names; names that a kernel does not have are left to whoever plays
    the scenario on one. `ipsets` is text as `ipset save` prints it, `facts` what else is known of
    the host. `expectations` are sorted by packet, one for each that has any.
    """

    name: str | None
    kernel: str | None
    sysctls: Mapping[str, int]
    ruleset: str
    ruleset6: str
    topology: Topology
    flow: Flow
    steps: tuple[Step, ...]
    ipsets: str = ""
    facts: Facts = NO_FACTS
    expectations: tuple[Expectation, ...] = ()

    def missing_sysctls(self, kernel: KernelProfile) -> tuple[str, ...]:
        """The sysctls that it sets, from the start or later, and that the kernel does not have."""
        later = (step.sysctls for step in self.steps if isinstance(step, SetSysctls))
        named = dict.fromkeys(chain(self.sysctls, *later))
        return tuple(name for name in named if not kernel.has_sysctl(name))
