# SPDX-License-Identifier: GPL-2.0-only
"""The hosts of a socket script, what they are set to, and how they are wired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import KernelProfile, UnknownKernel, profile
from ctlint.model.kernel.sysctls import IPV4
from ctlint.model.world.link import USUAL_DELAY
from ctlint.parse.script_reader import Pair, Word
from ctlint.parse.socket_script import (
    Act,
    CallText,
    ConnectText,
    HostKernelText,
    HostSysctlText,
    LinkText,
    ListenText,
    RepeatText,
    UptimeText,
)
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import Forward, Host, Scenario
from ctlint.scenario.script_settings import Stage
from ctlint.scenario.script_words import StatementError, read_sysctl
from ctlint.scenario.socket_plan import HostPlan
from ctlint.scenario.socket_words import read_loss, read_micros

BOX: Final = "box"
CLIENT: Final = "client"
SERVER: Final = "server"

_LOCAL_PORTS: Final = "ip_local_port_range"
OF_BOX: Final = ("net.netfilter.", "net.ipv4.netfilter.", "net.nf_conntrack_")


class HostSysctls(NamedTuple):
    """Settings by whose they are: conntrack's, TCP's, and ip_local_port_range."""

    box: dict[str, int]
    ends: dict[str, int]
    local_ports: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Wiring:
    """The box, as a scenario without packets, and the hosts: clients first. `boxes` are the names
    of the hosts that are the box.
    """

    scenario: Scenario
    box_kernel: KernelProfile | None
    hosts: tuple[HostPlan, ...]
    boxes: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        """All hosts."""
        return tuple(host.name for host in self.hosts)

    def hosts_of(self, word: Word | None) -> tuple[str, ...]:
        """The hosts that a statement is about. Raises StatementError where there is none."""
        if word is None:
            return self.names
        if word.text == BOX:
            if self.boxes:
                return tuple(name for name in self.names if name in self.boxes)
            raise StatementError(word.span, "here the box is a router: it has no sockets")
        if word.text not in self.names:
            raise StatementError(word.span, f"nothing is done by {word.text}")
        return (word.text,)

    def require_tracked(self, word: Word | None, name: str) -> None:
        """Refuse a sysctl of conntrack of a host that tracks nothing. Raises StatementError."""
        if word is not None and word.text not in (BOX, *self.boxes):
            hint = f"sysctl box {name}=…"
            said = f"conntrack runs on the box only, and the {word.text} is another host"
            raise StatementError(word.span, said, hint)


def read_host_sysctls(pairs: Iterable[Pair]) -> HostSysctls:
    """Settings of a statement. Raises StatementError."""
    found = HostSysctls({}, {}, None)
    for key, value in pairs:
        name = key.text.replace("/", ".")
        if name.removeprefix(IPV4) == _LOCAL_PORTS:
            found = found._replace(local_ports=_read_ports(value))
            continue
        if "-" in value.text:
            raise StatementError(value.span, "a whole number is expected")
        for full, number in read_sysctl((key, value)).items():
            (found.box if full.startswith(OF_BOX) else found.ends)[full] = number
    return found


def _read_ports(word: Word) -> tuple[int, int]:
    low, dash, high = word.text.partition("-")
    if dash and len(low) < 6 and len(high) < 6 and 1 <= int(low) <= int(high) <= 65_535:
        return int(low), int(high)
    raise StatementError(word.span, "two ports are expected, as 32768-60999")


class HostWriter:
    """Collects what a script says of its hosts, in order: what stands later counts."""

    def __init__(self) -> None:
        self._said: list[HostKernelText | UptimeText | HostSysctlText | LinkText] = []

    def add(self, each: HostKernelText | UptimeText | HostSysctlText | LinkText) -> None:
        self._said.append(each)

    def wire(self, stage: Stage, acts: Iterable[Act]) -> Wiring:
        """The hosts that the acts are about, and the box. Raises StatementError."""
        actors = {word.text: word for word in _actors(acts)}
        clients = sorted({CLIENT, *actors} - {SERVER})
        plain = scenario_from_json(stage.written | {"packets": []})
        topology = plain.topology
        boxes = frozenset({CLIENT, SERVER})
        if isinstance(topology, Forward):
            boxes = frozenset()
        elif isinstance(topology, Host):
            boxes = frozenset({CLIENT if topology.role is Dir.ORIGINAL else SERVER})
        for name in clients[1:]:
            if CLIENT in boxes:
                said = f"here the client is the box: there is no {name}"
                raise StatementError(actors[name].span, said, "use topology forward or host server")
        usual = HostPlan(CLIENT, None, {}, None, USUAL_DELAY, 0, None)
        hosts = {name: replace(usual, name=name) for name in (*clients, SERVER)}
        wiring = Wiring(plain, None, tuple(hosts.values()), boxes)
        box_sysctls: dict[str, int] = {}
        box_kernel: KernelProfile | None = None
        for each in self._said:
            match each:
                case HostKernelText():
                    for word, version in each.versions:
                        kernel = _read_kernel(version)
                        if word is None or word.text == BOX or word.text in boxes:
                            box_kernel = kernel
                        if word is None or word.text != BOX or boxes:
                            for name in _as_client(wiring, wiring.hosts_of(word)):
                                hosts[name] = replace(hosts[name], kernel=kernel)
                case UptimeText():
                    (name,) = wiring.hosts_of(each.host)
                    hosts[name] = replace(hosts[name], uptime=read_micros(each.amount))
                case HostSysctlText():
                    found = read_host_sysctls(each.settings)
                    if found.box:
                        wiring.require_tracked(each.host, next(iter(found.box)))
                        box_sysctls |= found.box
                    if found.ends or found.local_ports:
                        for name in _as_client(wiring, wiring.hosts_of(each.host)):
                            host = hosts[name]
                            hosts[name] = replace(
                                host,
                                sysctls={**host.sysctls, **found.ends},
                                local_ports=found.local_ports or host.local_ports,
                            )
                case LinkText():
                    for name in _as_client(wiring, wiring.hosts_of(each.host)):
                        hosts[name] = _linked(hosts[name], each)
        return replace(
            wiring,
            scenario=replace(plain, sysctls=box_sysctls),
            box_kernel=box_kernel,
            hosts=tuple(hosts.values()),
        )


def _as_client(wiring: Wiring, names: tuple[str, ...]) -> tuple[str, ...]:
    """What is said of the client holds for other clients too, until something is said of them."""
    if names != (CLIENT,):
        return names
    return tuple(name for name in wiring.names if name != SERVER)


def _linked(host: HostPlan, link: LinkText) -> HostPlan:
    if link.delay is not None:
        host = replace(host, delay=read_micros(link.delay))
    if link.loss is not None:
        host = replace(host, loss=read_loss(link.loss))
    return host


def _read_kernel(word: Word) -> KernelProfile:
    try:
        return profile(word.text)
    except UnknownKernel as error:
        raise StatementError(word.span, str(error)) from None


def _actors(acts: Iterable[Act]) -> Iterator[Word]:
    """Who does anything, each time."""
    for each in acts:
        if isinstance(each, ListenText | ConnectText | CallText):
            yield each.actor
        elif isinstance(each, RepeatText):
            yield from _actors(each.acts)
