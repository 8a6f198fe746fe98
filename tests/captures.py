# SPDX-License-Identifier: GPL-2.0-only
"""Captures as bytes, written by the layouts of the drafts: draft-ietf-opsawg-pcap and -pcapng."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

ETHERNET = 1
MICROS, NANOS = 0xA1B2C3D4, 0xA1B23C4D
MAC = b"\x02\0\0\0\0\2\x02\0\0\0\0\1"


def ethernet(packet: bytes) -> bytes:
    """A frame of Ethernet that holds an IP packet."""
    return MAC + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0") + packet


def pcap(
    records: Iterable[tuple[int, bytes]],
    *,
    link: int = ETHERNET,
    order: str = "<",
    magic: int = MICROS,
    snaplen: int = 262144,
) -> bytes:
    """A pcap file; a record is a moment, in the file's parts of a second, and a frame."""
    parts = 10**9 if magic == NANOS else 10**6
    found = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snaplen, link)
    for at, frame in records:
        head = (at // parts, at % parts, len(frame[:snaplen]), len(frame))
        found += struct.pack(f"{order}IIII", *head) + frame[:snaplen]
    return found


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    """The header of a section."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """An option of a block."""
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(
    link: int = ETHERNET,
    *,
    options: Sequence[tuple[int, bytes]] = (),
    order: str = "<",
    snaplen: int = 0,
) -> bytes:
    """The description of an interface. Options: 2 is the name, 9 the resolution, 14 the offset."""
    body = struct.pack(f"{order}HHI", link, 0, snaplen)
    for code, value in options:
        body += option(code, value, order)
    return block(1, body, order)


def packet(at: int, frame: bytes, number: int = 0, order: str = "<", length: int = 0) -> bytes:
    """A packet of an interface; the moment in ticks of its clock."""
    body = struct.pack(
        f"{order}IIIII", number, at >> 32, at & 0xFFFFFFFF, len(frame), length or len(frame)
    )
    return block(6, body + frame, order)
