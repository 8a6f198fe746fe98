# SPDX-License-Identifier: GPL-2.0-only
"""The blocks of pcapng (draft-ietf-opsawg-pcapng), as far as they hold packets.

A file may have several sections, each in its own byte order and with its own interfaces, each of
these with its own link type and clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ctlint.source.capture_stream import CaptureError, CaptureStream
from ctlint.wire.frame import COOKED2, Frame, interface_number
from ctlint.wire.moments import SECOND

SECTION: Final = b"\x0a\x0d\x0d\x0a"
"""How a file begins: the type of a section's header, the same in both byte orders."""

MAX_BLOCK: Final = 16 << 20
"""Bytes of one block, as libpcap has it."""

MAX_INTERFACES: Final = 4096
"""Of one section."""

_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_SECTION_TYPE, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_END, _NAME, _RESOLUTION, _OFFSET = 0, 2, 9, 14
_MICROSECONDS: Final = 6
_LEAST: Final = 12
_MOST_NAME: Final = 64
_LAST_MOMENT: Final = 253_402_300_800 * SECOND


class _Interface(NamedTuple):
    """``per_second`` are the ticks of its clock, ``shift`` is added to it, in seconds."""

    link: int
    snaplen: int
    name: str
    per_second: int
    shift: int


def read_pcapng(stream: CaptureStream) -> Iterator[Frame]:
    """The frames of a file whose first four bytes were read. Raises CaptureError."""
    return _Blocks(stream).frames()


class _Blocks:
    def __init__(self, stream: CaptureStream) -> None:
        self.stream = stream
        self.order = "<"
        self.interfaces: list[_Interface] = []
        self.begin = 0

    def fail(self, message: str) -> CaptureError:
        return CaptureError(self.stream.path, self.begin, message)

    def frames(self) -> Iterator[Frame]:
        self.open_section()
        read = self.stream.read
        while True:
            self.begin = self.stream.offset
            head = read(4)
            if head == SECTION:
                self.open_section()
                continue
            head += read(4)
            if len(head) < 8:
                if head:
                    raise self.fail("the file ends in the head of a block")
                return
            kind, length = struct.unpack(f"{self.order}II", head)
            if kind in (_PACKET, _INTERFACE, _SIMPLE_PACKET, _OLD_PACKET):
                body = self.body(length)
                if kind == _INTERFACE:
                    self.add_interface(body)
                else:
                    yield self.packet(kind, body)
            else:
                self.pass_over(length)

    # Blocks

    def open_section(self) -> None:
        """Read the rest of a section's header, whose type was read."""
        head = self.stream.read(8)
        order = _ORDERS.get(head[4:8])
        if order is None:
            raise self.fail("a section without its byte order")
        self.order = order
        self.interfaces = []
        (length,) = struct.unpack_from(f"{order}I", head)
        body = self.body(length, has_read=4)
        if len(body) < 12:
            raise self.fail("the header of a section is too short")
        (major,) = struct.unpack_from(f"{order}H", body)
        if major != 1:
            raise self.fail(f"version {major} of pcapng is not known")

    def body(self, length: int, has_read: int = 0) -> bytes:
        """The body of a block, of which some bytes were read."""
        self.require_length(length)
        count = length - _LEAST - has_read
        if count < 0:
            raise self.fail(f"a block of {length} bytes is too short")
        if length > MAX_BLOCK:
            raise self.fail(f"a block of {length} bytes: the file is damaged")
        body = self.stream.read(count)
        self.close(length, self.stream.read(4) if len(body) == count else b"")
        return body

    def pass_over(self, length: int) -> None:
        """A block that holds no packet."""
        self.require_length(length)
        is_there = self.stream.skip(length - _LEAST)
        self.close(length, self.stream.read(4) if is_there else b"")

    def require_length(self, length: int) -> None:
        if length < _LEAST or length % 4:
            raise self.fail(f"a block of {length} bytes: no block is as long")

    def close(self, length: int, tail: bytes) -> None:
        if len(tail) < 4:
            raise self.fail(f"the file ends in a block of {length} bytes")
        (told,) = struct.unpack(f"{self.order}I", tail)
        if told != length:
            raise self.fail(f"a block of {length} bytes at its begin and {told} at its end")

    # Interfaces

    def add_interface(self, body: bytes) -> None:
        if len(body) < 8:
            raise self.fail("the description of an interface is too short")
        if len(self.interfaces) >= MAX_INTERFACES:
            raise self.fail(f"more than {MAX_INTERFACES} interfaces")
        link, _, snaplen = struct.unpack_from(f"{self.order}HHI", body)
        name, resolution, shift = "", _MICROSECONDS, 0
        for code, value in self.options(body[8:]):
            if code == _NAME:
                name = value[:_MOST_NAME].rstrip(b"\0").decode("utf-8", "replace")
            elif code == _RESOLUTION and len(value) == 1:
                resolution = value[0]
            elif code == _OFFSET and len(value) == 8:
                (shift,) = struct.unpack(f"{self.order}q", value)
        base = 2 if resolution & 0x80 else 10
        per_second = base ** (resolution & 0x7F)
        self.interfaces.append(_Interface(link, snaplen, name, per_second, shift))

    def options(self, text: bytes) -> Iterator[tuple[int, bytes]]:
        at = 0
        while at + 4 <= len(text):
            code, length = struct.unpack_from(f"{self.order}HH", text, at)
            if code == _END:
                return
            value = text[at + 4 : at + 4 + length]
            if len(value) < length:
                raise self.fail(f"an option of {length} bytes goes beyond its block")
            yield code, value
            at += 4 + length + -length % 4

    # Packets

    def packet(self, kind: int, body: bytes) -> Frame:
        if kind == _SIMPLE_PACKET:
            return self.simple_packet(body)
        if len(body) < 20:
            raise self.fail("the block of a packet is too short")
        layout = "IIIII" if kind == _PACKET else "HxxIIII"
        number, high, low, captured, length = struct.unpack_from(f"{self.order}{layout}", body)
        interface = self.interface(number)
        if captured > len(body) - 20:
            raise self.fail(f"a packet of {captured} captured bytes goes beyond its block")
        ticks = (high << 32 | low) * SECOND // interface.per_second
        return self.frame(interface, ticks, body[20 : 20 + captured], length)

    def simple_packet(self, body: bytes) -> Frame:
        """A packet of the first interface, without a moment."""
        if len(body) < 4:
            raise self.fail("the block of a packet is too short")
        interface = self.interface(0)
        (length,) = struct.unpack_from(f"{self.order}I", body)
        captured = min(length, interface.snaplen or length)
        if captured > len(body) - 4:
            raise self.fail(f"a packet of {captured} captured bytes goes beyond its block")
        return self.frame(interface, None, body[4 : 4 + captured], length)

    def interface(self, number: int) -> _Interface:
        if number >= len(self.interfaces):
            raise self.fail(f"a packet of interface {number}, which is not described")
        return self.interfaces[number]

    def frame(self, interface: _Interface, moment: int | None, data: bytes, length: int) -> Frame:
        at = None if moment is None else moment + interface.shift * SECOND
        if at is not None and not 0 <= at < _LAST_MOMENT:
            raise self.fail("a moment before 1970 or behind the year 9999: the file is damaged")
        wire = max(length, len(data))
        number = interface_number(data) if interface.link == COOKED2 else ""
        name = number or interface.name
        return Frame(at, interface.link, data, wire, name, self.begin)
