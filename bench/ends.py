# SPDX-License-Identifier: GPL-2.0-only
"""How many connections a second two ends play that are wired back to back.

python -m bench.ends [CONNECTIONS]: each is opened, sends a hundred bytes and is closed by both.
"""

from __future__ import annotations

import random
import sys
import time
from collections import deque

from ctlint.model.endpoint.settings import read_end_settings
from ctlint.model.endpoint.tcp_host import HostAddress, TcpHost
from ctlint.model.kernel.profiles import profile
from ctlint.wire.addresses import Family
from ctlint.wire.moments import Micros
from ctlint.wire.packet import Packet

_CLIENT = 0x0A010002
_SERVER = 0x0A020002
_PAUSE: Micros = 10_000
_CONNECTIONS = 5000


def play(connections: int) -> int:
    """Plays so many connections, one after the other; says how many packets were sent."""
    kernel = profile("6.18")
    settings = read_end_settings(kernel, {})
    lots = random.Random(1)
    on_wire: deque[Packet] = deque()
    sent = 0

    def transmit(packet: Packet, _: Micros) -> bool:
        nonlocal sent
        sent += 1
        on_wire.append(packet)
        return True

    hosts = {
        address: TcpHost(
            kernel, settings, [HostAddress(Family.IPV4, address)], transmit, lots.randint
        )
        for address in (_CLIENT, _SERVER)
    }

    def deliver() -> None:
        while on_wire:
            packet = on_wire.popleft()
            hosts[packet.daddr].receive(packet, now)

    now: Micros = 0
    listener = hosts[_SERVER].listen(80, 128, now)
    for _ in range(connections):
        now += _PAUSE
        for host in hosts.values():
            due = host.next_timer()
            if due is not None and due <= now:
                host.run(now)
        client = hosts[_CLIENT].connect(_SERVER, 80, now)
        deliver()
        client.send(100, now)
        deliver()
        server = listener.accept(now)
        assert server is not None
        server.read(now)
        client.close(now)
        deliver()
        server.close(now)
        deliver()
        for host in hosts.values():
            host.happenings()
    return sent


def main() -> int:
    """Print connections and packets a second of CPU time."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else _CONNECTIONS
    began = time.process_time()
    packets = play(connections)
    took = time.process_time() - began
    sys.stdout.write(f"{connections / took:,.0f} connections/s, {packets / took:,.0f} packets/s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
