# SPDX-License-Identifier: GPL-2.0-only
"""Replays a capture, and says how fast that was beside tshark's plain reading of the same file.

    python -m bench.capture
    python -m bench.capture --packets 5000000

The capture holds conversations of 86 packets each: a handshake, data and their acknowledgements
both ways, a close. 2,000 go on at a time. tshark, if it is there, prints its usual line for each
packet; nobody reads either's output.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from bench.run import Program, Run, run
from bench.track import conversation
from ctlint.wire.encoding import encode

_AT_A_TIME: Final = 2_000
_FIRST_PORT: Final = 1024
_BETWEEN_PACKETS: Final = 10  # microseconds
_START: Final = 1_700_000_000_000_000
_ETHERNET: Final = b"\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0"
_PORTS: Final = 14 + 20

RULES: Final = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
"""


class _Pattern(NamedTuple):
    """A packet of every conversation: all but the client's port and its identification."""

    head: bytes
    tail: bytes
    is_from_client: bool


def _patterns() -> list[_Pattern]:
    found = []
    for packet in conversation(_FIRST_PORT):
        encoded = encode(packet)
        assert encoded is not None
        frame = _ETHERNET + encoded.data
        is_from_client = packet.sport == _FIRST_PORT
        place = _PORTS if is_from_client else _PORTS + 2
        found.append(_Pattern(frame[:place], frame[place + 2 :], is_from_client))
    return found


def records(packets: int) -> Iterator[bytes]:
    """The records of at least so many packets."""
    patterns = _patterns()
    at = _START
    made = 0
    while made < packets:
        count = min(_AT_A_TIME, -(-(packets - made) // len(patterns)))
        # The next ones have other addresses: their ports are used again.
        client = (0x0A01_0000 + made % 50_000 + 2).to_bytes(4, "big")
        for pattern in patterns:
            place = 14 + (12 if pattern.is_from_client else 16)
            head = pattern.head[:place] + client + pattern.head[place + 4 :]
            size = len(head) + 2 + len(pattern.tail)
            for port in range(_FIRST_PORT, _FIRST_PORT + count):
                at += _BETWEEN_PACKETS
                made += 1
                stamp = struct.pack("<IIII", at // 10**6, at % 10**6, size, size)
                yield stamp + head + port.to_bytes(2, "big") + pattern.tail


def write(path: Path, packets: int) -> int:
    """Write a capture; the number of its packets."""
    count = 0
    with path.open("wb") as stream:
        stream.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for record in records(packets):
            stream.write(record)
            count += 1
    return count


def main() -> None:
    """Write a capture, read it in turn, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--packets", type=int, default=200_000, help="[default: 200000]")
    parser.add_argument("-n", type=int, default=3, help="runs of each program [default: 3]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path, rules = Path(name) / "bench.pcap", Path(name) / "rules.v4"
        rules.write_text(RULES)
        count = write(path, arguments.packets)
        replay = [sys.executable, "-m", "ctlint", "replay", str(path)]
        programs = [
            Program("ctlint replay", replay),
            Program("ctlint replay --rules", [*replay, "--rules", str(rules)]),
        ]
        if shutil.which("tshark"):
            programs.insert(0, Program("tshark -r", ["tshark", "-n", "-r", str(path)]))
        print(f"{count:,} packets, {path.stat().st_size >> 20} MiB")
        _report(programs, count, arguments.n)


def _report(programs: list[Program], count: int, times: int) -> None:
    runs: list[list[Run]] = [[] for _ in programs]
    for _ in range(times):
        for program, found in zip(programs, runs, strict=True):
            found.append(run(program))
    base = statistics.median(one.cpu for one in runs[0])
    print(f"  {'':<24}{'CPU s':>9}{'packets/s':>12}{'ratio':>8}{'MiB':>8}")
    for program, found in zip(programs, runs, strict=True):
        cpu = statistics.median(one.cpu for one in found)
        memory = max(one.memory for one in found)
        print(
            f"  {program.name:<24}{cpu:>9.2f}{count / cpu:>12,.0f}{cpu / base:>8.2f}{memory:>8.0f}"
        )


if __name__ == "__main__":
    main()
