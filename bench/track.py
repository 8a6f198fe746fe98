# SPDX-License-Identifier: GPL-2.0-only
"""Lets conversations pass the tracker, with full window tracking, and says how fast it was.

    python bench/track.py              # packets a second through the tracker
    python bench/track.py --look-up    # the same packets, each looked up in a table: the yardstick

The packets are made before the clock starts: 2,000 connections at a time, each a handshake, data
and their acknowledgements both ways, and a close.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable

from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.tuple import get_tuple
from ctlint.model.kernel.profiles import NEWEST
from ctlint.wire.addresses import Family
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

_CLIENT, _SERVER = 0x0A010002, 0x0A020002
_SYN_OPTIONS = TcpOptions(1460, 7, sack_permitted=True)
_CONNECTIONS = 2_000
_EXCHANGES = 20
_BETWEEN_PACKETS = 10  # microseconds


def conversation(port: int) -> list[Packet]:
    """All packets of one connection."""
    packets: list[Packet] = []
    numbers = {"client": 1000, "server": 5000}

    def send(side: str, flags: str, length: int = 0, options: TcpOptions | None = None) -> None:
        other = "server" if side == "client" else "client"
        ends = (_CLIENT, port, _SERVER, 80) if side == "client" else (_SERVER, 80, _CLIENT, port)
        parsed = TcpFlags.parse(flags)
        packets.append(
            Packet(
                Family.IPV4,
                ends[0],
                ends[2],
                TCP,
                ends[1],
                ends[3],
                parsed,
                payload=length,
                seq=numbers[side],
                ack=numbers[other] if "A" in flags else 0,
                window=64240 if options else 502,
                options=options,
            )
        )
        numbers[side] += length + ("S" in flags) + ("F" in flags)

    send("client", "S", options=_SYN_OPTIONS)
    send("server", "SA", options=_SYN_OPTIONS)
    send("client", "A")
    for _ in range(_EXCHANGES):
        send("client", "PA", 100)
        send("server", "A")
        send("server", "PA", 1400)
        send("client", "A")
    send("client", "FA")
    send("server", "FA")
    send("client", "A")
    return packets


def track(packets: list[Packet]) -> None:
    """Through the tracker, each confirmed."""
    tracker = Tracker(NEWEST, read_settings(NEWEST, {}))
    now = 0
    for packet in packets:
        now += _BETWEEN_PACKETS
        tracker.nf_conntrack_confirm(tracker.nf_conntrack_in(packet, now), now)


def look_up(packets: list[Packet]) -> None:
    """Through a table that holds no more than a list for each connection."""
    table: dict[tuple[int, ...], list[int]] = {}
    now = 0
    for packet in packets:
        now += _BETWEEN_PACKETS
        key = get_tuple(packet)
        found = table.get(key)
        if found is None:
            found = table[key] = []
        found.append(now)


def main() -> None:
    """Run, and print packets a second of CPU time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--look-up", action="store_true", help="look up only: the yardstick")
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds [default: 5]; the best counts"
    )
    arguments = parser.parse_args()
    conversations = [conversation(1024 + number) for number in range(_CONNECTIONS)]
    # Round robin, so that no connection is warm in any cache.
    packets = [packet for turn in zip(*conversations, strict=True) for packet in turn]
    work: Callable[[list[Packet]], None] = look_up if arguments.look_up else track
    gc.disable()
    best = float("inf")
    for _ in range(arguments.rounds):
        start = time.process_time()
        work(packets)
        best = min(best, time.process_time() - start)
    print(f"{len(packets):,} packets, {len(packets) / best:,.0f} packets/s")


if __name__ == "__main__":
    main()
