# SPDX-License-Identifier: GPL-2.0-only
"""Captures: the frames of a file as tcpdump, dumpcap or Wireshark write them.

Read are pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), as they are or packed
with gzip. docs/decisions/0018 says why by code of our own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ctlint.source.capture_stream import CaptureError, CaptureStream
from ctlint.source.errors import SourceError
from ctlint.source.pcapng import SECTION, read_pcapng
from ctlint.wire.frame import COOKED2, Frame, interface_number
from ctlint.wire.moments import SECOND

__all__ = ["CaptureError", "CaptureStream", "frames"]

MAX_RECORD: Final = 1 << 20
"""Bytes of one frame. Captures of tcpdump have 262,144 at most, jumbograms may be longer."""

_NANOS: Final = 1000
_PCAP: Final[Mapping[bytes, tuple[str, int]]] = {
    b"\xa1\xb2\xc3\xd4": (">", 1),
    b"\xd4\xc3\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", _NANOS),
    b"\x4d\x3c\xb2\xa1": ("<", _NANOS),
}
"""The byte order by the magic number, and how many parts a microsecond has."""

_OTHERS: Final = (
    (b"\xfd7zXZ", "xzcat"),
    (b"BZh", "bzcat"),
    (b"\x28\xb5\x2f\xfd", "zstdcat"),
    (b"\x04\x22\x4d\x18", "lz4cat"),
)
_make = tuple.__new__
_LINK: Final = 0xFFFF
"""The bits of a link type; above them stands what is known of check sums."""


def frames(stream: CaptureStream) -> Iterator[Frame]:
    """The frames, in the order of the file.

    Raises SourceError for what is no capture, and CaptureError where the capture ends in the middle
    of a record or says what cannot be: all before it has been given.
    """
    magic = stream.read(4)
    if not magic:
        raise SourceError(f"{stream.path}: empty")
    if magic in _PCAP:
        return _read_pcap(stream, *_PCAP[magic])
    if magic == SECTION:
        return read_pcapng(stream)
    for start, program in _OTHERS:
        if start.startswith(magic) or magic.startswith(start):
            hint = f"{program} {stream.path} | ctlint replay -"
            raise SourceError(f"{stream.path}: packed in another way than by gzip", hint)
    hint = "give what `tcpdump -w` or dumpcap writes"
    raise SourceError(f"{stream.path}: neither pcap nor pcapng", hint)


def _read_pcap(stream: CaptureStream, order: str, parts: int) -> Iterator[Frame]:
    header = stream.read(20)
    if len(header) < 20:
        raise CaptureError(stream.path, stream.offset, "the file ends in its header")
    (link,) = struct.unpack_from(f"{order}I", header, 16)
    link &= _LINK
    return _records(stream, struct.Struct(f"{order}IIII").unpack, link, parts)


def _records(
    stream: CaptureStream, unpack: Callable[[bytes], tuple[int, ...]], link: int, parts: int
) -> Iterator[Frame]:
    read = stream.read
    while True:
        offset = stream.offset
        head = read(16)
        if len(head) < 16:
            if head:
                raise CaptureError(stream.path, offset, "the file ends in the head of a packet")
            return
        seconds, fraction, captured, length = unpack(head)
        if captured > MAX_RECORD:
            said = f"a packet of {captured} captured bytes: the file is damaged"
            raise CaptureError(stream.path, offset, said)
        if fraction >= SECOND * parts:
            said = f"a moment with {fraction} parts of a second: the file is damaged"
            raise CaptureError(stream.path, offset, said)
        data = read(captured)
        if len(data) < captured:
            said = f"the file ends in a packet: {len(data)} of {captured} bytes are there"
            raise CaptureError(stream.path, offset, said)
        at = seconds * SECOND + fraction // parts
        number = interface_number(data) if link == COOKED2 else ""
        length = max(length, captured)
        yield _make(Frame, (at, link, data, length, number, offset))
