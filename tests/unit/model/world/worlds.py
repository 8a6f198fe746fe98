# SPDX-License-Identifier: GPL-2.0-only
"""Worlds of a client, a server and a box between them or on one of them."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.endpoint.happening import Happening, HappeningKind
from ctlint.model.endpoint.settings import read_end_settings
from ctlint.model.kernel.profiles import NEWEST, KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.host import LOOPBACK, Host, InterfaceAddress, Route
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.stack import Stack
from ctlint.model.netfilter.transit import Facts
from ctlint.model.world.bounds import USUAL_BOUNDS, Bounds
from ctlint.model.world.chronicle import Chronicle, Rung
from ctlint.model.world.line import Half, Side
from ctlint.model.world.link import Link
from ctlint.model.world.lots import Lots
from ctlint.model.world.world import World
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, Net

V4 = Family.IPV4
CLIENT, SERVER, LEFT, RIGHT = 0x0A010002, 0x0A020002, 0x0A010001, 0x0A020001
LO = 0x7F000001


class Told:
    """A world, and what has happened to its sockets."""

    def __init__(
        self,
        *rules: str,
        place: str = "forward",
        kernel: KernelProfile = NEWEST,
        sysctls: dict[str, int] | None = None,
        bounds: Bounds = USUAL_BOUNDS,
        delay: int = 100,
        loss: int = 0,
        seed: int = 1,
    ) -> None:
        lines = ["*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT"]
        text = "\n".join([*lines, *(f"-A {rule}" for rule in rules), "COMMIT", ""])
        (ruleset,) = parse_rulesets(text, "rules", V4)
        given = sysctls or {}
        tracker = Tracker(kernel, read_settings(kernel, given))
        lots = Lots(seed)
        client, server = CLIENT, SERVER
        entrances: list[str | None] = ["eth0", "eth1"]
        addresses = [
            InterfaceAddress("eth0", V4, LEFT, 16),
            InterfaceAddress("eth1", V4, RIGHT, 16),
        ]
        routes = [Route(Net(V4, 0, 0), "eth1")]
        if place == "client":
            client, entrances[0] = LEFT, None
        elif place == "server":
            server, entrances[1] = RIGHT, None
        elif place == "lo":
            client = server = LO
            entrances = [None, None]
            addresses, routes = [InterfaceAddress(LOOPBACK, V4, LO, 32)], []
        host = Host(addresses, routes, 65535)
        stack = Stack(tracker, {V4: ChainStore(ruleset, Facts())}, host, memory=Memory({}))
        self.chronicle = Chronicle()
        self.happened: list[tuple[Half, Happening]] = []
        self.world = World(
            stack,
            tracker,
            lots.draw,
            chronicle=self.chronicle,
            onlooker=lambda half, what: self.happened.append((half, what)),
            bounds=bounds,
        )
        settings = read_end_settings(kernel, given)
        ends = {"client": client, "server": server}
        for (name, address), entrance in zip(ends.items(), entrances, strict=True):
            if place == "lo" and name == "server":
                self.world.peers[name] = self.world.peers["client"]
                continue
            link = Link(lots.draw, delay, loss)
            self.world.add_host(name, V4, address, kernel, settings, link, entrance)

    @property
    def rungs(self) -> Sequence[Rung]:
        return [event for event in self.chronicle.events if isinstance(event, Rung)]

    def told(self, side: Side) -> list[tuple[HappeningKind, str | None]]:
        """What happened at one end, a change of state by the name of the new one."""
        return [
            (what.kind, what.after.name if what.after else what.error and what.error.name)
            for half, what in self.happened
            if half.side is side
        ]

    def states(self, side: Side) -> list[tuple[int, str]]:
        """The states of one end, each with the moment when it began."""
        return [
            (what.at, what.after.name)
            for half, what in self.happened
            if half.side is side and what.after is not None
        ]
