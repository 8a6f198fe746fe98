# SPDX-License-Identifier: GPL-2.0-only
"""Two hosts back to back, and what happens on the wire between them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import NamedTuple

from ctlint.model.endpoint.happening import Happening, HappeningKind
from ctlint.model.endpoint.settings import read_end_settings
from ctlint.model.endpoint.socket import Socket
from ctlint.model.endpoint.tcp_host import HostAddress, TcpHost
from ctlint.model.endpoint.tcp_state import TcpState
from ctlint.model.kernel.profiles import profile
from ctlint.model.kernel.sysctls import canonical_name
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.packet import Packet

A = 0x0A010002
B = 0x0A020002
DELAY: Micros = 50

Filter = Callable[[Packet], bool]
"""Whether a packet is lost."""


class Sent(NamedTuple):
    """A packet that a host tried to send. `has_left`: its own firewall did not refuse it."""

    at: Micros
    by: str
    letters: str
    packet: Packet
    has_left: bool


class Wire:
    """Two hosts, "a" and "b". `refused` and `lost` can be set at any time."""

    def __init__(
        self,
        kernel: str = "6.18",
        sysctls: Mapping[str, int] | None = None,
        *,
        kernel_b: str | None = None,
        sysctls_b: Mapping[str, int] | None = None,
        delay: Micros = DELAY,
        local_ports: tuple[int, int] | None = None,
        seed: int = 1,
        start: Micros = 0,
    ) -> None:
        self.now = start
        self.delay = delay
        self.refused: Filter = lambda _: False
        self.lost: Filter = lambda _: False
        self.sent: list[Sent] = []
        self.seen: list[Happening] = []
        self._under_way: list[tuple[Micros, int, TcpHost, Packet]] = []
        self._serial = 0
        self._local_ports = local_ports
        lots = random.Random(seed)
        self.a = self._host("a", A, kernel, sysctls or {}, lots)
        self.b = self._host("b", B, kernel_b or kernel, sysctls_b or sysctls or {}, lots)

    def _host(
        self, name: str, address: int, kernel: str, sysctls: Mapping[str, int], lots: random.Random
    ) -> TcpHost:
        known = profile(kernel)
        full = {canonical_name(key): value for key, value in sysctls.items()}

        def transmit(packet: Packet, now: Micros) -> bool:
            assert packet.flags is not None
            has_left = not self.refused(packet)
            self.sent.append(Sent(now, name, packet.flags.letters, packet, has_left))
            if has_left and not self.lost(packet):
                self._serial += 1
                target = self.a if packet.daddr == A else self.b
                heappush(self._under_way, (now + self.delay, self._serial, target, packet))
            return has_left

        return TcpHost(
            known,
            read_end_settings(known, full, self._local_ports),
            [HostAddress(Family.IPV4, address)],
            transmit,
            lots.randint,
        )

    def inject(self, packet: Packet) -> None:
        """A packet from nowhere arrives."""
        (self.a if packet.daddr == A else self.b).receive(packet, self.now)
        self._note()

    def next(self) -> Micros | None:
        """When something happens next."""
        moments = [host.next_timer() for host in (self.a, self.b)]
        moments += [self._under_way[0][0]] if self._under_way else []
        known = [moment for moment in moments if moment is not None]
        return min(known) if known else None

    def run(self, span: Micros) -> None:
        """Time goes on by so much."""
        end = self.now + span
        while (at := self.next()) is not None and at <= end:
            assert at >= self.now, "a timer in the past"
            self.now = at
            while self._under_way and self._under_way[0][0] <= at:
                _, _, target, packet = heappop(self._under_way)
                target.receive(packet, at)
            for host in (self.a, self.b):
                host.run(at)
            self._note()
        self.now = end

    def _note(self) -> None:
        self.seen += self.a.happenings() + self.b.happenings()

    def happened(self, kind: HappeningKind, sk: Socket) -> list[Happening]:
        """What happened to a socket."""
        self._note()
        return [one for one in self.seen if one.kind is kind and one.socket is sk]

    def gone_at(self, sk: Socket) -> Micros | None:
        """When a socket left the table."""
        gone = self.happened(HappeningKind.GONE, sk)
        return gone[0].at if gone else None

    def states(self, sk: Socket) -> list[TcpState | None]:
        """The states that a socket came to be in."""
        return [one.after for one in self.happened(HappeningKind.STATE, sk)]

    def times(self, letters: str, by: str = "a", since: Micros = 0) -> list[float]:
        """When a host tried to send such segments, in seconds since a moment."""
        return [
            (one.at - since) / SECOND
            for one in self.sent
            if one.letters == letters and one.by == by and one.at >= since
        ]

    def trace(self, since: Micros = 0) -> list[str]:
        """What was sent, as "aS", "bSA", …"""
        return [one.by + one.letters for one in self.sent if one.at >= since]

    def open(self, port: int = 8080, *, reads: bool = True) -> tuple[Socket, Socket]:
        """A connection between a and b, on which each has heard from the other."""
        listener = self.b.listen(port, 128, self.now)
        client = self.a.connect(B, port, self.now)
        self.run(SECOND)
        server = listener.accept(self.now)
        assert server is not None
        listener.close(self.now)
        for one in (client, server):
            one.send(10, self.now)
            self.run(SECOND)
        if reads:
            for one in (client, server):
                assert one.read(self.now) == 10
        return client, server
