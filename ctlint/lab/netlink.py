# SPDX-License-Identifier: GPL-2.0-only
"""Netlink as such: messages, attributes, and a socket that asks and waits for the answer.

Source: include/uapi/linux/netlink.h, Documentation/userspace-api/netlink/intro.rst.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

ROUTE: Final = 0
NETFILTER: Final = 12

REQUEST: Final = 0x001
ACK: Final = 0x004
DUMP: Final = 0x300
REPLACE: Final = 0x100
CREATE: Final = 0x400

_ERROR, _DONE = 2, 3
_INTERRUPTED: Final = 0x010
_HEADER = struct.Struct("=IHHII")
_CODE = struct.Struct("=i")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED: Final = 0x8000
_TYPE_MASK: Final = 0x3FFF
_SECONDS_TO_WAIT: Final = 10
_SO_RCVBUFFORCE: Final = 33


class Request(NamedTuple):
    """What is asked: the type of the message, its flags beside REQUEST, and what follows."""

    kind: int
    flags: int
    body: bytes


class Reply(NamedTuple):
    """What came back for one request: an error number (0: none) and the bodies of messages."""

    error: int
    bodies: tuple[bytes, ...]


class Netlink:
    """A netlink socket of the namespace in which it is made. Raises OSError."""

    def __init__(self, protocol: int, *, buffer: int = 1 << 20) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        try:
            self.socket.bind((0, 0))
            self.socket.settimeout(_SECONDS_TO_WAIT)
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        except OSError:
            self.socket.close()
            raise
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def ask(self, request: Request) -> tuple[bytes, ...]:
        """Ask one thing and wait until the kernel has done it. Raises OSError."""
        (reply,) = self.ask_all([request])
        if reply.error:
            raise OSError(reply.error, os.strerror(reply.error))
        return reply.bodies

    def ask_all(self, requests: Sequence[Request]) -> list[Reply]:
        """Ask several things, each answered or refused on its own. Raises OSError."""
        first = self._sequence
        self._sequence = (first + len(requests)) & 0x7FFFFFFF
        self.socket.send(
            b"".join(
                _HEADER.pack(16 + len(body), kind, flags | ACK | REQUEST, first + index, 0) + body
                for index, (kind, flags, body) in enumerate(requests)
            )
        )
        bodies: list[list[bytes]] = [[] for _ in requests]
        errors = [0] * len(requests)
        missing = len(requests)
        while missing:
            data = self.socket.recv(1 << 17)
            start = 0
            while start < len(data):
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, start)
                index = sequence - first
                if 0 <= index < len(requests):
                    if flags & _INTERRUPTED:
                        errors[index] = errno.EINTR
                    if kind in (_ERROR, _DONE):
                        (code,) = _CODE.unpack_from(data, start + 16)
                        errors[index] = errors[index] or -code
                        missing -= 1
                    else:
                        bodies[index].append(data[start + 16 : start + length])
                start += length + 3 & ~3
        return [Reply(error, tuple(found)) for error, found in zip(errors, bodies, strict=True)]


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to whole words."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | _NESTED, b"".join(parts))


def attributes(data: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """The attributes of a message or of a nested attribute: type and value."""
    size = len(data)
    while start + 4 <= size:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4:
            return
        yield kind & _TYPE_MASK, data[start + 4 : start + length]
        start += length + 3 & ~3
